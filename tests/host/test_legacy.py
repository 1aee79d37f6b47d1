"""Guests of WAMR's own module: its signatures and structures, with the same checks on the same session."""

from __future__ import annotations

import struct
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from host import abi
from host.abi import GraphEncoding, NnErrno, TensorType
from host.bindings import FUNCTIONS, LEGACY_FUNCTIONS
from host.dialects import AUTO, LEGACY, Dialect
from host.errors import Condition
from host.models.registry import NamedModel, Registry
from host.nn import Limits, Session
from tests.host import models
from tests.host.guests import CANARY, DATA, DIMENSIONS, OUT, PAGE, TENSOR, Guest, f32, wat

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from host.backends.openvino import OpenVino

EPOCH = abi.EPOCHS[LEGACY]
TYPES = EPOCH.values["tensor_type"]
BUILDERS, SIZE = 256, 320
"""Where the struct of the builders and the size of an output go."""
DEFAULTS = Limits()


class LegacyGuest(Guest):
    """A guest that imports both modules; the methods use WAMR's, `call` takes either by its export's name."""

    def legacy(self, name: str, *arguments: int) -> int:
        """Call a function of WAMR's module."""
        return self.call(f"{EPOCH.module}.{name}", *arguments)

    def load_legacy(self, builders: tuple[bytes, ...], encoding: int = 0, target: int = 0) -> int:
        """Lay the builders and their struct out and load them; the handle is at OUT."""
        at = DATA
        for number, builder in enumerate(builders):
            self.put(at, builder)
            self.put(TENSOR + abi.GRAPH_BUILDER.size * number, abi.GRAPH_BUILDER.pack(at, len(builder)))
            at += len(builder)
        self.put(BUILDERS, EPOCH.structs["graph_builder_array"].pack(TENSOR, len(builders)))
        return self.legacy("load", BUILDERS, encoding, target, OUT)

    def context_legacy(self, builders: tuple[bytes, ...], encoding: int = 0) -> int:
        """Load a model and return a new context of it."""
        assert self.load_legacy(builders, encoding) == NnErrno.SUCCESS, self.reports
        assert self.legacy("init_execution_context", self.u32(), OUT) == NnErrno.SUCCESS, self.reports
        return self.u32()

    def set_legacy(self, context: int, data: bytes, dimensions: tuple[int, ...], kind: int) -> int:
        """Lay a tensor out, dirt in its padding, and set it as input 0."""
        self.put(DATA, data)
        shape = DIMENSIONS + abi.TENSOR_DIMENSIONS.size
        self.put(shape, b"".join(length.to_bytes(4, "little") for length in dimensions))
        self.put(DIMENSIONS, abi.TENSOR_DIMENSIONS.pack(shape, len(dimensions)))
        packed = bytearray(EPOCH.structs["tensor"].pack(DIMENSIONS, kind, DATA))
        packed[5:8] = b"\x42\x10\xff"
        self.put(TENSOR, bytes(packed))
        return self.legacy("set_input", context, 0, TENSOR)

    def infer_legacy(self, context: int, data: bytes, dimensions: tuple[int, ...], kind: int) -> bytes:
        """Set input 0, compute, and return as much of output 0 as its size says."""
        assert self.set_legacy(context, data, dimensions, kind) == NnErrno.SUCCESS, self.reports
        assert self.legacy("compute", context) == NnErrno.SUCCESS, self.reports
        self.put_u32(SIZE, 1000)
        assert self.legacy("get_output", context, 0, DATA, SIZE) == NnErrno.SUCCESS, self.reports
        return self.get(DATA, 4 * self.u32(SIZE))


class Stage:
    """Makes legacy guests, and keeps what the operator is told unasked."""

    def __init__(self, backend: Callable[[], OpenVino]) -> None:
        self.backend = backend
        self.warnings: list[str] = []

    def __call__(
        self, choice: str = AUTO, registry: Registry | None = None, limits: Limits = DEFAULTS
    ) -> LegacyGuest:
        """Return a guest under `--abi choice`."""
        dialect = Dialect(choice, self.warnings.append)
        session = Session(self.backend, registry or Registry({}), lambda _: None, limits, dialect)
        return LegacyGuest(session, wat(functions=(*FUNCTIONS, *LEGACY_FUNCTIONS)))


