"""Guests that answer records, in C, C++ and Rust: one line makes them, and the host keeps them warm."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import openvino  # type: ignore[import-untyped]  # the wheel has stubs but no py.typed
import pytest
from openvino import opset13 as ops

import host
from tests.guest import png
from tests.guest.conftest import ROOT
from tests.guest.example_guests import LEFT_ALONE, UNSAFE
from tests.guest.rust_tools import FOR_WASM, GUESTS, TARGET_DIR, run, tool
from tests.host import models

if TYPE_CHECKING:
    from pathlib import Path

    from host.api import WorkerOptions
    from tests.guest.conftest import Compiler

PAGE = (ROOT / "docs/map.md").read_text(encoding="utf-8")
REACTOR = ("-mexec-model=reactor",)
STRICT = ("-Wconversion", "-Wshadow", "-Wcast-align", "-Wundef", "-Wmissing-prototypes")


def block(language: str) -> str:
    """Return the one fenced block of a language on the page."""
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(text)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> host.Host:
    """Return a host with the model `double`, y = x + x for f32 [1, 2]."""
    path = tmp_path_factory.mktemp("models") / "double.xml"
    xml, weights = models.double([1, 2])
    path.write_bytes(xml)
    path.with_suffix(".bin").write_bytes(weights)
    return host.Host({"double": path}, cache=False)


def _source(folder: Path, text: str, dialect: str) -> Path:
    path = folder / ("guest.cpp" if dialect.startswith("c++") else "guest.c")
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("dialect", ["c99", "c11", "c17", "c2x", "c++17"])
def test_the_guest_of_the_page_answers(
    wasi_sdk: Compiler, shared: host.Host, tmp_path: Path, dialect: str
) -> None:
    source = _source(tmp_path, block("c"), dialect)
    guest = wasi_sdk.build(source, tmp_path / "guest.wasm", f"-std={dialect}", *REACTOR)
    with shared.worker(guest) as worker:
        assert worker.call(b"hello") == b"HELLO"
        with pytest.raises(host.RecordError, match=r"^a record has at most 79 bytes \(code 1\)$"):
            worker.call(b"x" * 80)
        assert [worker.call(b"y" * 79), worker.call(b""), worker.call(b"z")] == [b"Y" * 79, b"", b"Z"]


def test_the_example_in_the_header_is_that_of_the_page() -> None:
    """Which is compiled, and run."""
    header = (ROOT / "guest/c/include/wasi_nn_reactor.h").read_text(encoding="utf-8")
    comment = header[: header.index("*/")]
    lines = re.findall(
        r"^ \*     (.*)$|^ \*$",
        comment[comment.index("#include") - 8 : comment.index("Compile")],
        re.MULTILINE,
    )
    assert "\n".join(lines).strip() == block("c").strip()


def test_the_header_is_clean_under_stricter_warnings(wasi_sdk: Compiler, tmp_path: Path) -> None:
    text = "#include <wasi_nn_reactor.h>\n#include <wasi_nn_reactor.h>\n"
    text += "static int f(uint8_t *r, size_t n, wasi_nn_answer_t *a) { a->ptr = r; a->len = n; return 0; }\n"
    done = wasi_sdk.run(
        _source(tmp_path, f"{text}WASI_NN_REACTOR(f);\n", "c99"), "-std=c99", *STRICT, "-fsyntax-only"
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_header_compiles_natively(native: Compiler, tmp_path: Path) -> None:
    """So that the function can be tested like any other."""
    text = f"{block('c')}\nint main(void) {{ return wasi_nn_map(wasi_nn_alloc(1), 1)->code != 0; }}\n"
    program = native.build(_source(tmp_path, text, "c11"), tmp_path / "program", "-std=c11")
    subprocess.run([program], check=True)


def test_a_function_of_another_type_does_not_compile(wasi_sdk: Compiler, tmp_path: Path) -> None:
    text = "static int f(const char *text) { return !text; }\nWASI_NN_REACTOR(f);\n"
    text = f"#include <wasi_nn_reactor.h>\n{text}"
    done = wasi_sdk.run(_source(tmp_path, text, "c11"), "-std=c11", "-fsyntax-only")
    assert done.returncode != 0
    assert "incompatible" in done.stderr


def test_an_answer_longer_than_the_record_and_of_any_bytes(
    wasi_sdk: Compiler, shared: host.Host, tmp_path: Path
) -> None:
    """Many records of all sizes: what the guest has of memory does not grow with them."""
    text = """#include <wasi_nn_reactor.h>
