/* Doubles 5000 numbers with the model registered as `double`, by wasi_nn.hpp; with EXTENSIONS it cleans up behind it. */
#ifdef EXTENSIONS
#include <wasi_nn_extensions.hpp>
#else
#include <wasi_nn.hpp>
#endif

static float numbers[5000], doubled[5000];

static int fail(wasi_nn::nn_errno error) {
  fprintf(stderr, "%s; %s (%d)\n", wasi_nn::strerror(error), wasi_nn::error_hint(error), static_cast<int>(error));
  return 1;
}

int main() {
  const uint32_t shape[] = {5000};
  for (int i = 0; i < 5000; i++) numbers[i] = static_cast<float>(i);
#ifdef EXTENSIONS
  auto loaded = wasi_nn::load_by_name_with_config("double", "{\"device\": \"cpu\"}");
  if (!loaded) return fail(loaded.error());
  wasi_nn::unique_graph graph(*std::move(loaded));
  auto made = graph->init_execution_context();
  if (!made) return fail(made.error());
  wasi_nn::unique_execution_context context(*std::move(made));
#else
  auto graph = wasi_nn::graph::load_by_name("double");
  if (!graph) return fail(graph.error());
  auto context = graph->init_execution_context();
  if (!context) return fail(context.error());
#endif
  auto input = wasi_nn::tensor<float>::make(shape, numbers);
  if (!input) return fail(input.error());
  if (auto ran = context->run({*input}); !ran) return fail(ran.error());
  auto output = context->get_output_into(0, doubled);
  if (!output) return fail(output.error());
  auto grown = context->get_output_vector<float>(0);
  if (!grown) return fail(grown.error());
  printf("%zu, the last %g; %zu, the last %g\n", output->size(), (*output)[4999], grown->size(), (*grown)[4999]);
#ifdef EXTENSIONS
  const auto handle = graph->raw();
  if (auto gone = wasi_nn::finalize_execution_context(context.release()); !gone) return fail(gone.error());
  if (auto gone = wasi_nn::unload(graph.release()); !gone) return fail(gone.error());
  printf("a context of what is gone: %d\n",
         static_cast<int>(wasi_nn::graph(handle).init_execution_context().error()));
#endif
}