@pytest.fixture
def stage(backend: Callable[[], OpenVino]) -> Stage:
    """Return what makes guests."""
    return Stage(backend)


@pytest.fixture
def legacy(stage: Stage) -> LegacyGuest:
    """Return a guest."""
    return stage()


def test_functions_are_those_of_the_epoch() -> None:
    linked = {
        function.name: " ".join(param.type for param in function.params) for function in LEGACY_FUNCTIONS
    }
    assert linked == EPOCH.functions
    assert {function.module for function in LEGACY_FUNCTIONS} == {EPOCH.module}


@pytest.mark.parametrize("choice", [AUTO, LEGACY, "current", "2021", "wit"])
def test_module_speaks_its_dialect_whatever_is_chosen(stage: Stage, choice: str, pair: models.IR) -> None:
    guest = stage(choice)
    context = guest.context_legacy(pair)
    for _ in range(2):
        assert guest.infer_legacy(context, f32(1, 2), (1, 2), TYPES["f32"]) == f32(2, 4)
    assert [EPOCH.module in warning for warning in stage.warnings] == [True] * (choice != LEGACY)


@pytest.mark.parametrize(
    ("name", "dtype", "letter"),
    [("f16", "float16", "e"), ("f32", "float32", "f"), ("u8", "uint8", "B"), ("i32", "int32", "i")],
)
def test_each_type_of_the_epoch(legacy: LegacyGuest, name: str, dtype: str, letter: str) -> None:
    context = legacy.context_legacy(models.double([4], dtype))
    data = struct.pack(f"<4{letter}", 1, 2, 3, 100)
    assert legacy.infer_legacy(context, data, (4,), TYPES[name]) == struct.pack(f"<4{letter}", 2, 4, 6, 200)


def test_input_is_not_copied_on_its_way(legacy: LegacyGuest) -> None:
    """Its one copy is into the backend's own memory."""
    count = 50_000
    context = legacy.context_legacy(models.double([count], "float32"))
    data = bytes(4 * count)
    assert legacy.set_legacy(context, data, (count,), TYPES["f32"]) == NnErrno.SUCCESS
    tracemalloc.start()
    assert legacy.legacy("set_input", context, 0, TENSOR) == NnErrno.SUCCESS
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < len(data) // 2


def test_repeated_calls_are_not_checked_in_full(
    legacy: LegacyGuest, pair: models.IR, in_full: list[str]
) -> None:
    context = legacy.context_legacy(pair)
    legacy.infer_legacy(context, f32(1, 2), (1, 2), TYPES["f32"])
    legacy.infer_legacy(context, f32(1, 2), (1, 2), TYPES["f32"])
    in_full.clear()
    for value in range(3):
        assert legacy.infer_legacy(context, f32(value, 5), (1, 2), TYPES["f32"]) == f32(2 * value, 10)
    assert in_full == []


def test_repeated_output_counts_in_f32_and_does_not_write_behind_itself(
    legacy: LegacyGuest, in_full: list[str]
) -> None:
    context = legacy.context_legacy(models.double([5], "uint8"))
    for _ in range(3):
        legacy.infer_legacy(context, b"\1\2\3\4\5", (5,), TYPES["u8"])
    in_full.clear()
    legacy.put(DATA, bytes(8 * [0xAA]))
    legacy.put_u32(SIZE, 2)
    assert legacy.legacy("get_output", context, 0, DATA, SIZE) == NnErrno.SUCCESS
    assert (legacy.u32(SIZE), legacy.get(DATA, 8)) == (2, b"\2\4\6\x08\x0a\xaa\xaa\xaa")
    assert in_full == []


def test_tensor_of_one_module_is_not_taken_for_one_of_the_other(stage: Stage, in_full: list[str]) -> None:
    """With the same numbers for shape and type; type 2 is u8 here and f64 there."""
    guest = stage("current")
    context = guest.context_legacy(models.double([8], "uint8"))
    for _ in range(2):
        assert guest.set_legacy(context, bytes(8), (8,), TYPES["u8"]) == NnErrno.SUCCESS, guest.reports
    in_full.clear()
    assert guest.set_input(context, bytes(8), (8,), TYPES["u8"]) == NnErrno.INVALID_ARGUMENT
    assert in_full == ["set_input"]


