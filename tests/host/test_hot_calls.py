"""A call like one before is made without the checks in full, and no other call is."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

import pytest

from host import abi
from host.abi import GraphEncoding, NnErrno, TensorType
from host.backends.openvino_graph import OpenVinoRequest
from host.dialects import Dialect
from host.errors import Condition
from host.models.registry import Registry
from host.nn import Limits, Session, TensorView
from tests.host import models
from tests.host.guests import DATA, DIMENSIONS, OUT, PAGE, TENSOR, Guest, f32

if TYPE_CHECKING:
    from collections.abc import Callable

    from host.backends.openvino import OpenVino

END = 4 * PAGE
ROOM = 64


@pytest.fixture
def context(guest: Guest, pair: models.IR) -> int:
    """Return a context of y = x + x for f32 [1, 2], its input set and its output computed."""
    context = guest.context(pair)
    assert guest.infer(context, f32(1, 2), (1, 2)) == f32(2, 4)
    return context


def describe(guest: Guest, *fields: int) -> None:
    """Describe a tensor at TENSOR: dimensions and rank, type, data and its size, right or wrong."""
    guest.put(TENSOR, abi.TENSOR.pack(*fields))


def test_repeated_calls_are_not_checked_in_full(guest: Guest, context: int, in_full: list[str]) -> None:
    for value in range(3):
        assert guest.infer(context, f32(value, 5), (1, 2)) == f32(2 * value, 10)
    assert in_full == []


@pytest.mark.parametrize("shape", [(), (0,), (3, 1, 2)], ids=str)
@pytest.mark.parametrize(
    ("dtype", "kind", "code"),
    [
        ("float16", TensorType.F16, "e"),
        ("float32", TensorType.F32, "f"),
        ("float64", TensorType.F64, "d"),
        ("uint8", TensorType.U8, "B"),
        ("int32", TensorType.I32, "i"),
        ("int64", TensorType.I64, "q"),
    ],
)
def test_every_type_and_rank_is_copied_anew(
    guest: Guest, shape: tuple[int, ...], dtype: str, kind: TensorType, code: str
) -> None:
    context = guest.context(models.double(list(shape), dtype))
    values = struct.Struct(f"<{math.prod(shape)}{code}")
    for value in (1, 2, 3):
        data = [value] * math.prod(shape)
        doubled = [2 * value] * math.prod(shape)
        assert guest.infer(context, values.pack(*data), shape, kind) == values.pack(*doubled)


def test_input_is_what_was_set_last(guest: Guest, context: int, in_full: list[str]) -> None:
    for value in (7, 8, 9):
        assert guest.set_input(context, f32(value, value), (1, 2)) == NnErrno.SUCCESS
    assert guest.call("compute", context) == NnErrno.SUCCESS
    assert guest.output(context) == f32(18, 18)
    assert in_full == []


@pytest.mark.parametrize(
    ("tensor", "errno"),
    [
        pytest.param((DIMENSIONS, 2, TensorType.F32, END - 7, 8), 1, id="data ends outside"),
        pytest.param((DIMENSIONS, 2, TensorType.F32, 0xFFFF_FFFC, 8), 1, id="data wraps around"),
        pytest.param((END - 7, 2, TensorType.F32, DATA, 8), 1, id="dimensions end outside"),
        pytest.param((0xFFFF_FFFC, 2, TensorType.F32, DATA, 8), 1, id="dimensions wrap around"),
        pytest.param((DIMENSIONS, 2, TensorType.F32, DATA, 4), 1, id="too little data"),
        pytest.param((DIMENSIONS, 2, TensorType.F32, DATA, 12), 1, id="too much data"),
        pytest.param((DIMENSIONS, 1, TensorType.F32, DATA, 8), 1, id="another rank"),
        pytest.param((DIMENSIONS, 0xFFFF_FFFF, TensorType.F32, DATA, 8), 1, id="absurd rank"),
        pytest.param((DIMENSIONS, 2, TensorType.I32, DATA, 8), 1, id="another type"),
        pytest.param((DIMENSIONS, 2, 200, DATA, 8), 1, id="no type"),
        pytest.param((DATA, 2, TensorType.F32, DATA, 8), 7, id="other dimensions"),
    ],
)
def test_what_differs_is_checked_in_full(
    guest: Guest, context: int, in_full: list[str], tensor: tuple[int, int, int, int, int], errno: int
) -> None:
    guest.put(DATA, f32(5, 6))
    describe(guest, *tensor)
    assert guest.call("set_input", context, 0, TENSOR) == errno
    assert in_full == ["set_input"]
    assert guest.call("compute", context) == NnErrno.SUCCESS
    assert guest.output(context) == f32(2, 4)  # of the input before: the bad one changed nothing


@pytest.mark.parametrize("tensor", [END - 19, END, 0xFFFF_FFFF])
def test_tensor_outside_of_memory_is_refused(guest: Guest, context: int, tensor: int) -> None:
    assert guest.call("set_input", context, 0, tensor) == NnErrno.INVALID_ARGUMENT


def test_tensor_at_the_very_end_of_memory_is_read(guest: Guest, context: int, in_full: list[str]) -> None:
    guest.put(END - 8, f32(3, 4))
    describe(guest, DIMENSIONS, 2, TensorType.F32, END - 8, 8)
    packed = guest.get(TENSOR, abi.TENSOR.size)
    assert guest.call("set_input", context, 0, TENSOR) == NnErrno.SUCCESS
    guest.put(END - len(packed), packed[:12] + DATA.to_bytes(4, "little") + packed[16:])
    assert guest.call("set_input", context, 0, END - len(packed)) == NnErrno.SUCCESS
    assert in_full == []


def test_pointer_to_no_dimensions_has_to_be_in_memory_again(guest: Guest) -> None:
    """Nothing is read there; but an answer is not to depend on what was called before."""
    context = guest.context(models.double([]))
    assert guest.infer(context, f32(2), ()) == f32(4)
    for fields in ((0xFFFFFFF0, 0, TensorType.F32, DATA, 4), (END + 1, 0, TensorType.F32, DATA, 4)):
        describe(guest, *fields)
        assert guest.call("set_input", context, 0, TENSOR) == NnErrno.INVALID_ARGUMENT


def test_pointer_to_no_data_has_to_be_in_memory_again(guest: Guest) -> None:
    context = guest.context(models.double([0]))
    assert guest.set_input(context, b"", (0,)) == NnErrno.SUCCESS
    describe(guest, DIMENSIONS, 1, TensorType.F32, END + 1, 0)
    assert guest.call("set_input", context, 0, TENSOR) == NnErrno.INVALID_ARGUMENT


def test_memory_that_grew_is_seen(guest: Guest, context: int, in_full: list[str]) -> None:
    describe(guest, DIMENSIONS, 2, TensorType.F32, END, 8)
    assert guest.call("set_input", context, 0, TENSOR) == NnErrno.INVALID_ARGUMENT
    guest.call("grow")
    guest.put(END, f32(10, 20))
    in_full.clear()
    assert guest.call("set_input", context, 0, TENSOR) == NnErrno.SUCCESS
    assert in_full == ["set_input"]  # by which it is seen
    guest.put(END, f32(30, 20))
    assert guest.call("set_input", context, 0, TENSOR) == NnErrno.SUCCESS
    assert guest.call("compute", context) == NnErrno.SUCCESS
    assert guest.output(context, size=8) == f32(60, 40)
    assert in_full == ["set_input"]


def test_dimensions_that_change_are_followed_back_and_forth(guest: Guest, in_full: list[str]) -> None:
    context = guest.context(models.double([-1]))
    for count in (1, 5, 5, 1, 0, 3):
        values = f32(*range(count))
        assert guest.infer(context, values, (count,)) == f32(*(2 * value for value in range(count)))
    assert in_full.count("set_input") == 5  # one of them was like the one before


def test_contexts_and_inputs_are_not_mixed_up(guest: Guest, in_full: list[str]) -> None:
    first, second = (guest.context(models.subtract([2])) for _ in range(2))
    for a, b in ((1, 2), (3, 4), (5, 6)):
        for context, sign in ((first, 1), (second, -1)):
            assert guest.set_input(context, f32(sign * a, 0), (2,), index=0) == NnErrno.SUCCESS
            assert guest.set_input(context, f32(sign * b, 1), (2,), index=1) == NnErrno.SUCCESS
        for context, sign in ((first, 1), (second, -1)):
            assert guest.call("compute", context) == NnErrno.SUCCESS
            assert guest.output(context) == f32(sign * (a - b), -1)
    assert in_full.count("set_input") == 4


def test_context_that_was_ended_takes_no_more(guest: Guest, context: int) -> None:
    assert guest.call("finalize_execution_context", context) == NnErrno.SUCCESS
    assert guest.set_input(context, f32(1, 2), (1, 2)) == NnErrno.INVALID_ARGUMENT
    assert guest.call("compute", context) == NnErrno.INVALID_ARGUMENT
    assert guest.call("get_output", context, 0, DATA, ROOM, OUT) == NnErrno.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("buffer", "room", "written"),
    [
        (END - 7, 8, OUT),
        (0xFFFF_FFFF, 8, OUT),
        (DATA, END, OUT),
        (DATA, ROOM, END - 3),
        (DATA, ROOM, 0xFFFF_FFFE),
    ],
)
def test_output_to_outside_of_memory_writes_nothing(
    guest: Guest, context: int, buffer: int, room: int, written: int
) -> None:
    before = guest.get(0, END)
    assert guest.call("get_output", context, 0, buffer, room, written) == NnErrno.INVALID_ARGUMENT
    assert guest.get(0, END) == before


def test_output_that_is_not_there_is_refused(guest: Guest, context: int, in_full: list[str]) -> None:
    assert guest.call("get_output", context, 1, DATA, ROOM, OUT) == NnErrno.INVALID_ARGUMENT
    assert guest.call("get_output", context, 0, DATA, 7, OUT) == NnErrno.TOO_LARGE
    assert in_full == ["get_output"] * 2


def test_output_beyond_the_cap_is_refused(backend: Callable[[], OpenVino]) -> None:
    guest = Guest(Session(backend, Registry({}), lambda _: None, Limits(tensor_bytes=64)))
    context = guest.context(models.repeat(9))
    assert guest.set_input(context, f32(1, 2), (2,)) == NnErrno.SUCCESS
    assert guest.call("compute", context) == NnErrno.SUCCESS
    assert guest.call("get_output", context, 0, DATA, 4096, OUT) == NnErrno.TOO_LARGE


def test_compute_that_fails_leaves_no_output(guest: Guest) -> None:
    context = guest.context(models.reshape())
    assert guest.infer(context, f32(1, 2), (2,)) == f32(1, 2)
    assert guest.set_input(context, f32(1, 2, 3), (3,)) == NnErrno.SUCCESS
    assert guest.call("compute", context) == NnErrno.RUNTIME_ERROR
    assert guest.call("get_output", context, 0, DATA, ROOM, OUT) == NnErrno.RUNTIME_ERROR
    assert guest.infer(context, f32(3, 4), (2,)) == f32(3, 4)


def test_input_set_in_another_way_is_not_taken_for_the_last(guest: Guest) -> None:
    """As functions of another module do, in the same session: what was known of the input is forgotten."""
    context = guest.context(models.double([-1]))
    assert guest.infer(context, f32(1, 2, 3), (3,)) == f32(2, 4, 6)
    guest.session.set_input(context, 0, TensorView((1,), TensorType.F32, f32(7)))
    assert guest.infer(context, f32(4, 5, 6), (3,)) == f32(8, 10, 12)


def test_compute_that_fails_unforeseen_is_an_errno_and_no_trap(
    guest: Guest, context: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: OpenVinoRequest) -> None:
        raise ZeroDivisionError("nobody foresaw it")

    monkeypatch.setattr(OpenVinoRequest, "infer", fail)
    assert guest.call("compute", context) == NnErrno.RUNTIME_ERROR
    assert guest.condition is Condition.UNFORESEEN


def test_input_that_cannot_be_remembered_is_set(
    guest: Guest, context: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backend's request may fail to tell where its input is: that ends no guest."""
    other = guest.context(models.double([1, 2]))

    def fail(*_: object) -> None:
        raise ZeroDivisionError("nobody foresaw it")

    monkeypatch.setattr(OpenVinoRequest, "input", fail)
    assert context != other
    for value in range(2):
        assert guest.infer(other, f32(value, 2), (1, 2)) == f32(2 * value, 4)