static int twice(uint8_t *record, size_t size, wasi_nn_answer_t *answer) {
  static uint8_t *kept;
  free(kept);
  kept = (uint8_t *)malloc(2 * size + 1);
  if (!kept) return 1;
  memcpy(kept, record, size);
  memcpy(kept + size, record, size);
  answer->ptr = kept;
  answer->len = 2 * size;
  return 0;
}
WASI_NN_REACTOR(twice);
"""
    guest = wasi_sdk.build(_source(tmp_path, text, "c11"), tmp_path / "guest.wasm", *REACTOR)
    with shared.worker(guest, max_memory=32 << 20) as worker:
        for size in (0, 1, 255, 4096, 100_000, 3_000_000, 7, 2_000_000) * 8:
            record = bytes(range(256)) * (size // 256) + bytes(size % 256)
            assert worker.call(record) == record * 2


@pytest.fixture(scope="module")
def rust() -> Path:
    """Return the guest in Rust."""
    command = ("build", "--quiet", "--release", "--locked", "--target=wasm32-wasip1", "--example=reactor")
    run(tool("cargo", FOR_WASM / "cargo"), *command, cwd=GUESTS, target_dir=TARGET_DIR / "scalar")
    return TARGET_DIR / "scalar/wasm32-wasip1/release/examples/reactor.wasm"


def test_a_guest_in_rust_keeps_its_context(rust: Path, shared: host.Host) -> None:
    with shared.worker(rust) as worker:
        for count in range(1, 6):
            answer = worker.call(struct.pack("<2f", count, -1))
            assert answer.decode() == f"[{2 * count}.0, -2.0] {count}"


def test_an_error_in_rust_is_the_message_and_the_guest_goes_on(rust: Path, shared: host.Host) -> None:
    with shared.worker(rust) as worker:
        worker.call(bytes(8))
        with pytest.raises(host.RecordError, match="the shape has 2 elements, the data 3"):
            worker.call(bytes(12))
        assert worker.call(bytes(8)).endswith(b" 2")


def test_a_panic_in_rust_is_told_and_a_fresh_guest_goes_on(rust: Path, shared: host.Host) -> None:
    with shared.worker(rust) as worker:
        worker.call(bytes(8))
        with pytest.raises(host.RecordError, match="the record says so"):
            worker.call(b"panic")
        assert worker.call(bytes(8)).endswith(b" 1")


def test_a_record_larger_than_memory_is_refused_in_rust(rust: Path, shared: host.Host) -> None:
    with shared.worker(rust, max_memory=4 << 20) as worker:
        with pytest.raises(host.RecordError, match="no memory for a record of 8388608 bytes"):
            worker.call(bytes(8 << 20))
        assert worker.call(bytes(8)).endswith(b" 1")


def test_the_function_of_the_page_compiles_in_rust(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/lib.rs").write_text(block("rust"), encoding="utf-8")
    (tmp_path / "Cargo.toml").write_text(
        '[package]\nname = "shout"\nversion = "0.0.0"\nedition = "2021"\n'
        f'[dependencies]\nwasinn = {{ path = "{ROOT / "guest/rust"}" }}\n[lib]\ncrate-type = ["cdylib"]\n',
        encoding="utf-8",
    )
    run(tool("cargo"), "check", "--quiet", cwd=tmp_path)


@pytest.fixture(scope="module")
def photo_reactor(wasi_sdk: Compiler, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the photo guest for records."""
    out = tmp_path_factory.mktemp("photo") / "photo_reactor.wasm"
    source = ROOT / "examples/photo/photo_reactor.c"
    return wasi_sdk.build(source, out, "-std=c11", *REACTOR, "-isystem", str(ROOT / "build/stb"))


def test_the_photo_guest_names_what_is_on_photos(photo_reactor: Path, model: Path, photos: Path) -> None:
    """And says what is wrong with what is none, at the third record as at the first."""
    (photos / "none.png").write_bytes(b"none")
    words = [sys.executable, "-m", "host", "map", str(photo_reactor), "--inputs", f"{photos}/*"]
    words += ["--jobs", "1", "--graph", f"squeezenet={model}", "--dir", f"{model}::/model::ro"]
    words += ["--env", "LABELS=/model/labels.txt"]
    done = subprocess.run(words, capture_output=True, check=False, cwd=ROOT)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    (photos / "none.png").unlink()
    assert done.returncode == 3, done.stderr
    assert [line["input"].rpartition("/")[2] for line in found] == [
        "chelsea.png",
        "coffee.png",
        "none.png",
        "rocket.jpg",
    ]
    best = [line.get("output", line.get("error")).splitlines()[0].split("%")[-1].strip() for line in found]
    assert best == ["Egyptian cat", "espresso", "no JPEG or PNG file, or damaged (code 1)", "space shuttle"]
    assert [line.get("output", "").count("\n") for line in found] == [5, 5, 0, 5]


def test_the_photo_guest_needs_its_model(photo_reactor: Path, shared: host.Host, photos: Path) -> None:
    with shared.worker(photo_reactor) as worker:
        for _ in range(2):
            with pytest.raises(host.RecordError, match="no graph is registered") as caught:
                worker.call((photos / "coffee.png").read_bytes())
            assert "`squeezenet`" in caught.value.notes[0]