def test_every_type_of_the_epoch_is_tested() -> None:
    assert set(TYPES) == {"f16", "f32", "u8", "i32"}


@pytest.mark.parametrize(
    ("encoding", "builders"),
    [
        ("onnx", (models.onnx(models.tensor("c", f32(10, 20))),)),
        ("tensorflowlite", (models.tflite(),)),
        ("openvino", models.add_constant(10)),
    ],
)
def test_encodings_are_those_of_the_epoch(
    legacy: LegacyGuest, encoding: str, builders: tuple[bytes, ...]
) -> None:
    context = legacy.context_legacy(builders, EPOCH.values["graph_encoding"][encoding])
    second = 10 if encoding == "openvino" else 20
    assert legacy.infer_legacy(context, f32(0, 0), (2,), TYPES["f32"]) == f32(10, second)


def test_named_models(stage: Stage, pair: models.IR, tmp_path: Path) -> None:
    path = tmp_path / "m.xml"
    path.write_bytes(pair[0])
    path.with_suffix(".bin").write_bytes(pair[1])
    guest = stage(registry=Registry({"m": NamedModel(path)}))
    guest.put(DATA, b"m\0")
    assert guest.legacy("load_by_name", DATA, 1, OUT) == NnErrno.SUCCESS, guest.reports
    assert guest.legacy("init_execution_context", guest.u32(), OUT) == NnErrno.SUCCESS
    assert guest.infer_legacy(guest.u32(), f32(1, 2), (1, 2), TYPES["f32"]) == f32(2, 4)


def test_one_guest_can_use_both_modules_on_the_same_handles(stage: Stage) -> None:
    """Type 2 is u8 through one module and f64 through the other, call by call."""
    guest = stage("current")
    context = guest.context_legacy(models.double([8], "uint8"))
    assert guest.set_legacy(context, bytes(8), (8,), TYPES["u8"]) == NnErrno.SUCCESS, guest.reports
    assert guest.set_input(context, bytes(8), (8,), TYPES["u8"]) == NnErrno.INVALID_ARGUMENT
    assert guest.condition is Condition.DATA_LENGTH
    assert guest.infer(context, b"\1" * 8, (8,), TensorType.U8) == b"\2" * 8
    assert guest.set_legacy(context, bytes(8), (8,), TYPES["u8"]) == NnErrno.SUCCESS, guest.reports


def test_errnos_follow_the_module_of_the_call(stage: Stage) -> None:
    """`not_found` has a number in one module and none in the other."""
    guest = stage()
    guest.put(DATA, b"x")
    own = EPOCH.values["nn_errno"]["runtime_error"]
    for _ in range(2):
        assert guest.legacy("load_by_name", DATA, 1, OUT) == own
        assert guest.load_by_name(b"x") == NnErrno.NOT_FOUND


def test_size_of_an_output_is_in_f32_whatever_its_type(legacy: LegacyGuest) -> None:
    context = legacy.context_legacy(models.double([5], "uint8"))
    legacy.set_legacy(context, b"\1\2\3\4\5", (5,), TYPES["u8"])
    assert legacy.legacy("compute", context) == NnErrno.SUCCESS
    legacy.put_u32(DATA + 4, CANARY)
    legacy.put_u32(SIZE, 2)
    assert legacy.legacy("get_output", context, 0, DATA, SIZE) == NnErrno.SUCCESS, legacy.reports
    assert legacy.u32(SIZE) == 2
    assert legacy.get(DATA, 8) == b"\2\4\6\x08\x0a" + CANARY.to_bytes(4, "little")[1:]


