"""No pointer or length reaches outside the guest's memory, and none that tries has a side effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from host import abi
from host.abi import NnErrno, TensorType
from host.errors import Condition
from host.models.registry import Registry
from host.nn import Limits, Session
from tests.host.guests import CANARY, DATA, DIMENSIONS, OUT, PAGE, TENSOR, Guest, f32, wat

if TYPE_CHECKING:
    from collections.abc import Callable

    from host.backends.openvino import OpenVino
    from tests.host import models

END = 4 * PAGE
"""The size of the guest's memory."""
TOP = 0xFFFF_FFFF

RANGES_OUTSIDE = [
    (END, 1),
    (END - 1, 2),
    (0, END + 1),
    (TOP, 1),
    (TOP, TOP),
    (0, TOP),
    (1 << 31, 1),
    (DATA, TOP - 1),
]
RESULTS_OUTSIDE = [END, END - 3, TOP, TOP - 3, 1 << 31]


@pytest.fixture
def ready(guest: Guest, pair: models.IR) -> tuple[Guest, int]:
    """Return a guest and a context that has computed [3, 4] from [1.5, 2]."""
    context = guest.context(pair)
    guest.infer(context, f32(1.5, 2), (1, 2))
    return guest, context


def _refused(guest: Guest, errno: int) -> None:
    assert (errno, guest.condition) == (NnErrno.INVALID_ARGUMENT, Condition.OUTSIDE_MEMORY)


@pytest.mark.parametrize(("ptr", "length"), RANGES_OUTSIDE)
def test_name_outside(guest: Guest, ptr: int, length: int) -> None:
    _refused(guest, guest.call("load_by_name", ptr, length, OUT))


@pytest.mark.parametrize(("ptr", "length"), RANGES_OUTSIDE)
def test_builder_outside(guest: Guest, ptr: int, length: int) -> None:
    guest.put(TENSOR, abi.GRAPH_BUILDER.pack(ptr, length))
    _refused(guest, guest.call("load", TENSOR, 1, 0, 0, OUT))


@pytest.mark.parametrize(
    ("ptr", "count"), [(END, 1), (END - 4, 1), (TOP, 1), (0, TOP), (0, 1 << 29), (END - 8, 2)]
)
def test_builder_array_outside(guest: Guest, ptr: int, count: int) -> None:
    """Also where count x 8 would wrap at 32 bits."""
    _refused(guest, guest.call("load", ptr, count, 0, 0, OUT))


@pytest.mark.parametrize("ptr", [END, END - 19, TOP, 1 << 31])
def test_tensor_outside(ready: tuple[Guest, int], ptr: int) -> None:
    guest, context = ready
    _refused(guest, guest.call("set_input", context, 0, ptr))


@pytest.mark.parametrize(("ptr", "rank"), [(END, 1), (END - 4, 2), (TOP, 1), (0, TOP), (0, 1 << 30)])
def test_dimensions_outside(ready: tuple[Guest, int], ptr: int, rank: int) -> None:
    """Also where rank x 4 would wrap at 32 bits."""
    guest, context = ready
    guest.put(TENSOR, abi.TENSOR.pack(ptr, rank, TensorType.F32, DATA, 8))
    _refused(guest, guest.call("set_input", context, 0, TENSOR))


@pytest.mark.parametrize(("ptr", "length"), RANGES_OUTSIDE)
def test_data_outside_leaves_the_input_as_it_was(ready: tuple[Guest, int], ptr: int, length: int) -> None:
    guest, context = ready
    guest.put(TENSOR, abi.TENSOR.pack(DIMENSIONS, 2, TensorType.F32, ptr, length))
    _refused(guest, guest.call("set_input", context, 0, TENSOR))
    assert guest.call("compute", context) == NnErrno.SUCCESS
    assert guest.output(context) == f32(3, 4)


