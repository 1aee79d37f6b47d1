"""The tensors of a service: what its file may say, and how an answer is taken apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from host.serving import description
from host.serving.description import AS_BYTES, Description, DescriptionError, Tensor

if TYPE_CHECKING:
    from pathlib import Path

X, Y = Tensor("x", "FP32", (4,)), Tensor("y", "INT64", (2,))


def written(tmp_path: Path, text: str) -> Path:
    """Write a description."""
    path = tmp_path / "guest.toml"
    path.write_text(text)
    return path


TABLES = """
[[inputs]]
name = "x"
datatype = "FP32"
shape = [4]

[[outputs]]
name = "y"
datatype = "INT64"
shape = [2]
"""

INPUT = TABLES[: TABLES.index("[[outputs")]


def test_description_is_what_its_file_says(tmp_path: Path) -> None:
    assert description.read(written(tmp_path, TABLES)) == Description((X,), (Y,))


def test_description_comes_back_from_its_tables() -> None:
    for each in (AS_BYTES, Description((X, Y), (Y, X))):
        assert description.from_tables(description.to_tables(each)) == each


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", r"no \[\[inputs\]\]"),
        (TABLES.replace("[[outputs]]", "[[output]]"), "no `output`, only"),
        (TABLES.replace("[[outputs]]", "[outputs]"), r"no \[\[outputs\]\]"),
        ("inputs = [1]", "number 1 is not a table"),
        (TABLES.replace("datatype", "dtype"), "has `dtype`, and there are only name, datatype, shape"),
        (TABLES.replace('name = "x"', ""), "has no `name`"),
        (TABLES.replace('"x"', '"a\\"b"'), "a `name` is letters"),
        (TABLES.replace('"x"', '"x\\n"'), "a `name` is letters"),
        (TABLES.replace('"x"', "1"), "a `name` is letters"),
        (TABLES.replace("FP32", "float"), "a `datatype` is one of BYTES, BOOL"),
        (TABLES.replace("FP32", "BF16"), "a `datatype` is one of BYTES, BOOL"),
        (TABLES.replace("[4]", "[]"), "a `shape` is a list"),
        (TABLES.replace("[4]", "4"), "a `shape` is a list"),
        (TABLES.replace("[4]", "[0]"), "a `shape` is a list"),
        (TABLES.replace("[4]", "[-2]"), "a `shape` is a list"),
        (TABLES.replace("[4]", "[true]"), "a `shape` is a list"),
        (TABLES.replace("[4]", "[1.5]"), "a `shape` is a list"),
        (TABLES.replace("[4]", "[-1, -1]"), "a `shape` is a list"),
        (TABLES.replace("[4]", "[2147483648]"), "a `shape` is a list"),
        (TABLES.replace("[4]", "[65536, 65536]"), "more elements than"),
        (TABLES.replace("FP32", "BYTES"), r"`shape` of BYTES is \[1\]"),
        (TABLES + INPUT, "two .* are named `x`"),
        (TABLES + '[[inputs]]\nname = "z"\ndatatype = "BYTES"\nshape = [1]', "BYTES is alone"),
        (TABLES.replace("[4]", "[-1]") + INPUT.replace("x", "z"), "more than one"),
        (
            TABLES.replace("[2]", "[-1]") + '[[outputs]]\nname = "z"\ndatatype = "FP32"\nshape = [-1]',
            "one length of -1 in all outputs",
        ),
        ("inputs = [", "is not TOML"),
        ("a = " + "[" * 5000, "is n"),
    ],
)  # fmt: skip
def test_description_that_cannot_be_is_refused_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(DescriptionError, match=told) as caught:
        description.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_description_is_told(tmp_path: Path) -> None:
    with pytest.raises(DescriptionError, match="No such file"):
        description.read(tmp_path / "none.toml")


def shapes(outputs: tuple[Tensor, ...], answer: bytes) -> list[tuple[tuple[int, ...], bytes]]:
    """Return the shapes and the bytes of the outputs in an answer."""
    return Description((X,), outputs).split(answer)


def test_answer_is_its_outputs_end_to_end() -> None:
    answer = bytes(range(32))
    assert shapes((Y, X), answer) == [((2,), answer[:16]), ((4,), answer[16:])]
    assert shapes(AS_BYTES.outputs, b"") == [((1,), b"")]


@pytest.mark.parametrize("length", [0, 1, 5])
def test_length_that_may_be_any_is_what_the_others_leave(length: int) -> None:
    open_ = Tensor("z", "FP16", (3, -1))
    answer = bytes(16 + 6 * length)
    assert shapes((Y, open_), answer) == [((2,), bytes(16)), ((3, length), bytes(6 * length))]
    assert shapes((open_, Y), answer)[0] == ((3, length), bytes(6 * length))


def test_bytes_of_outputs_are_known_but_for_those_of_any_length() -> None:
    open_ = Tensor("z", "FP16", (3, -1))
    assert Description((X,), (Y, X)).fixed_bytes == 32
    assert Description((X,), (Y, open_)).fixed_bytes == 16
    assert AS_BYTES.fixed_bytes == 0


@pytest.mark.parametrize(
    ("outputs", "size", "told"),
    [
        ((Y,), 15, "15 bytes, and its outputs have 16"),
        ((Y,), 17, "17 bytes, and its outputs have 16"),
        ((Y,), 0, "0 bytes, and its outputs have 16"),
        ((Y, Tensor("z", "FP16", (3, -1))), 19, "no whole rows of its output `z`, of 6 bytes each"),
        ((Y, Tensor("z", "FP16", (3, -1))), 15, "no whole rows"),
        ((Tensor("z", "FP16", (3, -1)), Y), 4, "no whole rows"),
    ],
)
def test_answer_of_another_size_is_no_answer(outputs: tuple[Tensor, ...], size: int, told: str) -> None:
    with pytest.raises(DescriptionError, match=told):
        shapes(outputs, bytes(size))