@pytest.mark.parametrize("room", [0, 1])
def test_output_too_large_tells_its_size_and_writes_nothing(
    legacy: LegacyGuest, pair: models.IR, room: int
) -> None:
    context = legacy.context_legacy(pair)
    legacy.infer_legacy(context, f32(1, 2), (1, 2), TYPES["f32"])
    legacy.put_u32(DATA, CANARY)
    legacy.put_u32(SIZE, room)
    assert legacy.legacy("get_output", context, 0, DATA, SIZE) == EPOCH.values["nn_errno"]["runtime_error"]
    assert legacy.condition is Condition.BUFFER_TOO_SMALL
    assert (legacy.u32(SIZE), legacy.u32(DATA)) == (2, CANARY)


@pytest.mark.parametrize("outside", [4 * PAGE - 3, 4 * PAGE, (1 << 32) - 1])
@pytest.mark.parametrize("what", ["builder", "graph_out", "tensor", "output_tensor_size"])
def test_struct_outside_of_memory(legacy: LegacyGuest, pair: models.IR, what: str, outside: int) -> None:
    context = legacy.context_legacy(pair)
    legacy.infer_legacy(context, f32(1, 2), (1, 2), TYPES["f32"])
    calls = {
        "builder": ("load", outside, 0, 0, OUT),
        "graph_out": ("load", BUILDERS, 0, 0, outside),
        "tensor": ("set_input", context, 0, outside),
        "output_tensor_size": ("get_output", context, 0, DATA, outside),
    }
    assert legacy.legacy(*calls[what]) == NnErrno.INVALID_ARGUMENT  # type: ignore[arg-type]  # name, then ints
    assert legacy.condition is Condition.OUTSIDE_MEMORY
    assert f"`{what}`" in legacy.reports[-1][1].reason


@pytest.mark.parametrize(
    ("ptr", "count"), [(4 * PAGE - 7, 1), (0, 0x8001), (0xFFFF_FFF8, 1), (8, 0xFFFF_FFFF)]
)
def test_builders_outside_of_memory(legacy: LegacyGuest, ptr: int, count: int) -> None:
    legacy.put(BUILDERS, EPOCH.structs["graph_builder_array"].pack(ptr, count))
    assert legacy.legacy("load", BUILDERS, 0, 0, OUT) == NnErrno.INVALID_ARGUMENT
    assert legacy.condition is Condition.OUTSIDE_MEMORY


def test_count_of_builders_is_capped(legacy: LegacyGuest) -> None:
    legacy.put(BUILDERS, EPOCH.structs["graph_builder_array"].pack(0, 17))
    legacy.legacy("load", BUILDERS, 0, 0, OUT)
    assert legacy.condition is Condition.ABSURD_SIZE


@pytest.mark.parametrize(
    ("field", "value", "condition"),
    [
        ("dimensions", 4 * PAGE - 7, Condition.OUTSIDE_MEMORY),
        ("dimensions", 0xFFFF_FFFF, Condition.OUTSIDE_MEMORY),
        ("shape", 4 * PAGE - 7, Condition.OUTSIDE_MEMORY),
        ("rank", 0xFFFF_FFFF, Condition.OUTSIDE_MEMORY),
        ("rank", 33, Condition.ABSURD_SIZE),
        ("data", 4 * PAGE - 7, Condition.OUTSIDE_MEMORY),
        ("data", 0xFFFF_FFFF, Condition.OUTSIDE_MEMORY),
    ],
)
def test_tensor_that_leads_astray(
    legacy: LegacyGuest, pair: models.IR, field: str, value: int, condition: Condition
) -> None:
    context = legacy.context_legacy(pair)
    parts = {"dimensions": DIMENSIONS, "shape": DIMENSIONS + 8, "rank": 2, "data": DATA, field: value}
    legacy.put(
        DIMENSIONS, abi.TENSOR_DIMENSIONS.pack(parts["shape"], parts["rank"]) + struct.pack("<2I", 1, 2)
    )
    legacy.put(TENSOR, EPOCH.structs["tensor"].pack(parts["dimensions"], TYPES["f32"], parts["data"]))
    assert legacy.legacy("set_input", context, 0, TENSOR) != NnErrno.SUCCESS
    assert legacy.condition is condition