@pytest.mark.parametrize(("ptr", "length"), RANGES_OUTSIDE)
def test_output_buffer_outside_writes_nothing(ready: tuple[Guest, int], ptr: int, length: int) -> None:
    guest, context = ready
    before = guest.get(0, END)
    _refused(guest, guest.call("get_output", context, 0, ptr, length, OUT))
    assert guest.get(0, END) == before


@pytest.mark.parametrize("result", RESULTS_OUTSIDE)
def test_size_outside_writes_nothing(ready: tuple[Guest, int], result: int) -> None:
    guest, context = ready
    before = guest.get(0, END)
    _refused(guest, guest.call("get_output", context, 0, DATA, 64, result))
    assert guest.get(0, END) == before


@pytest.mark.parametrize("result", RESULTS_OUTSIDE)
def test_result_outside_makes_no_graph_and_no_context(
    backend: Callable[[], OpenVino], pair: models.IR, result: int
) -> None:
    """With room for one of each, the failed calls have not used it up."""
    guest = Guest(Session(backend, Registry({}), lambda _: None, Limits(graphs=1, contexts=1)))
    guest.put(DATA, pair[0])
    guest.put(TENSOR, abi.GRAPH_BUILDER.pack(DATA, len(pair[0])) + abi.GRAPH_BUILDER.pack(DATA, 0))
    _refused(guest, guest.call("load", TENSOR, 2, 0, 0, result))
    _refused(guest, guest.call("load_by_name", DATA, 0, result))
    assert guest.load(pair) == NnErrno.SUCCESS
    graph = guest.u32()
    _refused(guest, guest.call("init_execution_context", graph, result))
    guest.context_of(graph)


def test_overlapping_builders_beyond_the_cap(backend: Callable[[], OpenVino]) -> None:
    """Builders that each are the whole memory cannot make the host copy it many times over."""
    guest = Guest(Session(backend, Registry({}), lambda _: None, Limits(model_bytes=END)))
    guest.put(TENSOR, abi.GRAPH_BUILDER.pack(0, END) * 2)
    assert guest.call("load", TENSOR, 2, 0, 0, OUT) == NnErrno.TOO_LARGE


def test_empty_range_at_the_very_end_is_inside(ready: tuple[Guest, int]) -> None:
    guest, context = ready
    assert guest.call("get_output", context, 0, END, 0, OUT) == NnErrno.TOO_LARGE
    assert guest.u32() == 8


def test_last_bytes_of_memory_can_be_used(ready: tuple[Guest, int]) -> None:
    guest, context = ready
    assert guest.call("get_output", context, 0, END - 12, 8, END - 4) == NnErrno.SUCCESS
    assert guest.get(END - 12, 12) == f32(3, 4) + (8).to_bytes(4, "little")


def test_memory_that_grew_can_be_used_at_once(ready: tuple[Guest, int]) -> None:
    """An address is outside before `memory.grow` and inside after it, wherever the memory has moved."""
    guest, context = ready
    _refused(guest, guest.call("get_output", context, 0, END, 8, OUT))
    assert guest.call("grow") == 4
    assert guest.call("get_output", context, 0, END, 8, OUT) == NnErrno.SUCCESS
    assert guest.get(END, 8) == f32(3, 4)
    assert guest.set_input(context, f32(5, 6), (1, 2), at=END + 100) == NnErrno.SUCCESS
    assert guest.call("compute", context) == NnErrno.SUCCESS
    assert guest.output(context) == f32(10, 12)


def test_guest_with_a_memory_of_no_bytes(session: Session) -> None:
    guest = Guest(session, wat(pages=0))
    _refused(guest, guest.call("load_by_name", 0, 0, 0))


def test_nothing_next_to_the_results_is_touched(guest: Guest, pair: models.IR) -> None:
    for at in (OUT - 4, OUT + 4):
        guest.put_u32(at, CANARY)
    context = guest.context(pair)
    guest.infer(context, f32(1, 2), (1, 2))
    assert (guest.u32(OUT - 4), guest.u32(OUT + 4)) == (CANARY, CANARY)
