"""No ONNX model hides a file from the guard, wherever in the protobuf it names it."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest

from host.abi import GraphEncoding, NnErrno
from host.backends import onnx_guard
from host.backends.onnx_guard import NotOnnxError, check_onnx, external_locations, is_onnx
from host.errors import Condition, NnError
from host.models.registry import NamedModel, Registry
from host.nn import Session
from tests.host.guests import Guest
from tests.host.models import external, field, onnx, tensor, varint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from host.backends.openvino import OpenVino

OUTSIDE = external("w", "../secret")
INSIDE = tensor("c", bytes(8))


def _node(attribute: bytes) -> bytes:
    return field(4, "If") + field(5, field(1, "a") + attribute)


SUBGRAPH = field(5, OUTSIDE)
PLACES = {
    "initializer": onnx(OUTSIDE),
    "second graph field, which a parser merges into the first": onnx(INSIDE, model_more=field(7, SUBGRAPH)),
    "sparse initializer, values": onnx(INSIDE, field(15, field(1, OUTSIDE))),
    "sparse initializer, indices": onnx(INSIDE, field(15, field(2, OUTSIDE))),
    "attribute, tensor": onnx(INSIDE, field(1, _node(field(5, OUTSIDE)))),
    "attribute, tensors": onnx(INSIDE, field(1, _node(field(10, OUTSIDE)))),
    "attribute, graph": onnx(INSIDE, field(1, _node(field(6, SUBGRAPH)))),
    "attribute, graphs": onnx(INSIDE, field(1, _node(field(11, SUBGRAPH)))),
    "attribute, sparse tensor": onnx(INSIDE, field(1, _node(field(22, field(1, OUTSIDE))))),
    "attribute, sparse tensors": onnx(INSIDE, field(1, _node(field(23, field(2, OUTSIDE))))),
    "subgraph of a subgraph": onnx(INSIDE, field(1, _node(field(6, field(1, _node(field(6, SUBGRAPH))))))),
    "function": onnx(INSIDE, model_more=field(25, field(7, _node(field(5, OUTSIDE))))),
    "function, default of an attribute": onnx(INSIDE, model_more=field(25, field(11, field(5, OUTSIDE)))),
    "training": onnx(INSIDE, model_more=field(20, field(1, SUBGRAPH) + field(2, SUBGRAPH))),
    "key written with needless bytes": onnx(
        tensor("c", bytes(8), b"\xea\x00" + field(13, field(2, "x"))[1:])
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_external_data_is_found(place: str) -> None:
    assert external_locations(PLACES[place])


@pytest.mark.parametrize("location", ["{}/outside", "../outside", "link", "inside", "./inside", ""])
@pytest.mark.parametrize("place", ["initializer", "function", "subgraph", "sparse initializer"])
def test_guest_reaches_no_file(
    guest: Guest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str, place: str
) -> None:
    """By an absolute path, one that climbs, a link, or from the folder that the host runs in."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for path in (tmp_path / "outside", folder / "inside"):
        path.write_bytes(bytes(8))
    (folder / "link").symlink_to(tmp_path / "outside")
    monkeypatch.chdir(folder)
    tensor_of_file = external("c", location.format(tmp_path))
    assert guest.load((_at(place, tensor_of_file),), GraphEncoding.ONNX) == NnErrno.UNSUPPORTED_OPERATION
    assert guest.condition is Condition.MODEL_REFERS_TO_FILES


def _at(place: str, found: bytes) -> bytes:
    return {
        "initializer": onnx(found),
        "function": onnx(INSIDE, model_more=field(25, field(7, _node(field(5, found))))),
        "subgraph": onnx(INSIDE, field(1, _node(field(6, field(5, found))))),
        "sparse initializer": onnx(INSIDE, field(15, field(1, found))),
    }[place]


def test_location_is_told() -> None:
    assert "../secret" in external_locations(onnx(OUTSIDE))


def test_mark_without_a_location_counts() -> None:
    assert external_locations(onnx(tensor("c", bytes(8), field(14, 1)))) == ("",)


def test_location_without_the_mark_counts() -> None:
    entry = field(13, field(1, "location") + field(2, "x"))
    assert external_locations(onnx(tensor("c", bytes(8), entry))) == ("x",)


def test_mark_that_is_taken_back_counts() -> None:
    """A parser keeps the last of several; the guard does not rely on that."""
    assert external_locations(onnx(tensor("c", bytes(8), field(14, 1) + field(14, 0))))


def test_model_that_holds_its_data_passes() -> None:
    model = onnx(tensor("c", b"external_data location /etc/hostname    ", field(14, 0)))
    assert is_onnx(model)
    assert external_locations(model) == ()


def _nested(graph: bytes, depth: int) -> bytes:
    for _ in range(depth):
        graph = field(1, field(5, field(6, graph)))
    return field(1, 8) + field(7, graph)


def test_nesting_is_walked_as_deep_as_any_parser_goes() -> None:
    assert external_locations(_nested(SUBGRAPH, 60))


def test_nesting_deeper_than_that_is_refused() -> None:
    with pytest.raises(NotOnnxError):
        external_locations(_nested(SUBGRAPH, 2000))


def _refused(model: bytes) -> Condition:
    with pytest.raises(NnError) as caught:
        check_onnx(model, 1 << 20)
    return caught.value.condition