def test_error_of_compute_is_in_the_dialect_of_its_own_module(backend: Callable[[], OpenVino]) -> None:
    guest = Guest(Session(backend, Registry({}), lambda _: None, dialect=Dialect("2021")))
    context = guest.context(models.reshape())
    assert guest.set_input(context, f32(1, 2, 3), (3,)) == NnErrno.SUCCESS
    guest.session.dialect.enter(abi.EPOCHS["wamr-legacy"].module)  # as a call of that module does
    assert guest.call("compute", context) == abi.EPOCHS["2021-02"].values["nn_errno"]["invalid_argument"]


@pytest.mark.parametrize("function", abi.FUNCTIONS, ids=lambda function: function.name)
@pytest.mark.parametrize("broken", [Session, OpenVinoRequest], ids=lambda broken: broken.__name__)
def test_exception_in_any_function_is_an_errno_and_no_success(
    guest: Guest, context: int, monkeypatch: pytest.MonkeyPatch, function: abi.Function, broken: type
) -> None:
    """Right after the same call succeeded, where nothing but comparisons is in its way."""
    arguments = {
        "load": (TENSOR, 0, GraphEncoding.ONNX, 0, OUT),
        "load_by_name": (DATA, 1, OUT),
        "init_execution_context": (1, OUT),
        "set_input": (context, 0, TENSOR),
        "compute": (context,),
        "get_output": (context, 0, DATA, ROOM, OUT),
    }[function.name]

    def fail(*_: object) -> None:
        raise ZeroDivisionError("nobody foresaw it")

    for name, member in vars(broken).items():
        if callable(member) and not name.startswith("__"):
            monkeypatch.setattr(broken, name, fail)
    errno = guest.call(function.name, *arguments)
    reached = broken is Session or function.name in {"set_input", "compute", "get_output"}
    if function.name == "set_input" and broken is OpenVinoRequest:
        assert errno == NnErrno.SUCCESS  # copied by comparison: the request is not asked
    elif reached:
        assert errno == NnErrno.RUNTIME_ERROR
        assert guest.condition is Condition.UNFORESEEN
