"""Models in Python for a real Triton; their ports are not in the order of their names."""

from __future__ import annotations

from typing import Final

_BEGIN: Final = """
import os
import sys
import time
sys.path[:0] = os.environ["WASINN_PATH"].split(os.pathsep)
import numpy as np
import triton_python_backend_utils as pb

def of(request, name):
    return pb.get_input_tensor_by_name(request, name).as_numpy()

def answer(**tensors):
    return pb.InferenceResponse([pb.Tensor(name, array) for name, array in tensors.items()])

class TritonPythonModel:
    def initialize(self, arguments):
        self.version = int(arguments["model_version"])
        random = np.random.RandomState(7)
        self.layers = [random.standard_normal(shape).astype(np.float32) / 8
                       for shape in ((64, 128), (128, 128), (128, 10))]

    def execute(self, requests):
        return [self.one(request) for request in requests]

    def one(self, request):
"""

MLP_SHAPES: Final = ((64, 128), (128, 128), (128, 10))

_TYPES: Final = ("FP16", "FP32", "FP64", "UINT8", "INT32", "INT64")


def _port(kind: str, name: str, datatype: str, dimensions: str) -> str:
    return f'{kind} [{{ name: "{name}", data_type: TYPE_{datatype}, dims: [{dimensions}] }}]'


def _model(
    inputs: list[tuple[str, str, str]], outputs: list[tuple[str, str, str]], body: str, *more: str
) -> tuple[str, str]:
    config = [_port("input", *each) for each in inputs] + [_port("output", *each) for each in outputs]
    return "\n".join([*config, *more]), _BEGIN + "\n".join(f"        {line}" for line in body.splitlines())


MODELS: Final = {
    "mlp": _model(
        [("x", "FP32", "-1, 64")],
        [("y", "FP32", "-1, 10")],
        "x = of(request, 'x')\n"
        "a, b, c = self.layers\n"
        "return answer(y=np.maximum(np.maximum(x @ a, 0) @ b, 0) @ c)",
    ),
    "subtract": _model(
        [("z", "FP32", "2"), ("a", "FP32", "2")],
        [("out_z", "FP32", "2"), ("out_a", "FP32", "2")],
        "z, a = of(request, 'z'), of(request, 'a')\nreturn answer(out_a=a - z, out_z=z - a)",
    ),
    "versions": _model(
        [("x", "FP32", "-1")],
        [("y", "FP32", "-1")],
        "return answer(y=of(request, 'x') * np.float32(self.version))",
        "version_policy { all {} }",
    ),
    "not": _model([("x", "UINT8", "-1")], [("y", "BOOL", "-1")], "return answer(y=of(request, 'x') == 0)"),
    "broken": _model(
        [("x", "FP32", "-1")], [("y", "FP32", "-1")], "raise pb.TritonModelException('it is broken')"
    ),
    "slow": _model(
        [("x", "FP32", "-1")], [("y", "FP32", "-1")], "time.sleep(1)\nreturn answer(y=of(request, 'x'))"
    ),
    "liar": _model([("x", "FP32", "-1")], [("y", "FP32", "2")], "return answer(y=np.zeros(3, np.float32))"),
    "text": _model([("x", "STRING", "-1")], [("y", "FP32", "-1")], "return answer()"),
    "says": _model([("x", "FP32", "-1")], [("y", "STRING", "-1")], "return answer()"),
    **{
        f"double_{name.lower()}": _model(
            [("x", name, "-1, 2")], [("y", name, "-1, 2")], "x = of(request, 'x')\nreturn answer(y=x + x)"
        )
        for name in _TYPES
    },
}
"""Name to the text of `config.pbtxt` and `model.py`."""
