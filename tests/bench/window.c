/* How often a guest infers while others do: `window BEGIN END INFERENCE...`, with the words of inference.h.
 *
 * It infers until END and prints how many inferences were done since BEGIN, both in milliseconds of the wall clock,
 * which all guests of a machine share. One that was not at work at BEGIN fails. */
#include "guest.h"

int main(int count, char **words) {
  inference_t inference;
  const int wrong = read_inference(count - 3, words + 3, &inference);
  if (wrong) return wrong;
  const uint64_t begin = 1000000u * strtoull(words[1], NULL, 10), end = 1000000u * strtoull(words[2], NULL, 10);
  unsigned long done = 0, before = 0;
  if (load(&inference)) return 1;
  for (uint64_t time = 0; time < end; time = now(CLOCK_REALTIME)) {
    if (infer(&inference)) return 1;
    if (time >= begin) done++; else before++;
  }
  if (!before) return fprintf(stderr, "started too late\n"), 1;
  return printf("%lu\n", done) < 0;
}
