"""Models run on the device, in the precision and the layout that were asked for, or not at all."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import openvino  # type: ignore[import-untyped]  # the wheel has stubs but no py.typed
import pytest
from openvino import opset13 as ops

from host.abi import ExecutionTarget, GraphEncoding, NnErrno
from host.backends.openvino_c import OpenVinoError
from host.backends.openvino_devices import Devices
from host.errors import Condition, NnError
from host.formats import Format
from host.models.options import DEFAULT, LAYOUTS, PRECISIONS, ModelOptions
from host.models.registry import Registry
from host.nn import Serving, Session
from tests.host import compiled, models
from tests.host.guests import Guest, f32

if TYPE_CHECKING:
    from collections.abc import Callable

    from host.backends import Device
    from host.backends.openvino import OpenVino

IR = models.double([2])
CAPABILITIES = {"CPU": "FP32 BF16 INT8", "GPU.0": "FP32 FP16", "GPU.1": "FP32 FP16", "NPU": "FP16"}


def _ask(name: str, key: str) -> str:
    found = CAPABILITIES.get("GPU.0" if name == "GPU" else name, "FP32")
    return found if key == "OPTIMIZATION_CAPABILITIES" else f"the {name}"


def _ask_cpu_only(name: str, key: str) -> str:
    if name not in {"CPU", "AUTO"}:
        raise OpenVinoError(f"there is no {name}: libdriver.so.1: cannot open shared object file: gone")
    return _ask(name, key)


MANY = Devices(lambda: tuple(CAPABILITIES), _ask)
CPU_ONLY = Devices(lambda: ("CPU",), _ask_cpu_only)
ONE_GPU = Devices(lambda: ("CPU", "GPU"), _ask)


def _refused(act: Callable[[], object]) -> NnError:
    with pytest.raises(NnError) as caught:
        act()
    assert caught.value.errno is NnErrno.UNSUPPORTED_OPERATION
    return caught.value


@pytest.mark.parametrize(
    ("choice", "resolved"),
    [
        ("CPU", "CPU"),
        ("GPU", "GPU"),
        ("GPU.1", "GPU.1"),
        ("NPU", "NPU"),
        ("AUTO", "AUTO"),
        ("AUTO:GPU,CPU", "AUTO:GPU,CPU"),
        ("AUTO:-GPU", "AUTO:-GPU"),
        ("AUTO:GPU.1,-CPU", "AUTO:GPU.1,-CPU"),
        ("HETERO:GPU.0,CPU", "HETERO:GPU.0,CPU"),
        ("MULTI:CPU,NPU", "MULTI:CPU,NPU"),
        ("BATCH:GPU(4)", "BATCH:GPU(4)"),
    ],
)
def test_choice_of_what_is_there_is_taken(choice: str, resolved: str) -> None:
    assert MANY.resolve(choice) == resolved


def test_auto_falls_back_along_its_own_list() -> None:
    assert CPU_ONLY.resolve("AUTO:GPU,CPU") == "AUTO:CPU"


def test_only_device_of_a_kind_may_be_numbered() -> None:
    assert ONE_GPU.resolve("GPU.0") == "GPU.0"


@pytest.mark.parametrize(
    "choice", ["GPU", "NPU", "GPU.0", "CPU.1", "AUTO:GPU", "AUTO:GPU,NPU", "HETERO:GPU,CPU", "MULTI:CPU,GPU"]
)
def test_device_that_is_not_there_is_refused_with_what_is(choice: str) -> None:
    error = _refused(lambda: CPU_ONLY.resolve(choice))
    assert error.condition is Condition.DEVICE_NOT_AVAILABLE
    assert "only CPU, AUTO" in error.reason


@pytest.mark.parametrize(
    "choice",
    [
        "",
        "cpu",
        "CPU ",
        "CPU\n",
        "CPU\0",
        "NOPE",
        "AUTO:NOPE,CPU",
        "AUTO:",
        "AUTO:CPU,",
        "AUTO:CPU:GPU",
        "CPU:GPU",
        "CPU,GPU",
        "/dev/dri/card0",
        "AUTO:../x",
        "GPU.",
        "GPU.x",
        "\u0261PU",
    ],
)
def test_choice_that_is_no_device_is_refused(choice: str) -> None:
    assert _refused(lambda: MANY.resolve(choice)).condition is Condition.DEVICE_NOT_AVAILABLE


@pytest.mark.parametrize(
    ("choice", "precision"),
    [
        ("CPU", "f32"),
        ("CPU", "bf16"),
        ("GPU.1", "f16"),
        ("GPU", "f16"),
        ("NPU", "f16"),
        ("NPU", "auto"),
        ("AUTO:GPU.0,CPU", "f32"),
        ("AUTO:-NPU", "f32"),
    ],
)
def test_precision_that_every_device_has_is_taken(choice: str, precision: str) -> None:
    MANY.check_precision(MANY.resolve(choice), precision)


@pytest.mark.parametrize(
    ("choice", "precision", "names"),
    [
        ("CPU", "f16", "CPU"),
        ("NPU", "f32", "NPU"),
        ("GPU", "bf16", "GPU"),
        ("AUTO", "f32", "NPU"),
        ("AUTO:-NPU", "bf16", "GPU.0"),
        ("AUTO:GPU.0,CPU", "f16", "CPU"),
        ("HETERO:GPU.0,NPU", "f32", "NPU"),
        ("BATCH:NPU(4)", "f32", "NPU"),
        ("CPU", "nope", "CPU"),
    ],
)
def test_precision_that_a_device_lacks_is_refused(choice: str, precision: str, names: str) -> None:
    error = _refused(lambda: MANY.check_precision(MANY.resolve(choice), precision))
    assert error.condition is Condition.PRECISION_NOT_AVAILABLE
    assert error.reason.startswith(f"{names} does not compute in {precision}, only in ")


def test_every_usual_kind_is_listed_once_with_its_problem() -> None:
    assert [device.name for device in MANY.all()] == ["CPU", "GPU.0", "GPU.1", "NPU", "AUTO"]
    listed = {device.name: device for device in CPU_ONLY.all()}
    assert list(listed) == ["CPU", "GPU", "NPU", "AUTO"]
    assert [device.problem is None for device in listed.values()] == [True, False, False, True]
    assert listed["GPU"].problem == "no driver: the library libdriver.so.1 is not installed"


# On this machine.


@pytest.fixture(scope="module")
def devices(backend: Callable[[], OpenVino]) -> dict[str, Device]:
    """Return the devices there are, by name."""
    return {device.name: device for device in backend().devices()}


@pytest.mark.parametrize("device", ["CPU", "AUTO", "AUTO:CPU", "HETERO:CPU", "MULTI:CPU", "BATCH:CPU(2)"])
def test_model_runs_on_each_kind_of_choice(backend: Callable[[], OpenVino], device: str) -> None:
    request = backend().load(IR, Format.OPENVINO, ModelOptions(device=device)).request()
    request.set_input(0, (2,), f32(1, 2))
    request.infer()
    output = bytearray(8)
    output[:] = request.output(0)
    assert output == f32(2, 4)


def test_arithmetic_is_f32_by_default(backend: Callable[[], OpenVino]) -> None:
    graph = backend().load(IR, Format.OPENVINO, DEFAULT)
    assert compiled.property_of(graph, "INFERENCE_PRECISION_HINT") == "f32"


@pytest.mark.parametrize("precision", [each for each in PRECISIONS if each != "auto"])
def test_precision_is_applied_or_refused(
    backend: Callable[[], OpenVino], devices: dict[str, Device], precision: str
) -> None:
    """OpenVINO itself would take any, and go on in f32."""
    options = ModelOptions(precision=precision)
    capability = precision.replace("f", "FP").replace("bFP", "BF")
    if capability in devices["CPU"].capabilities:
        graph = backend().load(IR, Format.OPENVINO, options)
        assert compiled.property_of(graph, "INFERENCE_PRECISION_HINT") == precision
    else:
        error = _refused(lambda: backend().load(IR, Format.OPENVINO, options))
        assert error.condition is Condition.PRECISION_NOT_AVAILABLE


def test_auto_leaves_the_precision_to_the_device(backend: Callable[[], OpenVino]) -> None:
    graph = backend().load(IR, Format.OPENVINO, ModelOptions(precision="auto"))
    assert compiled.property_of(graph, "INFERENCE_PRECISION_HINT") in {"f32", "bf16", "f16"}


def test_threads_are_applied(backend: Callable[[], OpenVino]) -> None:
    graph = backend().load(IR, Format.OPENVINO, ModelOptions(threads=1))
    assert compiled.property_of(graph, "INFERENCE_NUM_THREADS") == "1"


def test_models_are_compiled_for_latency(backend: Callable[[], OpenVino]) -> None:
    assert compiled.property_of(backend().load(IR, Format.OPENVINO, DEFAULT), "PERFORMANCE_HINT") == "LATENCY"


def test_target_without_a_device_is_refused_with_the_list(guest: Guest, devices: dict[str, Device]) -> None:
    for target, kind in ((ExecutionTarget.GPU, "GPU"), (ExecutionTarget.TPU, "NPU")):
        if kind in devices and devices[kind].problem:
            assert guest.load(IR, GraphEncoding.OPENVINO, target) == NnErrno.UNSUPPORTED_OPERATION
            assert guest.condition is Condition.DEVICE_NOT_AVAILABLE
            assert "CPU" in guest.reports[-1][1].reason


# Layouts.

NCHW, NHWC = (1, 3, 2, 4), (1, 2, 4, 3)
FLOATS = list(map(float, range(24)))


def _weighted(shape: tuple[int, ...], more: int = 0) -> models.IR:
    """Return the IR of y = x * [0, 1, 2, ...] as laid out in memory, with `more` inputs of rank 2."""
    x = ops.parameter(list(shape), np.float32)
    rest = [ops.parameter([1, 2], np.float32) for _ in range(more)]
    results = [ops.multiply(x, ops.constant(np.arange(24, dtype=np.float32).reshape(shape)))]
    results += [ops.add(each, each) for each in rest]
    return models.ir(openvino.Model(results, [x, *rest], "weighted"))


def _with_layout(backend: Callable[[], OpenVino], layout: str) -> Guest:
    serving = Serving(ModelOptions(layout=layout))
    return Guest(Session(backend, Registry({}), lambda _: None, serving=serving))


@pytest.mark.parametrize(("layout", "given", "wanted"), [("nhwc", NHWC, NCHW), ("nchw", NCHW, NHWC)])
def test_pictures_are_transposed(
    backend: Callable[[], OpenVino], layout: str, given: tuple[int, ...], wanted: tuple[int, ...]
) -> None:
    """The guest's dimensions are those of its layout; outputs stay as the model has them."""
    guest = _with_layout(backend, layout)
    context = guest.context(_weighted(wanted))
    output = guest.infer(context, f32(*FLOATS), given)
    order = (0, 3, 1, 2) if layout == "nhwc" else (0, 2, 3, 1)
    seen = np.array(FLOATS).reshape(given).transpose(order).reshape(-1)
    assert list(struct.unpack("<24f", output)) == [index * value for index, value in enumerate(seen)]
    assert guest.set_input(context, f32(*FLOATS), wanted) == NnErrno.INVALID_ARGUMENT
    assert guest.condition is Condition.DIMENSIONS_DO_NOT_FIT


