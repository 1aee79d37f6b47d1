/* What each wasi-nn call costs a guest: `calls ROUNDS INFERENCE...`, with the words of inference.h. */
#include "guest.h"

int main(int count, char **words) {
  inference_t inference;
  const int wrong = read_inference(count - 2, words + 2, &inference);
  return wrong ? wrong : load(&inference) || measure(&inference, atoi(words[1]));
}