def test_the_photo_guest_keeps_its_labels_but_once(
    photo_reactor: Path, shared: host.Host, tmp_path: Path
) -> None:
    """Its model is not there, so that each record starts it again: 25 times the file would be too much."""
    (tmp_path / "labels").write_bytes((b"x" * 2047 + b"\n") * 1000)
    where: WorkerOptions = {"env": {"LABELS": "/files/labels"}, "dirs": [f"{tmp_path}::/files::ro"]}
    where["max_memory"] = 32 << 20
    with shared.worker(photo_reactor, **where) as worker:
        for _ in range(25):
            with pytest.raises(host.RecordError, match="no graph is registered"):
                worker.call(b"")


def test_the_photo_guest_reads_labels_again_that_were_wrong(
    photo_reactor: Path, shared: host.Host, tmp_path: Path
) -> None:
    where: WorkerOptions = {"env": {"LABELS": "/files/labels"}, "dirs": [f"{tmp_path}::/files::ro"]}
    where["max_memory"] = 32 << 20
    with shared.worker(photo_reactor, **where) as worker:
        (tmp_path / "labels").write_bytes((b"x" * 2047 + b"\n") * 999)
        for _ in range(25):
            with pytest.raises(host.RecordError, match="does not have 1000 lines"):
                worker.call(b"")
        (tmp_path / "labels").write_bytes(b"x\n" * 1000)
        with pytest.raises(host.RecordError, match="no graph is registered"):
            worker.call(b"")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/files/none", "/files/none: No such file or directory"),
        ("/files/\x1b[31m", "/files/?[31m: No such file or directory"),
        ("/elsewhere", "/elsewhere: the guest was given no folder with this path"),
        (f"/{'a' * 5000}", "aaaa: "),
    ],
)
def test_the_photo_guest_says_why_it_has_no_labels(
    photo_reactor: Path, shared: host.Host, tmp_path: Path, path: str, why: str
) -> None:
    says = f"cannot read the labels .*{re.escape(why)}"
    with (
        shared.worker(photo_reactor, env={"LABELS": path}, dirs=[f"{tmp_path}::/files"]) as worker,
        pytest.raises(host.RecordError, match=says),
    ):
        worker.call(b"")


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> host.Host:
    """Return a host whose `squeezenet` answers for class n with the square root of number n of its input."""
    x = ops.parameter([1, 3, 227, 227], np.float32)
    flat = ops.reshape(x, ops.constant(np.array([1, -1], np.int64)), special_zero=False)
    some = ops.slice(flat, *(ops.constant(np.array([n], np.int64)) for n in (0, 1000, 1, 1)))
    path = tmp_path_factory.mktemp("scored") / "roots.xml"
    xml, weights = models.ir(openvino.Model([ops.sqrt(some)], [x], "roots"))
    path.write_bytes(xml)
    path.with_suffix(".bin").write_bytes(weights)
    return host.Host({"squeezenet": path}, cache=False)


@pytest.mark.parametrize("grey", [0, 255], ids=["NaN", "over 1"])
def test_the_photo_guest_takes_no_scores_that_are_no_shares(
    photo_reactor: Path, scored: host.Host, grey: int
) -> None:
    photo = png.encode(np.full((9, 9, 3), grey, np.uint8))
    says = "the model's scores are not from 0 to 1"
    with scored.worker(photo_reactor) as worker, pytest.raises(host.RecordError, match=says):
        worker.call(photo)


def test_the_photo_guest_s_labels_have_nothing_that_drives_a_terminal(
    photo_reactor: Path, scored: host.Host, tmp_path: Path
) -> None:
    """The input is blue minus 104: a grey of 104 has the score 0 for all."""
    (tmp_path / "labels").write_text(f"{UNSAFE}{LEFT_ALONE}\n" * 1000, encoding="utf-8")
    where: WorkerOptions = {"env": {"LABELS": "/files/labels"}, "dirs": [f"{tmp_path}::/files::ro"]}
    with scored.worker(photo_reactor, **where) as worker:
        answer = worker.call(png.encode(np.full((9, 9, 3), 104, np.uint8))).decode()
    assert answer == f"  0.0%  {'?' * len(UNSAFE)}{LEFT_ALONE}\n" * 5


@pytest.mark.usefixtures("model", "photos")
def test_the_program_of_the_page_prints_what_is_shown(photo_reactor: Path) -> None:
    program = block("python").replace("build/guest/photo_reactor.wasm", str(photo_reactor))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == block("text")


@pytest.mark.usefixtures("model", "photos")
def test_the_command_of_the_page_classifies_photos(photo_reactor: Path, tmp_path: Path) -> None:
    command = block("sh").replace("build/guest/photo_reactor.wasm", str(photo_reactor))
    command = command.replace("build/classes.jsonl", str(tmp_path / "out"))
    subprocess.run(["bash", "-euc", command], check=True, cwd=ROOT)
    found = [json.loads(line)["output"] for line in (tmp_path / "out").read_text().splitlines()]
    assert ["Egyptian cat" in found[0], "espresso" in found[1]] == [True, True]
