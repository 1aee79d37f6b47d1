/*
 * softmax and top_k on numbers from outside: stdin holds u32 n, u32 k and n floats; stdout gets n floats of
 * softmax, then per result of top_k the index as u32 and the score.
 */
#include <wasi_nn.h>

enum { ROOM = 4096 };

int main(void) {
  static float in[ROOM], out[ROOM];
  static wasi_nn_score_t best[ROOM];
  uint32_t head[2];
  if (fread(head, sizeof *head, 2, stdin) != 2 || head[0] > ROOM || head[1] > ROOM) return 2;
  if (fread(in, sizeof *in, head[0], stdin) != head[0]) return 2;
  wasi_nn_softmax(in, out, head[0]);
  fwrite(out, sizeof *out, head[0], stdout);
  size_t count = wasi_nn_top_k(in, head[0], head[1], best);
  for (size_t i = 0; i < count; i++) {
    uint32_t index = (uint32_t)best[i].index;
    fwrite(&index, sizeof index, 1, stdout);
    fwrite(&best[i].score, sizeof best[i].score, 1, stdout);
  }
  return fflush(stdout) != 0;
}
