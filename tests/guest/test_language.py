"""The language guest says of sentences what the network says natively, and names what is bad input."""

from __future__ import annotations

import random
import re
import shutil
import unicodedata
from typing import TYPE_CHECKING

import numpy as np
import pytest

from examples import packages
from examples.language import model as recipe
from tests.guest.conftest import ROOT
from tests.guest.example_guests import LEFT_ALONE, UNSAFE, Done, Guest, assert_refused, model, rust_guest
from tests.guest.stand_in import StandIn

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tests.guest.conftest import Need, Runtime

ROW = re.compile(r"([a-z]{3}) ([ \d]{3})%  (.*)")
SENTENCES = ROOT / "examples/language/sentences.txt"
_BLANKS = re.compile(r"\s{2,}")
# Ranges of code points of the scripts that the 50 languages are written in, marks included.
SCRIPTS = (
    *((0x20, 0x24F), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x4FF), (0x531, 0x587), (0x590, 0x5F4)),
    *((0x610, 0x6FF), (0x900, 0x97F), (0x980, 0x9FE), (0x10D0, 0x10FA), (0x3040, 0x30FF), (0x4E00, 0x4EFF)),
)


@pytest.fixture(scope="module")
def guest(need: Need) -> Guest:
    folder = model(need, "lande", "ngrams.txt", "labels.txt")
    return Guest(rust_guest("language"), folder, SENTENCES.parent)


def answers(done: Done) -> list[tuple[str, int]]:
    """Return language and percentage of each line; anything else the guest said fails."""
    assert (done.returncode, done.stderr) == (0, "")
    rows = [ROW.fullmatch(line) for line in done.stdout.splitlines()]
    return [(row[1], int(row[2])) for row in rows if row]


def features(text: str, ngrams: list[str]) -> NDArray[np.float32]:
    """Return what lande's own package makes of a text: shares of all n-grams of the same length."""
    text = "".join(c for c in re.sub("-+", " ", text) if unicodedata.category(c)[0] in "LM" or c.isspace())
    text = f" {_BLANKS.sub(' ', text).lower().strip()} "
    grams = [[text[at : at + n] for at in range(len(text) - n + 1)] for n in range(5)]
    shares = [grams[len(ngram)].count(ngram) / max(1, len(grams[len(ngram)])) for ngram in ngrams]
    return np.array([shares], np.float32)


