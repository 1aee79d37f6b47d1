/* The same inference with OpenVINO's C API and nothing around it: `bare PRECISION ROUNDS INFERENCE...`.
 *
 * MODEL is the file of the model; PRECISION is `f32`, or `auto` for OpenVINO's own choice, as all else is. An input
 * is set by one memcpy into the tensor of the request, an output had by one out of it. */
#include "inference.h"
#include "openvino/c/openvino.h"

static ov_infer_request_t *request;
static void *input, *output;

static int failed(const char *call, ov_status_e status) {
  return status == OK ? 0 : (fprintf(stderr, "%s: %s\n", call, ov_get_error_info(status)), 1);
}

static int set_input(const inference_t *inference) {
  memcpy(input, inference->data, inference->bytes);
  return 0;
}

static int compute(void) { return failed("infer", ov_infer_request_infer(request)); }

static int get_output(const inference_t *inference) {
  memcpy(inference->output, output, inference->output_bytes);
  return 0;
}

static int load(const inference_t *inference, int is_f32) {
  ov_core_t *core;
  ov_compiled_model_t *model;
  ov_tensor_t *in, *out;
  size_t in_bytes, out_bytes;
  if (failed("core", ov_core_create(&core))) return 1;
  const ov_status_e status =
      is_f32 ? ov_core_compile_model_from_file(core, inference->model, "CPU", 2, &model, "INFERENCE_PRECISION_HINT", "f32")
             : ov_core_compile_model_from_file(core, inference->model, "CPU", 0, &model);
  if (failed("compile", status) || failed("request", ov_compiled_model_create_infer_request(model, &request)) ||
      failed("input", ov_infer_request_get_input_tensor_by_index(request, 0, &in)) ||
      failed("output", ov_infer_request_get_output_tensor_by_index(request, 0, &out)) ||
      failed("input", ov_tensor_data(in, &input)) || failed("output", ov_tensor_data(out, &output)) ||
      failed("input", ov_tensor_get_byte_size(in, &in_bytes)) ||
      failed("output", ov_tensor_get_byte_size(out, &out_bytes))) {
    return 1;
  }
  const int fits = in_bytes == inference->bytes && out_bytes == inference->output_bytes;
  return fits ? 0 : (fprintf(stderr, "the model has other sizes\n"), 1);
}

int main(int count, char **words) {
  inference_t inference;
  const int wrong = read_inference(count - 3, words + 3, &inference);
  return wrong ? wrong : load(&inference, strcmp(words[1], "f32") == 0) || measure(&inference, atoi(words[2]));
}
