"""`wasinn-gen headers`: what it writes, that it is current, and that `--check` sees every drift."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from codegen import abi, generate, output
from codegen.cli import main
from codegen.layout import Layouts
from host import abi as tables

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
GENERATED = tuple(path.relative_to(ROOT) for path in generate.headers(ROOT))


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the spec and the generated files that may be damaged, made the generator's root."""
    for folder in ("witx", generate.EXAMPLE_TEMPLATES):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for relative in GENERATED:
        (tmp_path / relative).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / relative, tmp_path / relative)
    monkeypatch.setattr("codegen.cli.ROOT", tmp_path)
    return tmp_path


def test_the_committed_files_are_current() -> None:
    assert output.check(generate.headers(ROOT)) == ()


def test_check_is_quiet_and_0_on_current_files(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert copy.is_dir()
    assert main(["headers", "--check"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("relative", GENERATED, ids=str)
def test_one_changed_byte_is_drift_and_shown(
    copy: Path, relative: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = bytearray((copy / relative).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / relative).write_bytes(data)
    assert main(["headers", "--check"]) == 1
    shown = capsys.readouterr()
    assert "stale or was edited" in shown.err
    assert "\n-" in shown.out
    assert "\n+" in shown.out


@pytest.mark.parametrize("change", [b"\n", b"\r\n", b" "])
def test_a_change_of_white_space_is_drift(copy: Path, change: bytes) -> None:
    path = copy / GENERATED[0]
    path.write_bytes(path.read_bytes().rstrip(b"\n") + change)
    assert main(["headers", "--check"]) == (0 if change == b"\n" else 1)


def test_a_missing_file_is_drift(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / GENERATED[1]).unlink()
    assert main(["headers", "--check"]) == 1
    assert "is missing" in capsys.readouterr().err


def test_an_orphan_is_drift_and_a_hand_written_neighbour_is_not(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = (copy / GENERATED[0]).parent
    (folder / "wasi_nn.h").write_text("/* by hand */\n")
    assert main(["headers", "--check"]) == 0
    shutil.copy(copy / GENERATED[0], folder / "wasi_old.h")
    assert main(["headers", "--check"]) == 1
    assert "wasi_old.h is orphaned" in capsys.readouterr().err


def test_a_changed_spec_is_drift_until_headers_is_run(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = copy / "witx/parts/errno.witx"
    spec.write_text(spec.read_text().replace("$not_found))", "$not_found $teapot))"))
    assert main(["headers", "--check"]) == 1
    assert main(["headers"]) == 0
    assert main(["headers", "--check"]) == 0
    assert "WASI_NN_ERRNO_TEAPOT UINT16_C(9)" in capsys.readouterr().out + (copy / GENERATED[0]).read_text()


def test_headers_prints_what_it_wrote_and_nothing_when_current(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / GENERATED[0]).unlink()
    main(["headers"])
    assert capsys.readouterr().out.strip().endswith(GENERATED[0].name)
    main(["headers"])
    assert capsys.readouterr().out == ""


def test_a_bad_spec_is_exit_2_and_touches_nothing(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / generate.SPEC).write_text("(typename $a $b)")
    before = [(copy / relative).read_bytes() for relative in GENERATED]
    assert main(["headers"]) == 2
    assert "error: unknown type `$b`" in capsys.readouterr().err
    assert [(copy / relative).read_bytes() for relative in GENERATED] == before


def test_a_missing_spec_is_exit_2(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / generate.SPEC).unlink()
    assert main(["headers"]) == 2
    assert "error: cannot read" in capsys.readouterr().err


def test_a_failed_write_leaves_no_temporary_file(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (copy / GENERATED[0]).write_text("old")
    monkeypatch.setattr(Path, "replace", _refuse)
    assert main(["headers"]) == 2
    assert (copy / GENERATED[0]).read_text() == "old"
    names = {path.name for path in (copy / GENERATED[0]).parent.iterdir()}
    assert names <= {path.name for path in GENERATED}


def _refuse(_self: Path, _target: object) -> None:
    raise OSError(28, "No space left on device")


def test_output_does_not_depend_on_hash_seed_or_folder(tmp_path: Path) -> None:
    code = (
        "import sys, hashlib; from pathlib import Path; from codegen import generate;"
        "print(hashlib.sha256(repr(sorted((p.name, t) for p, t in"
        " generate.headers(Path(sys.argv[1])).items())).encode()).hexdigest())"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code, str(ROOT)],
            check=True,
            capture_output=True,
            text=True,
            cwd=folder,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
        ).stdout
        for folder, seed in ((ROOT, "0"), (tmp_path, "1"), (ROOT / "tests", "2"))
    }
    assert len(seen) == 1


def test_the_host_tables_say_what_the_spec_says() -> None:
    """The tables are read back through Python and compared with layout and lowering."""
    document = generate.document((ROOT / generate.SPEC,))
    (module,) = document.modules
    assert module.name == tables.MODULE
    lowered = {function.name: abi.lower(function) for function in module.functions}
    assert {f.name: tuple(p.type for p in f.params) for f in tables.FUNCTIONS} == {
        name: core.valtypes for name, core in lowered.items()
    }
    layouts = Layouts(document)
    by_name = {definition.name: layouts.of(definition.type) for definition in document.types}
    assert tables.TENSOR.size == by_name["tensor"].size
    assert tables.GRAPH_BUILDER.size == by_name["graph_builder"].size


NUMBERS = re.compile(r"^\s*(?:#\s*define\s+WASI_NN_(?!IMPL_)\w+\s+\d|.*\bERRNO_\w+\s*=\s*\d)", re.MULTILINE)
NAMES = re.compile(r"wasi_ephemeral_nn|\btensorflowlite\b|\binvalid_encoding\b")


def _sources() -> Iterator[Path]:
    for folder in ("codegen", "host", "guest", "examples"):
        for suffix in ("*.py", "*.c", "*.h", "*.rs", "*.j2"):
            for path in (ROOT / folder).rglob(suffix):
                if path.relative_to(ROOT) not in GENERATED and "target" not in path.parts:
                    yield path


def test_names_and_numbers_of_the_interface_are_typed_in_witx_only() -> None:
    """Hand-written code may use a generated name; it may not spell the module or define a value."""
    found = [
        f"{path.relative_to(ROOT)}: {match[0].strip()}"
        for path in _sources()
        for pattern in (NUMBERS, NAMES)
        for match in pattern.finditer(_without_file_names(path.read_text(encoding="utf-8")))
    ]
    assert found == []


def _without_file_names(text: str) -> str:
    return re.sub(r"wasi_ephemeral_nn(?:_(?:config|finalize|unload|single))?\.(?:h|md|witx)", "", text)
