"""What a guest puts in comes out right: element types, shapes, graphs and contexts, order of calls."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from host import abi
from host.abi import GraphEncoding, NnErrno, TensorType
from host.backends.openvino_ffi import ffi
from host.backends.openvino_graph import OpenVinoRequest
from host.dialects import ELEMENT_BYTES
from host.errors import Condition
from host.models.registry import NamedModel, Registry
from host.nn import Limits, Session
from tests.host import models
from tests.host.guests import CANARY, DATA, DIMENSIONS, OUT, TENSOR, Guest, f32

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from host.backends.openvino import OpenVino

TYPES = [
    (TensorType.F16, "float16", "e"),
    (TensorType.F32, "float32", "f"),
    (TensorType.F64, "float64", "d"),
    (TensorType.U8, "uint8", "B"),
    (TensorType.I32, "int32", "i"),
    (TensorType.I64, "int64", "q"),
]


@pytest.mark.parametrize(("kind", "dtype", "letter"), TYPES)
def test_each_element_type_both_ways(guest: Guest, kind: TensorType, dtype: str, letter: str) -> None:
    context = guest.context(models.double([3], dtype))
    output = guest.infer(context, struct.pack(f"<3{letter}", 1, 2, 100), (3,), kind)
    assert output == struct.pack(f"<3{letter}", 2, 4, 200)


def test_every_element_type_is_tested() -> None:
    assert {kind for kind, *_ in TYPES} == set(TensorType)
    assert {kind.name.lower() for kind in TensorType} <= set(ELEMENT_BYTES)


def test_f32_arithmetic_isf32(guest: Guest) -> None:
    """A value that bf16 and f16 cannot hold survives."""
    context = guest.context(models.double([1]))
    assert guest.infer(context, f32(1.0000001), (1,)) == f32(2.0000002)


def test_weights_come_from_the_second_builder(guest: Guest) -> None:
    xml, weights = models.add_constant(1)
    context = guest.context((xml, weights))
    assert guest.infer(context, f32(1, 2), (2,)) == f32(2, 3)


@pytest.mark.parametrize("encoding", [GraphEncoding.ONNX, GraphEncoding.AUTODETECT])
def test_onnx_from_bytes(guest: Guest, encoding: GraphEncoding) -> None:
    context = guest.context((models.onnx(models.tensor("c", f32(10, 20))),), encoding)
    assert guest.infer(context, f32(1, 2), (2,)) == f32(11, 22)


def test_autodetect_finds_ir(guest: Guest, pair: models.IR) -> None:
    context = guest.context(pair, GraphEncoding.AUTODETECT)
    assert guest.infer(context, f32(1, 2), (1, 2)) == f32(2, 4)


@pytest.mark.parametrize("dimensions", [(), (1,)])
def test_rank_0_takes_no_dimensions_or_one_of_1(guest: Guest, dimensions: tuple[int, ...]) -> None:
    context = guest.context(models.double([]))
    assert guest.infer(context, f32(4), dimensions) == f32(8)


def test_rank_0_takes_no_other_dimensions(guest: Guest) -> None:
    context = guest.context(models.double([]))
    assert guest.set_input(context, f32(4), (1, 1)) == NnErrno.INVALID_ARGUMENT


def test_bytes_after_the_type_are_padding(guest: Guest, pair: models.IR) -> None:
    """Some guests leave garbage in the three bytes after `tensor.type`."""
    context = guest.context(pair)
    guest.put(DATA, f32(1, 2))
    guest.put(DIMENSIONS, struct.pack("<2I", 1, 2))
    packed = bytearray(abi.TENSOR.pack(DIMENSIONS, 2, TensorType.F32, DATA, 8))
    clean = bytes(packed)
    for offset in [at for at in range(len(clean)) if _is_padding(at)]:
        packed[offset] = 0xEE
    assert bytes(packed) != clean
    guest.put(TENSOR, bytes(packed))
    assert guest.call("set_input", context, 0, TENSOR) == NnErrno.SUCCESS


def _is_padding(at: int) -> bool:
    image = bytearray(abi.TENSOR.size)
    image[at] = 0xFF
    return not any(abi.TENSOR.unpack(image))


def test_nothing_has_to_be_aligned(guest: Guest, pair: models.IR) -> None:
    context = guest.context(pair)
    at = TENSOR + 1
    guest.put(DATA + 3, f32(1, 2))
    guest.put(DIMENSIONS + 1, struct.pack("<2I", 1, 2))
    guest.put(at, abi.TENSOR.pack(DIMENSIONS + 1, 2, TensorType.F32, DATA + 3, 8))
    assert guest.call("set_input", context, 0, at) == NnErrno.SUCCESS
    assert guest.call("compute", context) == NnErrno.SUCCESS
    assert guest.call("get_output", context, 0, DATA + 1, 8, OUT + 1) == NnErrno.SUCCESS
    assert (guest.get(DATA + 1, 8), guest.u32(OUT + 1)) == (f32(2, 4), 8)


def test_dynamic_shapes_follow_the_input(guest: Guest) -> None:
    context = guest.context(models.double([-1, 2]))
    assert guest.infer(context, f32(1, 2), (1, 2)) == f32(2, 4)
    assert guest.infer(context, f32(1, 2, 3, 4), (2, 2)) == f32(2, 4, 6, 8)
    assert guest.infer(context, f32(5, 6), (1, 2)) == f32(10, 12)


def test_dynamic_dimension_may_be_0(guest: Guest) -> None:
    context = guest.context(models.double([-1, 2]))
    assert guest.infer(context, b"", (0, 2)) == b""
    assert guest.infer(context, f32(1, 2), (1, 2)) == f32(2, 4)
    assert guest.infer(context, b"", (0, 2)) == b""


def test_dynamic_shapes_in_two_contexts_do_not_mix(guest: Guest) -> None:
    """OpenVINO, lent memory, would copy one request's input over another's."""
    assert guest.load(models.double([-1])) == NnErrno.SUCCESS
    graph = guest.u32()
    first, second = guest.context_of(graph), guest.context_of(graph)
    assert guest.infer(first, f32(1, 2, 3), (3,)) == f32(2, 4, 6)
    assert guest.infer(second, f32(9, 9, 9), (3,)) == f32(18, 18, 18)
    assert guest.call("compute", first) == NnErrno.SUCCESS
    assert guest.output(first) == f32(2, 4, 6)
    assert guest.output(second) == f32(18, 18, 18)


def test_two_graphs_and_their_contexts(guest: Guest, pair: models.IR) -> None:
    """Handles are all different, and each context keeps to its own graph."""
    doubles, adds = guest.context(pair), guest.context(models.add_constant(1))
    assert doubles != adds
    assert guest.set_input(doubles, f32(1, 2), (1, 2)) == NnErrno.SUCCESS
    assert guest.infer(adds, f32(5, 6), (2,)) == f32(6, 7)
    assert guest.call("compute", doubles) == NnErrno.SUCCESS
    assert guest.output(doubles) == f32(2, 4)


def test_inputs_are_told_apart_by_index_and_all_needed(guest: Guest) -> None:
    context = guest.context(models.subtract([1]))
    assert guest.set_input(context, f32(7), (1,), index=1) == NnErrno.SUCCESS
    assert guest.call("compute", context) == NnErrno.RUNTIME_ERROR
    assert guest.set_input(context, f32(10), (1,), index=0) == NnErrno.SUCCESS
    assert guest.call("compute", context) == NnErrno.SUCCESS
    assert guest.output(context) == f32(3)


def test_input_is_copied_when_it_is_set(guest: Guest, pair: models.IR) -> None:
    context = guest.context(pair)
    assert guest.set_input(context, f32(1, 2), (1, 2)) == NnErrno.SUCCESS
    guest.put(DATA, bytes(8))
    assert guest.call("compute", context) == NnErrno.SUCCESS
    assert guest.output(context) == f32(2, 4)


def test_second_set_input_replaces_the_first(guest: Guest, pair: models.IR) -> None:
    context = guest.context(pair)
    assert guest.set_input(context, f32(1, 2), (1, 2)) == NnErrno.SUCCESS
    assert guest.infer(context, f32(3, 4), (1, 2)) == f32(6, 8)


def test_compute_again_without_new_inputs_recomputes(guest: Guest, pair: models.IR) -> None:
    context = guest.context(pair)
    guest.infer(context, f32(1, 2), (1, 2))
    assert guest.call("compute", context) == NnErrno.SUCCESS
    assert guest.output(context) == f32(2, 4)


def test_output_can_be_read_twice_and_outlives_a_new_input(guest: Guest, pair: models.IR) -> None:
    context = guest.context(pair)
    guest.infer(context, f32(1, 2), (1, 2))
    assert guest.set_input(context, f32(9, 9), (1, 2)) == NnErrno.SUCCESS
    assert guest.output(context) == guest.output(context) == f32(2, 4)


@pytest.mark.parametrize("size", [0, 7])
def test_buffer_too_small_tells_the_size_and_is_not_written(guest: Guest, pair: models.IR, size: int) -> None:
    context = guest.context(pair)
    guest.infer(context, f32(1, 2), (1, 2))
    guest.put(DATA, b"\xaa" * 16)
    assert guest.call("get_output", context, 0, DATA, size, OUT) == NnErrno.TOO_LARGE
    assert (guest.u32(), guest.get(DATA, 16)) == (8, b"\xaa" * 16)


def test_output_whose_size_no_u32_holds_is_too_large(
    guest: Guest, pair: models.IR, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = guest.context(pair)
    guest.infer(context, f32(1, 2), (1, 2))
    guest.put_u32(OUT, CANARY)
    huge = memoryview(ffi.buffer(ffi.cast("char *", 4096), 1 << 32))  # nobody is to look into it
    monkeypatch.setattr(OpenVinoRequest, "output", lambda *_: huge)
    assert guest.call("get_output", context, 0, DATA, 8, OUT) == NnErrno.TOO_LARGE
    assert (guest.condition, guest.u32()) == (Condition.ABSURD_SIZE, CANARY)


@pytest.mark.parametrize("shape", [[2], [-1]], ids=["static", "dynamic"])
def test_input_passed_through_stays_as_it_was_computed(guest: Guest, shape: list[int]) -> None:
    """There OpenVINO's output may be the input's own memory, which is set or freed before the next."""
    context = guest.context(models.passed_through(shape))
    for value in (1, 2):
        assert guest.infer(context, f32(value, 5), (2,)) == f32(value, 5)
        assert guest.set_input(context, f32(8, 9), (2,)) == NnErrno.SUCCESS
        assert guest.output(context, 0) == f32(value, 5)
        assert guest.output(context, 1) == f32(2 * value, 10)


def test_input_passed_through_outlives_its_tensor(guest: Guest) -> None:
    context = guest.context(models.passed_through([-1]))
    many = f32(*range(4000))
    assert guest.set_input(context, many, (4000,)) == NnErrno.SUCCESS
    assert guest.call("compute", context) == NnErrno.SUCCESS
    for count in (1, 3, 4000, 2):
        assert guest.set_input(context, f32(*[7] * count), (count,)) == NnErrno.SUCCESS
        assert guest.output(context, 0, size=len(many)) == many


def test_compute_that_fails_runs_once(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    context = guest.context(models.reshape())
    assert guest.set_input(context, bytes(12), (3,)) == NnErrno.SUCCESS
    runs: list[int] = []
    infer = OpenVinoRequest.infer

    def counted(self: OpenVinoRequest) -> None:
        runs.append(1)
        infer(self)

    monkeypatch.setattr(OpenVinoRequest, "infer", counted)
    assert guest.call("compute", context) == NnErrno.RUNTIME_ERROR
    assert (len(runs), guest.condition) == (1, Condition.COMPUTE_FAILED)


def test_unloaded_graph_lives_on_in_its_contexts(guest: Guest, pair: models.IR) -> None:
    assert guest.load(pair) == NnErrno.SUCCESS
    graph = guest.u32()
    context = guest.context_of(graph)
    assert guest.call("unload", graph) == NnErrno.SUCCESS
    assert guest.call("init_execution_context", graph, OUT) == NnErrno.INVALID_ARGUMENT
    assert guest.call("unload", graph) == NnErrno.INVALID_ARGUMENT
    assert guest.infer(context, f32(1, 2), (1, 2)) == f32(2, 4)


def test_finalized_context_is_gone_and_leaves_room(backend: Callable[[], OpenVino], pair: models.IR) -> None:
    guest = Guest(Session(backend, Registry({}), lambda _: None, Limits(graphs=1, contexts=1)))
    assert guest.load(pair) == NnErrno.SUCCESS
    graph = guest.u32()
    for _ in range(3):
        context = guest.context_of(graph)
        assert guest.infer(context, f32(1, 2), (1, 2)) == f32(2, 4)
        assert guest.call("finalize_execution_context", context) == NnErrno.SUCCESS
        assert guest.call("compute", context) == NnErrno.INVALID_ARGUMENT
    assert guest.call("unload", graph) == NnErrno.SUCCESS
    assert guest.load(pair) == NnErrno.SUCCESS


def test_named_model_may_hold_what_a_guest_may_not(backend: Callable[[], OpenVino], tmp_path: Path) -> None:
    path = tmp_path / "model.xml"
    xml, weights = models.gather_nd()
    path.write_bytes(xml)
    path.with_suffix(".bin").write_bytes(weights)
    guest = Guest(Session(backend, Registry({"m": NamedModel(path)}), lambda _: None))
    assert guest.load((xml, weights)) == NnErrno.UNSUPPORTED_OPERATION
    assert guest.load_by_name(b"m") == NnErrno.SUCCESS, guest.reports


def test_input_of_a_type_without_a_value_is_refused(guest: Guest) -> None:
    context = guest.context(models.boolean())
    assert guest.set_input(context, b"\0\1", (2,), TensorType.U8) == NnErrno.INVALID_ARGUMENT
    assert "boolean" in guest.reports[-1][1].reason


def test_named_models_are_compiled_once_and_late(
    backend: Callable[[], OpenVino], pair: models.IR, tmp_path: Path
) -> None:
    """Each load gives a handle of its own; the second needs neither the file nor a compilation."""
    path = tmp_path / "double.xml"
    path.write_bytes(pair[0])
    notices: list[str] = []
    guest = Guest(Session(backend, Registry({"dbl": NamedModel(path)}), notices.append))
    assert not notices
    assert guest.load_by_name(b"dbl") == NnErrno.SUCCESS
    first = guest.u32()
    path.unlink()
    assert guest.load_by_name(b"dbl") == NnErrno.SUCCESS
    assert guest.u32() != first
    assert len([notice for notice in notices if notice.startswith("loading")]) == 1
    assert guest.infer(guest.context_of(guest.u32()), f32(1, 2), (1, 2)) == f32(2, 4)