UNSAFE = field(1, field(4, "GatherND"))
UNSAFE_PLACES = {
    "node": onnx(INSIDE, UNSAFE),
    "other domain": onnx(INSIDE, field(1, field(7, "ai.example") + field(4, "GatherND"))),
    "other case": onnx(INSIDE, field(1, field(4, "gathernd"))),
    "type given twice": onnx(INSIDE, field(1, field(4, "GatherND") + field(4, "Add"))),
    "subgraph": onnx(INSIDE, field(1, _node(field(6, UNSAFE)))),
    "subgraphs": onnx(INSIDE, field(1, _node(field(11, UNSAFE)))),
    "function": onnx(INSIDE, model_more=field(25, field(7, field(4, "GatherND")))),
    "subgraph of a function": onnx(INSIDE, model_more=field(25, field(7, _node(field(6, UNSAFE))))),
}


@pytest.mark.parametrize("place", UNSAFE_PLACES)
def test_unsafe_operation_is_found(place: str) -> None:
    assert _refused(UNSAFE_PLACES[place]) is Condition.MODEL_UNSAFE


def _dimension(length: int) -> bytes:
    return field(1, field(1, length))


def _input(*lengths: int) -> bytes:
    shape = b"".join(map(_dimension, lengths))
    return field(11, field(1, "z") + field(2, field(1, field(1, 1) + field(2, shape))))


HUGE = 1 << 40
ABSURD = {
    "initializer": onnx(tensor("c", bytes(8), field(1, HUGE))),
    "initializer, packed": onnx(tensor("c", bytes(8), field(1, varint(HUGE)))),
    "initializer, product": onnx(tensor("c", bytes(8), field(1, 1024) + field(1, 1024))),
    "initializer, negative": onnx(tensor("c", bytes(8), field(1, (1 << 64) - 1))),
    "initializer, wraps to its size": onnx(tensor("c", bytes(8), field(1, 1 << 63))),
    "input": onnx(INSIDE, _input(HUGE)),
    "input, product": onnx(INSIDE, _input(1 << 11, 1 << 11)),
    "sparse initializer": onnx(INSIDE, field(15, field(3, HUGE))),
}


@pytest.mark.parametrize("place", ABSURD)
def test_absurd_size_is_found(place: str) -> None:
    assert _refused(ABSURD[place]) is Condition.ABSURD_SIZE


@pytest.mark.parametrize("more", [b"", _input((1 << 64) - 1, 2), _input(0, 3), field(5, tensor("roi", b""))])
def test_any_length_and_none_pass(more: bytes) -> None:
    check_onnx(onnx(INSIDE, more), 1 << 20)


FLOODS = {
    "empty graphs": b"\x08\x01" + b"\x3a\x00" * 100_000,
    "fields of a graph": b"\x08\x01" + field(7, b"\x18\x00" * 100_000),
    "nodes": b"\x08\x01" + field(7, b"\x0a\x02\x20\x00" * 100_000),
    "fields of an entry": b"\x08\x01" + field(7, field(5, field(13, b"\x1a\x00" * 100_000))),
    "dimensions of a shape": b"\x08\x01"
    + field(7, field(11, field(2, field(1, field(2, b"\x0a\x00" * 100_000))))),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_flood_of_fields_is_cut_off(flood: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A walk holds what it is inside of, not what is still to come: 8 MB once took 20 s and a gigabyte."""
    monkeypatch.setattr(onnx_guard, "MOST_FIELDS", 50_000)
    tracemalloc.start()
    try:
        assert _refused(FLOODS[flood]) is Condition.ABSURD_SIZE
        assert tracemalloc.get_traced_memory()[1] < 1_000_000  # with what threads of other tests still take
    finally:
        tracemalloc.stop()


def test_walk_stops_at_the_first_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_guard, "MOST_FIELDS", 50)
    assert _refused(onnx(OUTSIDE) + b"\x3a\x00" * 100) is Condition.MODEL_REFERS_TO_FILES


def test_models_of_the_operator_may_have_any_number_of_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_guard, "MOST_FIELDS", 50)
    assert external_locations(onnx(OUTSIDE) + b"\x3a\x00" * 100)


@pytest.mark.parametrize(
    "data",
    [
        b"\x0b\x0c",  # a group
        b"\x06",  # wire type 6
        b"\x00\x00",  # field 0
        b"\x08",  # a varint that is not there
        b"\x08" + b"\xff" * 11,  # a varint without an end
        field(7, b"x" * 9)[:-1],
        varint(1 << 35 | 7 << 3 | 2) + b"\0",  # a key of more than 32 bits, which a parser may cut to 32
        varint(7 << 3 | 2) + varint(1 << 63),
        b"\x0d\0\0\0",
    ],
)
def test_malformed_protobuf_is_refused(data: bytes) -> None:
    assert not is_onnx(data)
    with pytest.raises(NotOnnxError):
        external_locations(data)


@pytest.mark.parametrize(
    "data", [b"", b"\x0a\x00", b"<?xml", field(1, 8), field(1, "blocks") + field(7, b"")]
)
def test_other_formats_are_not_onnx(data: bytes) -> None:
    assert not is_onnx(data)


@pytest.mark.parametrize(
    ("location", "errno"), [("data.bin", NnErrno.SUCCESS), ("../data.bin", NnErrno.RUNTIME_ERROR)]
)
def test_named_onnx_may_keep_data_in_its_own_folder_only(
    backend: Callable[[], OpenVino], tmp_path: Path, location: str, errno: NnErrno
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / location).write_bytes(bytes(8))
    (folder / "m.onnx").write_bytes(onnx(external("c", location)))
    guest = Guest(Session(backend, Registry({"m": NamedModel(folder / "m.onnx")}), lambda _: None))
    assert guest.load_by_name(b"m") == errno, guest.reports
