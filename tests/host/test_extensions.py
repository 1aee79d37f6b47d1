"""Functions of other hosts: a guest configures a named model as far as its operator lets it; bench marks."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from host.abi import ExecutionTarget, NnErrno
from host.bindings import Bindings
from host.errors import Condition, NnError
from host.host_functions import HostFunctions
from host.models.config import parse
from host.models.options import DEFAULT, DEVICES, KEYS, ModelOptions, OptionsError, options_from
from host.models.registry import CONFIGURATIONS, NamedModel, Registry
from host.nn import Limits, Serving, Session
from host.runner import BENCH, define_nn
from host.wasmtime_objects import Engine, Linker, Module, Store, wat2wasm
from tests.host import models
from tests.host.guests import CANARY, DATA, OUT, PAGE, Guest, f32

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from host.backends import Device, Graph
    from host.backends.openvino import OpenVino
    from host.formats import Format

MACHINE = os.cpu_count() or 1


@dataclass
class Compiled:
    """OpenVINO, and the options it has compiled with."""

    real: OpenVino
    options: list[ModelOptions] = field(default_factory=list)

    def load(self, builders: tuple[bytes, ...], format_: Format, options: ModelOptions) -> Graph:
        """Compile from bytes."""
        self.options.append(options)
        return self.real.load(builders, format_, options)

    def load_path(self, path: Path, files: tuple[Path, ...], options: ModelOptions) -> Graph:
        """Compile from a path."""
        self.options.append(options)
        return self.real.load_path(path, files, options)

    def devices(self) -> tuple[Device, ...]:
        """Return what devices there are."""
        return self.real.devices()


class Stage:
    """A named model `m` of y = x + x, and the guests that load it."""

    def __init__(self, backend: Callable[[], OpenVino], folder: Path) -> None:
        self.path = folder / "m.xml"
        xml, weights = models.double([1, 2])
        self.path.write_bytes(xml)
        self.path.with_suffix(".bin").write_bytes(weights)
        self.compiled = Compiled(backend())
        self.notices: list[str] = []
        self.serve()

    def serve(
        self,
        options: ModelOptions = DEFAULT,
        fixed: frozenset[str] = frozenset(),
        serving: Serving | None = None,
    ) -> None:
        """Have the operator choose `options`, of which those in `fixed` by name."""
        registry = Registry({"m": NamedModel(self.path, options, fixed)})
        self.session = Session(
            lambda: self.compiled, registry, self.notices.append, Limits(), serving=serving
        )
        self.guest = Guest(self.session)

    def load(self, config: bytes | dict[str, object]) -> int:
        """Load `m`, configured."""
        text = config if isinstance(config, bytes) else json.dumps(config).encode()
        return self.guest.load_by_name_with_config(b"m", text)

    @property
    def reason(self) -> str:
        """Why the last call failed."""
        return self.guest.reports[-1][1].reason


@pytest.fixture
def stage(backend: Callable[[], OpenVino], tmp_path: Path) -> Stage:
    """Return a new stage."""
    return Stage(backend, tmp_path)


@pytest.mark.parametrize("config", [b"", b"  \n", b"{}", b'{"device": "CPU"}', b'{"precision":"f32"}'])
def test_configuration_that_asks_nothing_new_shares_the_graph(stage: Stage, config: bytes) -> None:
    assert stage.guest.load_by_name(b"m") == NnErrno.SUCCESS
    assert stage.load(config) == NnErrno.SUCCESS, stage.guest.reports
    assert stage.compiled.options == [DEFAULT]


def test_configured_graph_computes(stage: Stage) -> None:
    assert stage.load({"device": "cpu", "threads": 1}) == NnErrno.SUCCESS, stage.guest.reports
    context = stage.guest.context_of(stage.guest.u32())
    assert stage.guest.infer(context, f32(1, 2), (1, 2)) == f32(2, 4)


def test_options_reach_the_backend_and_are_compiled_once(stage: Stage) -> None:
    for _ in range(3):
        assert stage.load({"threads": 1, "precision": "auto"}) == NnErrno.SUCCESS, stage.guest.reports
    assert stage.compiled.options == [ModelOptions(threads=1, precision="auto")]


def test_operators_options_hold_where_the_guest_asks_nothing(stage: Stage) -> None:
    stage.serve(ModelOptions(threads=1))
    assert stage.load({"precision": "auto"}) == NnErrno.SUCCESS, stage.guest.reports
    assert stage.compiled.options == [ModelOptions(threads=1, precision="auto")]


def test_keys_of_other_hosts_are_passed_over_and_told(stage: Stage) -> None:
    config = {"enable-log": True, "n-gpu-layers": 99, "sampling": {"temp": 0.7}, "threads": 1}
    assert stage.load(config) == NnErrno.SUCCESS, stage.guest.reports
    assert stage.compiled.options == [ModelOptions(threads=1)]
    assert "`enable-log`, `n-gpu-layers`, `sampling`" in stage.notices[0]


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (b"threads=1", "not JSON"),
        (b"{", "not JSON"),
        (b'{"threads": 1}}', "not JSON"),
        (b'{"threads": 1}\0', "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"{\xff}", "not UTF-8"),
        ('{"threads": 1}'.encode("utf-16"), "not UTF-8"),
        (b"[]", "list, not an object"),
        (b"null", "not an object"),
        (b"1", "not an object"),
        (b'"device"', "not an object"),
        (b'{"threads": 1, "threads": 2}', "twice"),
        (b'{"x": {"y": 1, "y": 2}}', "twice"),
        (b'{"threads": NaN}', "NaN"),
        (b'{"temp": -Infinity}', "Infinity"),
        (b'{"threads": ' + b"9" * 60_000 + b"}", "not JSON"),
        (b"[" * 60_000, "nested too deep"),
        (b'{"x":' * 10_000, "nested too deep"),
        (b'{"threads": ' + b"9" * 4000 + b"}", "that large"),
        (b'{"threads": 0}', "`threads`"),
        (b'{"threads": -1}', "`threads`"),
        (b'{"threads": 1.0}', "`threads`"),
        (b'{"threads": 1e400}', "`threads`"),
        (b'{"threads": true}', "`threads`"),
        (b'{"threads": null}', "`threads`"),
        (b'{"threads": "many"}', "`threads`"),
        (b'{"threads": [1]}', "`threads`"),
        (b'{"threads": 1025}', "`threads`"),
        (b'{"precision": "f64"}', "f32, bf16, f16, auto"),
        (b'{"precision": 32}', "`precision`"),
        (b'{"layout": "hwcn"}', "nchw, nhwc"),
        (b'{"layout": {}}', "`layout`"),
        (b'{"device": 1}', "`device`"),
        (b'{"device": null}', "`device`"),
        (b'{"device": ["CPU"]}', "`device`"),
    ],
)
def test_configuration_that_cannot_be(stage: Stage, config: bytes, says: str) -> None:
    stage.guest.put_u32(OUT, CANARY)
    for _ in range(8):
        stage.guest.call("grow")
    assert stage.load(config) == NnErrno.INVALID_ARGUMENT
    assert stage.guest.condition is Condition.BAD_CONFIGURATION
    assert says in stage.reason
    assert len(stage.reason) < 300
    assert not stage.compiled.options
    assert stage.guest.u32() == CANARY


@pytest.mark.parametrize("device", ["", "GPU.1", "AUTO", "HETERO:GPU,CPU", "BATCH", "\ud800", "CPU;", "../x"])
def test_device_that_guests_may_not_have(stage: Stage, device: str) -> None:
    assert stage.load({"device": device}) == NnErrno.UNSUPPORTED_OPERATION
    assert stage.guest.condition is Condition.OPTION_FIXED
    assert "cpu (CPU), gpu (GPU), tpu (NPU)" in stage.reason
    assert not stage.compiled.options


@pytest.mark.parametrize("device", ["gpu", "GPU"])
def test_device_is_that_of_the_operators_map(stage: Stage, device: str) -> None:
    devices = {**DEVICES, ExecutionTarget.GPU: "CPU"}
    stage.serve(serving=Serving(devices=devices))
    assert stage.load({"device": device}) == NnErrno.SUCCESS, stage.guest.reports
    assert stage.compiled.options == [DEFAULT]


def test_device_that_is_not_there_is_no_fault_of_the_operators(stage: Stage) -> None:
    if any(device.name.startswith("NPU") and device.problem is None for device in stage.compiled.devices()):
        pytest.skip("this machine has an NPU")
    assert stage.load({"device": "tpu"}) == NnErrno.UNSUPPORTED_OPERATION
    assert stage.guest.condition is Condition.DEVICE_NOT_AVAILABLE


@pytest.mark.parametrize(
    ("key", "other"), [("device", "NPU"), ("precision", "auto"), ("threads", 1), ("layout", "nhwc")]
)
def test_option_of_the_operators_cannot_be_had_otherwise(stage: Stage, key: str, other: object) -> None:
    stage.serve(DEFAULT, frozenset(KEYS))
    assert stage.load({key: other}) == NnErrno.UNSUPPORTED_OPERATION
    assert stage.guest.condition is Condition.OPTION_FIXED
    assert f"`{key}`" in stage.reason
    assert not stage.compiled.options


def test_option_of_the_operators_may_be_asked_for_as_it_is(stage: Stage) -> None:
    stage.serve(DEFAULT, frozenset(KEYS))
    assert stage.load({"device": "cpu", "precision": "f32"}) == NnErrno.SUCCESS, stage.guest.reports


def test_guest_gets_no_more_threads_than_there_are_processors(stage: Stage) -> None:
    for threads in (MACHINE + 1, 1000, 1024):
        assert stage.load({"threads": threads}) == NnErrno.SUCCESS, stage.guest.reports
    assert stage.compiled.options == [ModelOptions(threads=MACHINE)]
    assert f"{MACHINE} threads, not {MACHINE + 1}" in stage.notices[0]


def test_guests_cannot_keep_the_host_compiling(stage: Stage) -> None:
    stage.serve(ModelOptions(threads=100))
    errnos = [stage.load({"threads": threads}) for threads in range(1, 60)]
    assert set(errnos[:CONFIGURATIONS]) == {NnErrno.SUCCESS}
    assert set(errnos[CONFIGURATIONS:]) == {NnErrno.BUSY}
    assert stage.guest.condition is Condition.OUT_OF_CONFIGURATIONS
    assert len(stage.compiled.options) == CONFIGURATIONS
    assert stage.guest.load_by_name(b"m") == NnErrno.SUCCESS, stage.guest.reports
    assert stage.load({"threads": 1}) == NnErrno.SUCCESS, stage.guest.reports


@pytest.mark.parametrize("name", [b"", b"/etc/hostname", b"../m", b"m.xml", b"n"])
def test_configuration_gives_no_way_to_a_path(stage: Stage, name: bytes) -> None:
    config = b'{"path": "/etc/hostname", "model": "m.xml"}'
    assert stage.guest.load_by_name_with_config(name, config) == NnErrno.NOT_FOUND
    assert stage.guest.condition is Condition.UNKNOWN_NAME


@pytest.mark.parametrize("name", [b"\xff", b"m\0"])
def test_name_is_held_to_what_names_are(stage: Stage, name: bytes) -> None:
    assert stage.guest.load_by_name_with_config(name, b"") == NnErrno.INVALID_ARGUMENT
    assert stage.guest.condition is Condition.BAD_NAME


def test_configuration_of_any_size_is_not_read(stage: Stage) -> None:
    for _ in range(2):
        stage.guest.call("grow")
    assert stage.load(b" " * ((1 << 16) + 1)) == NnErrno.TOO_LARGE
    assert stage.load(b" " * (1 << 16)) == NnErrno.SUCCESS, stage.guest.reports


@pytest.mark.parametrize(
    ("at", "value"), [(0, -1), (1, -1), (2, -1), (3, -1), (2, 4 * PAGE), (4, -1), (4, 4 * PAGE - 3)]
)
def test_pointer_outside_is_found_before_anything_is_compiled(stage: Stage, at: int, value: int) -> None:
    stage.guest.put(DATA, b"m{}")
    arguments = [DATA, 1, DATA + 1, 2, OUT]
    arguments[at] = value
    assert stage.guest.call("load_by_name_with_config", *arguments) == NnErrno.INVALID_ARGUMENT
    assert stage.guest.condition is Condition.OUTSIDE_MEMORY
    assert not stage.compiled.options


def test_failed_load_takes_no_handle(stage: Stage) -> None:
    stage.load({"device": "nowhere"})
    assert stage.load({}) == NnErrno.SUCCESS
    assert stage.guest.u32() == 1


@pytest.mark.parametrize("name", ["compute_single", "fini_single", "get_output_single"])
def test_token_streams_are_no_operation_of_this_host(guest: Guest, pair: models.IR, name: str) -> None:
    context = guest.context(pair)
    more = [0, DATA, 8, OUT] if name.startswith("get") else []
    assert guest.call(name, context, *more) == NnErrno.UNSUPPORTED_OPERATION
    assert name in guest.reports[-1][1].reason


def test_benchmark_marks_do_nothing(session: Session) -> None:
    reports: list[str] = []
    engine = Engine()
    store, linker = Store(engine), Linker(engine)
    functions = HostFunctions(linker)
    define_nn(functions, Bindings(session, lambda name, _: reports.append(name)))
    text = f'(module (import "{BENCH}" "start" (func $s)) (import "{BENCH}" "end" (func $e))'
    text += '(func (export "run") call $s call $e call $e))'  # without a memory, too
    run = linker.prepare(Module(engine, wat2wasm(text.encode()))).instantiate(store).function("run")
    assert run is not None
    run()
    assert not reports


def test_empty_configuration_is_an_empty_object() -> None:
    assert parse(b"") == parse(b" \t\r\n") == parse(b"{}") == {}


def test_configuration_that_is_no_object_is_an_nn_error() -> None:
    with pytest.raises(NnError):
        parse(b"[1]")


def test_options_as_text_are_those_as_values() -> None:
    text = {"device": "GPU.1", "precision": "bf16", "threads": "4", "hint": "throughput", "layout": "nhwc"}
    expected = ModelOptions("GPU.1", "bf16", 4, "throughput", "nhwc")
    assert options_from(text) == options_from({**text, "threads": 4}) == expected


def test_threads_auto_undoes_a_number() -> None:
    assert options_from({"threads": "auto"}, ModelOptions(threads=3)).threads is None


@pytest.mark.parametrize(
    "given",
    [
        {"speed": 1}, {"Device": "CPU"}, {"threads": ""}, {"threads": "0"}, {"threads": "1_0"},
        {"threads": "\u0663"}, {"threads": " 1"}, {"threads": "1" * 5000}, {"device": ""},
        {"device": "CPU\n"}, {"device": "\x1b[2J"}, {"precision": "F32"}, {"layout": ""},
    ],
)  # fmt: skip
def test_option_that_cannot_be_is_named_in_one_short_line(given: dict[str, object]) -> None:
    with pytest.raises(OptionsError) as caught:
        options_from(given)
    assert str(caught.value).isprintable() or given in ({"device": "CPU\n"}, {"device": "\x1b[2J"})
    assert f"`{next(iter(given))}`" in str(caught.value)
    assert len(str(caught.value)) < 200
