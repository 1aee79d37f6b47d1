"""No IR of a guest gets past with an unsafe operation, an absurd size, or XML that parsers may differ on."""

from __future__ import annotations

import pytest

from host.backends.ir_guard import MOST_DEPTH, MOST_ELEMENTS, check_ir
from host.errors import Condition, NnError
from tests.host import models

WEIGHTS, CAP = 64, 1 << 20


def _refused(xml: str | bytes) -> Condition:
    with pytest.raises(NnError) as caught:
        check_ir(xml.encode() if isinstance(xml, str) else xml, WEIGHTS, CAP)
    return caught.value.condition


def _port(*lengths: object, precision: str = "FP32") -> str:
    dims = "".join(f"<dim>{length}</dim>" for length in lengths)
    return f'<net><layer><output><port precision="{precision}">{dims}</port></output></layer></net>'


def _data(shape: str, element_type: str = "f32", offset: object = 0, size: object = 4) -> str:
    return f'<net><data element_type="{element_type}" shape="{shape}" offset="{offset}" size="{size}"/></net>'


@pytest.mark.parametrize(
    "ir",
    [
        models.double([1, 2]),
        models.double([-1, 2]),
        models.double([]),
        models.add_constant(1),
        models.reshape(),
        models.boolean(),
        models.repeat(3),
    ],
)
def test_models_of_openvino_pass(ir: models.IR) -> None:
    check_ir(ir[0], len(ir[1]), CAP)


@pytest.mark.parametrize("shape", ["", "1,2", "?,2", "-1,2", "1..8,2", "..8", "2..", "...", "0,3", " 1 , 2 "])
def test_shapes_that_pass(shape: str) -> None:
    check_ir(_data(shape).encode(), WEIGHTS, CAP)


@pytest.mark.parametrize("name", ["GatherND", "gathernd", "GATHERND", "&#71;atherND"])
def test_unsafe_operation_is_found_however_written(name: str) -> None:
    """Also where it is not in the outermost graph; OpenVINO takes names in any case."""
    layer = f'<layers><layer type="{name}" version="opset8"/></layers>'
    assert _refused(f"<net>{layer}</net>") is Condition.MODEL_UNSAFE
    assert _refused(f"<net><layer><body>{layer}</body></layer></net>") is Condition.MODEL_UNSAFE


def test_gather_nd_of_openvino_is_found() -> None:
    assert _refused(models.gather_nd()[0]) is Condition.MODEL_UNSAFE


ABSURD = {
    "constant that made `load` hang": _data("4611686018427387908"),
    "shape, product": _data("1024,1024"),
    "shape, by its upper bound": _data("1..4611686018427387908"),
    "shape, zero does not hide it": _data("0,4611686018427387908"),
    "shape, element size": _data("524288", "f32"),
    "port": _port(1 << 40),
    "port, product": _port(1024, 1024),
    "port, more than 63 bits": _port(*[1 << 32] * 4),
    "port, zero does not hide it": _port(0, 1 << 40),
    "elements": "<net>" + "<a/>" * MOST_ELEMENTS + "</net>",
    "depth": "<a>" * (MOST_DEPTH + 1),
}


@pytest.mark.parametrize("name", ABSURD)
def test_absurd_size_is_found(name: str) -> None:
    assert _refused(ABSURD[name]) is Condition.ABSURD_SIZE


@pytest.mark.parametrize(("element_type", "fits"), [("u8", 1 << 20), ("u4", 1 << 21), ("f64", 1 << 17)])
def test_size_counts_the_type(element_type: str, fits: int) -> None:
    check_ir(_data(str(fits), element_type).encode(), WEIGHTS, CAP)
    assert _refused(_data(str(fits + 1), element_type)) is Condition.ABSURD_SIZE


BAD: dict[str, str | bytes] = {
    "empty": "",
    "not XML": "<net",
    "two roots": "<net/><net/>",
    "attribute twice": '<net a="1" a="2"/>',
    "NUL": b"<net>\0</net>",
    "not UTF-8": b'<net a="\xff"/>',
    "doctype": "<!DOCTYPE net><net/>",
    "entities": '<!DOCTYPE net [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><net>&c;</net>',
    "entity of a file": '<!DOCTYPE net [<!ENTITY a SYSTEM "file:///etc/hostname">]><net>&a;</net>',
    "doctype of a file": '<!DOCTYPE net SYSTEM "/etc/hostname"><net/>',
    "parameter entity": '<!DOCTYPE net [<!ENTITY % a SYSTEM "x.dtd"> %a;]><net/>',
    "unknown entity": "<net>&a;</net>",
    "latin-1": b'<?xml version="1.0" encoding="ISO-8859-1"?><net/>',
    "utf-16 declared": b'<?xml version="1.0" encoding="UTF-16"?><net/>',
    "utf-7": b'<?xml version="1.0" encoding="UTF-7"?><net/>',
    "constant after the weights": _data("1", offset=61),
    "constant longer than the weights": _data("1", size=65),
    "offset that wraps": _data("1", offset=(1 << 64) - 4),
    "offset, negative": _data("1", offset=-4, size=4),
    "size, negative": _data("1", size=-4),
    "offset, hexadecimal": _data("1", offset="0x10"),
    "offset, other digits": _data("1", offset="٣"),
    "shape, words": _data("one"),
    "shape, endless": _data("9" * 5000),
    "dimension, words": _port("x"),
    "dimension, empty": _port(""),
    "dimension, endless": _port("9" * 5000),
}


@pytest.mark.parametrize("name", BAD)
def test_what_no_writer_makes_is_not_a_model(name: str) -> None:
    assert _refused(BAD[name]) is Condition.NOT_A_MODEL


@pytest.mark.parametrize("encoding", ["utf-8", "UTF-8", "US-ASCII"])
def test_encodings_that_pass(encoding: str) -> None:
    check_ir(f'<?xml version="1.0" encoding="{encoding}"?><net/>'.encode(), WEIGHTS, CAP)


def test_weights_may_be_used_to_the_last_byte() -> None:
    check_ir(_data("1", offset=60).encode(), WEIGHTS, CAP)
