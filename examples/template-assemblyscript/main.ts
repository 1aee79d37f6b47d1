// What class is a grey picture? Asks the host for the model `squeezenet` and prints the best class.
import { Out, EXECUTION_TARGET_CPU, TENSOR_TYPE_F32, Tensor, TensorData, TensorDimensions } from "./wasi_ephemeral_nn";
import { NnErrno, nn_errno_name, utf8, wasi_ephemeral_nn as nn } from "./wasi_ephemeral_nn";
import { exit, print } from "./wasi";

function check(error: NnErrno): void {
  if (!error) return;
  print("wasi-nn: " + nn_errno_name(error) + "\n");
  exit(1);
}

export function _start(): void {
  const name = String.UTF8.encode("squeezenet");
  const pixels = new StaticArray<f32>(3 * 227 * 227), scores = new StaticArray<f32>(1000);
  const shape: StaticArray<u32> = [1, 3, 227, 227];
  const graph = new Out<u32>(), context = new Out<u32>(), size = new Out<u32>();

  const tensor = new Tensor();
  tensor.dimensions.over(changetype<usize>(shape), shape.length);
  tensor.type = TENSOR_TYPE_F32;
  tensor.data.over(changetype<usize>(pixels), pixels.length * sizeof<f32>());

  check(nn.load_by_name(utf8(name), graph));
  check(nn.init_execution_context(graph.value, context));
  check(nn.set_input(context.value, 0, tensor));
  check(nn.compute(context.value));
  check(nn.get_output(context.value, 0, changetype<usize>(scores), scores.length * sizeof<f32>(), size));

  let best = 0;
  for (let i = 1; i < scores.length; i++) if (scores[i] > scores[best]) best = i;
  print("class " + best.toString() + "\n");
}