@pytest.mark.parametrize(
    ("dimensions", "condition"),
    [
        ((1 << 31, 1 << 31), Condition.ABSURD_SIZE),
        ((1 << 16, 1 << 13), Condition.OUTSIDE_MEMORY),
        ((2, 1), Condition.DIMENSIONS_DO_NOT_FIT),
        ((0, 2), Condition.DIMENSIONS_DO_NOT_FIT),
    ],
)
def test_shape_decides_how_much_is_read(
    legacy: LegacyGuest, pair: models.IR, dimensions: tuple[int, ...], condition: Condition
) -> None:
    context = legacy.context_legacy(pair)
    assert legacy.set_legacy(context, f32(1, 2), dimensions, TYPES["f32"]) != NnErrno.SUCCESS
    assert legacy.condition is condition


@pytest.mark.parametrize(
    ("kind", "condition"),
    [
        (TYPES["i32"], Condition.TYPE_DIFFERS),
        (4, Condition.BAD_TENSOR_TYPE),
        (255, Condition.BAD_TENSOR_TYPE),
    ],
)
def test_type_is_held_to_the_epoch(
    legacy: LegacyGuest, pair: models.IR, kind: int, condition: Condition
) -> None:
    context = legacy.context_legacy(pair)
    assert legacy.set_legacy(context, f32(1, 2), (1, 2), kind) == NnErrno.INVALID_ARGUMENT
    assert legacy.condition is condition


@pytest.mark.parametrize(
    ("act", "condition"),
    [
        (lambda g, _: g.load_legacy((b"x",), 99), Condition.BAD_ENCODING),
        (lambda g, _: g.load_legacy((b"x",), GraphEncoding.AUTODETECT), Condition.BAD_ENCODING),
        (lambda g, _: g.load_legacy((b"x",), GraphEncoding.PYTORCH), Condition.ENCODING_NOT_SERVED),
        (lambda g, _: g.load_legacy((b"x", b""), target=3), Condition.BAD_TARGET),
        (lambda g, _: g.load_legacy(()), Condition.BUILDER_COUNT),
        (lambda g, _: g.load_legacy((b"garbage", b"")), Condition.NOT_A_MODEL),
        (lambda g, _: g.legacy("init_execution_context", 77, OUT), Condition.HANDLE_NOT_LIVE),
        (lambda g, _: g.legacy("compute", 77), Condition.HANDLE_NOT_LIVE),
        (lambda g, c: g.legacy("compute", c), Condition.INPUT_NOT_SET),
        (lambda g, c: g.legacy("get_output", c, 0, DATA, SIZE), Condition.NOT_COMPUTED),
        (lambda g, c: g.legacy("get_output", c, 1, DATA, SIZE), Condition.INDEX_OUT_OF_RANGE),
    ],
)  # fmt: skip
def test_errors_are_those_of_the_table(
    legacy: LegacyGuest,
    pair: models.IR,
    act: Callable[[LegacyGuest, int], int],
    condition: Condition,
) -> None:
    context = legacy.context_legacy(pair)
    assert act(legacy, context) == Dialect(LEGACY).nn_errno(condition.errno)
    assert legacy.condition is condition


def test_room_outside_of_memory_is_refused_and_the_size_stays(legacy: LegacyGuest, pair: models.IR) -> None:
    context = legacy.context_legacy(pair)
    legacy.infer_legacy(context, f32(1, 2), (1, 2), TYPES["f32"])
    legacy.put_u32(SIZE, PAGE)
    assert legacy.legacy("get_output", context, 0, DATA, SIZE) == NnErrno.INVALID_ARGUMENT
    assert legacy.condition is Condition.OUTSIDE_MEMORY
    assert legacy.u32(SIZE) == PAGE


def test_limits_hold(stage: Stage, pair: models.IR) -> None:
    guest = stage(limits=Limits(graphs=1))
    assert guest.load_legacy(pair) == NnErrno.SUCCESS
    assert guest.load_legacy(pair) == EPOCH.values["nn_errno"]["busy"]
    assert guest.load(pair) == NnErrno.BUSY


def test_guest_without_memory(stage: Stage) -> None:
    session = stage().session
    guest = LegacyGuest(session, wat(memory="", functions=LEGACY_FUNCTIONS))
    assert guest.legacy("compute", 1) == EPOCH.values["nn_errno"]["missing_memory"]