def test_other_inputs_stay_as_they_are(backend: Callable[[], OpenVino]) -> None:
    guest = _with_layout(backend, "nhwc")
    context = guest.context(_weighted(NCHW, more=1))
    assert guest.set_input(context, f32(1, 2), (1, 2), index=1) == NnErrno.SUCCESS
    guest.infer(context, f32(*FLOATS), NHWC)
    assert guest.output(context, 1) == f32(2, 4)


def test_without_a_layout_nothing_is_transposed(guest: Guest) -> None:
    output = guest.infer(guest.context(_weighted(NCHW)), f32(*FLOATS), NCHW)
    assert list(struct.unpack("<24f", output)) == [value * value for value in FLOATS]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_for_a_model_without_pictures_is_refused(backend: Callable[[], OpenVino], layout: str) -> None:
    guest = _with_layout(backend, layout)
    assert guest.load(IR) == NnErrno.UNSUPPORTED_OPERATION
    assert guest.condition is Condition.LAYOUT_DOES_NOT_FIT


# The command.


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "host", "devices", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_command_prints_a_table() -> None:
    done = _run()
    assert (done.returncode, done.stderr) == (0, "")
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["name", "full", "name", "capabilities"]
    assert {"CPU", "AUTO"} <= {row.split()[0] for row in rows}
    assert {"CPU", "GPU", "NPU", "AUTO"} <= {row.split()[0].split(".")[0] for row in rows}


def test_command_prints_json(devices: dict[str, Device]) -> None:
    done = _run("--json")
    assert (done.returncode, done.stderr) == (0, "")
    listed = json.loads(done.stdout)
    assert [entry["name"] for entry in listed] == list(devices)
    assert all(set(entry) == {"name", "full_name", "capabilities", "problem"} for entry in listed)


@pytest.mark.parametrize("argument", ["--nope", "GPU"])
def test_command_refuses_what_it_does_not_know(argument: str) -> None:
    done = _run(argument)
    assert (done.returncode, done.stdout) == (2, "")
    assert argument in done.stderr


def test_command_help_loads_no_openvino() -> None:
    code = (
        "import sys; from host.cli import main; main(['devices', '--help']); "
        "sys.exit('host.backends.openvino' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