def native(folder: Path, sentences: list[str]) -> list[tuple[str, int]]:
    """Return language and percentage of each sentence, by the network in OpenVINO."""
    import openvino  # type: ignore[import-untyped]  # noqa: PLC0415 - half a second; no py.typed

    compiled = openvino.Core().compile_model(folder / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    ngrams = (folder / "ngrams.txt").read_text(encoding="utf-8").splitlines()
    labels = (folder / "labels.txt").read_text().split()
    scores = [compiled(features(sentence, ngrams))[0][0] for sentence in sentences]
    return [(labels[score.argmax()], round(100 * float(score.max()))) for score in scores]


def test_the_package_s_own_45_sentences_are_told_as_natively(
    host: Runtime, guest: Guest, need: Need, tmp_path: Path
) -> None:
    need(packages.CACHE / f"lande-1.0.10-{recipe.LANDE.sha256}", "run `make model`")
    cases = recipe.read_sentences()
    assert len(cases) == 45
    sentences = [sentence for sentence, _ in cases]
    (tmp_path / "test.txt").write_text("\n".join(sentences), encoding="utf-8")
    found = answers(guest.run(host, "/model", "/files/test.txt", files=tmp_path))
    expected = native(guest.model, sentences)
    assert [label for label, _ in found] == [label for label, _ in expected]
    assert [label for label, _ in found] == [label for _, label in cases]
    assert [percent for _, percent in found] == pytest.approx([p for _, p in expected], abs=1)


@pytest.mark.parametrize("by", [(), ("--name", "lande")], ids=["by bytes", "by name"])
def test_the_shown_sentences_are_told_on_both_runtimes(
    runtime: Runtime, guest: Guest, by: tuple[str, ...]
) -> None:
    found = answers(guest.run(runtime, *by, "/model", f"/files/{SENTENCES.name}"))
    shown = "eng deu fra spa ita rus fin tur cmn jpn hin ara"
    assert [label for label, _ in found] == shown.split()


def scripts() -> list[str]:
    """Return a text of random characters for each script, with blanks, hyphens, digits and signs in it."""
    texts = []
    for first, last in SCRIPTS:
        # What is assigned differs between versions of Unicode.
        known = [c for c in map(chr, range(first, last + 1)) if unicodedata.category(c) not in {"Cn", "Cc"}]
        chosen = random.Random(first).choices([*known, *"  - --5.!"], k=400)  # noqa: S311 - any choice does
        texts.append("a" + "".join(chosen))
    return texts


@pytest.mark.parametrize(
    "text",
    [
        *scripts(),
        "a",
        "ab",
        "a  b\u00a0\u2003c \u3000",
        "ΟΔΟΣ ΣΑΣ",
        "well-known --- x-- -y",
        "i̇ İ I",
        "\U0001d400\U0001f600 a",
    ],
)
def test_the_tensor_is_that_of_the_official_package(guest: Guest, tmp_path: Path, text: str) -> None:
    (tmp_path / "text").write_text(text, encoding="utf-8")
    seen = StandIn(output=np.zeros(50, np.float32).tobytes())
    done = guest.run_alone("--name", "net", "/model", "/files/text", files=tmp_path, host=seen)
    assert (done.returncode, done.stderr) == (0, "")
    (tensor,) = seen.tensors
    assert (tensor.dimensions, tensor.type) == ((1, 620), 1)
    ngrams = (guest.model / "ngrams.txt").read_text(encoding="utf-8").splitlines()
    np.testing.assert_array_equal(np.frombuffer(tensor.data, "<f4"), features(text, ngrams)[0])


@pytest.mark.parametrize("content", [b"\xff", b"caf\xe9", b"ok\n\xc3", b"\xed\xa0\x80", b"\xff\xfeh\0i\0"])
def test_what_is_not_utf8_is_refused(guest: Guest, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "text").write_bytes(content)
    done = guest.run_alone("/model", "/files/text", files=tmp_path)
    assert_refused(done, "language", "cannot read /files/text: it is not UTF-8")


@pytest.mark.parametrize("content", ["", "\n\n", " \t ", "1 + 2 = 3!\n---\n"])
def test_a_text_without_letters_is_refused(guest: Guest, tmp_path: Path, content: str) -> None:
    (tmp_path / "text").write_text(content)
    done = guest.run_alone("/model", "/files/text", files=tmp_path)
    assert_refused(done, "language", "cannot tell the language of /files/text: there are no letters in it")


def test_a_huge_text_is_refused(guest: Guest, tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"a" * ((16 << 20) + 1))
    done = guest.run_alone("/model", "/files/text", files=tmp_path)
    assert_refused(done, "language", "cannot read /files/text: it has over 16 MiB")


def test_a_line_is_shown_without_what_could_drive_a_terminal(guest: Guest, tmp_path: Path) -> None:
    unsafe = "".join(c for c in UNSAFE if len(f"a{c}b".splitlines()) == 1)
    (tmp_path / "text").write_text(f"A sentence {unsafe}{LEFT_ALONE}.\n", encoding="utf-8")
    done = guest.run_alone(
        "--name", "net", "/model", "/files/text", files=tmp_path, host=StandIn(output=bytes(200))
    )
    assert done.stdout.endswith(f"A sentence {'?' * len(unsafe)}{LEFT_ALONE}.\n")


@pytest.mark.parametrize("score", [float("nan"), float("-inf"), float("inf"), -30, -1e-9, 1.001])
def test_scores_that_are_no_shares_are_no_answer(guest: Guest, score: float) -> None:
    seen = StandIn(output=np.full(50, score, np.float32).tobytes())
    done = guest.run_alone("--name", "net", "/model", f"/files/{SENTENCES.name}", host=seen)
    assert_refused(done, "language", "cannot use the model: it has no number from 0 to 1")


@pytest.mark.parametrize("missing", ["model.xml", "model.bin", "ngrams.txt", "labels.txt"])
def test_a_missing_part_of_the_model_is_named(guest: Guest, tmp_path: Path, missing: str) -> None:
    shutil.copytree(guest.model, tmp_path / "model", ignore=shutil.ignore_patterns(missing))
    done = guest.run_alone("/model", f"/files/{SENTENCES.name}", model=tmp_path / "model")
    assert_refused(done, "language", f"/model/{missing}", "No such file or directory")


@pytest.mark.parametrize(
    ("part", "content"),
    [("model.xml", b"<net/>"), ("model.bin", b""), ("ngrams.txt", b"a\nb\n"), ("labels.txt", b"eng\n")],
)
def test_a_damaged_part_of_the_model_is_refused(
    host: Runtime, guest: Guest, tmp_path: Path, part: str, content: bytes
) -> None:
    shutil.copytree(guest.model, tmp_path / "model")
    (tmp_path / "model" / part).write_bytes(content)
    done = guest.run(host, "/model", f"/files/{SENTENCES.name}", model=tmp_path / "model")
    assert_refused(done, "language", "cannot ")


@pytest.mark.parametrize(
    "words", [(), ("/model",), ("--name", "net", "/model"), ("/model", "a", "b"), ("--top", "a")]
)
def test_bad_usage_says_what_is_needed(guest: Guest, words: tuple[str, ...]) -> None:
    done = guest.run_alone(*words)
    assert_refused(done, "language", "MODEL_DIR and FILE are needed", "`language --help`", code=2)


def test_help_goes_to_stdout(guest: Guest) -> None:
    done = guest.run_alone("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: language ")
