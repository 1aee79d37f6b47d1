"""The `wasinn-gen` command: what newcomers type, right and wrong."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from codegen import generate
from codegen.cli import main

ROOT = Path(__file__).resolve().parents[2]
SPEC = ROOT / generate.SPEC


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["headers", "--help"], ["dump", "--help"], ["fmt", "-h"], ["check", "-h"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 0
        assert "exit status:" in capsys.readouterr().out or arguments[0] == "headers"


def test_the_examples_in_the_help_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit):
        main(["headers", "--help"])
    lines = [line.split("   ")[0].split()[1:] for line in capsys.readouterr().out.splitlines()]
    examples = [line for line in lines if line[:1] == ["headers"] and "--help" not in line]
    assert len(examples) == 5
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.witx").write_text("(typename $a u8)")
    (tmp_path / "tpl/d").mkdir(parents=True)
    (tmp_path / "tpl/d/target.toml").write_text('template = "d.j2"\nsuffix = ".d"\n')
    (tmp_path / "tpl/d/d.j2").write_text("// {{ view.banner }}\n")
    for example in examples:
        assert main(example) == 0, shlex.join(example)
    assert {path.name for path in tmp_path.glob("*/*.*")} >= {"my.h", "my.rs", "2022-08.h"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["headers", "--lang", "cobol", "--out", "o"], "no language `cobol`"),
        (["headers", "--lang", "c"], "give --out DIR"),
        (["headers", "--dialect", "2022-8", "--out", "o"], "did you mean `2022-08`?"),
        (["headers", "--dialect", "2022-08"], "--dialect needs --out DIR"),
        (["headers", str(SPEC), "--dialect", "wit", "--out", "o"], "give it or SPEC, not both"),
        (["headers", str(SPEC), "--module", 'x"\n', "--out", "o"], "--module"),
        (["headers", "/dev/null", "--out", "o"], "declares nothing"),
        (["headers", str(SPEC), "--templates", "nowhere", "--out", "o"], "not a folder"),
        (["headers", "missing.witx", "--out", "o"], "cannot read `missing.witx`"),
        (["check", "missing.witx"], "missing.witx"),
    ],
)
def test_a_mistake_is_one_message_exit_2_and_no_file(
    arguments: list[str],
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_module_and_prefix_are_what_was_asked_for(tmp_path: Path) -> None:
    arguments = ["headers", str(SPEC), "--lang", "c", "--out", str(tmp_path)]
    assert main([*arguments, "--module", "wasi_nn", "--prefix", "nn2"]) == 0
    text = (tmp_path / f"{SPEC.stem}.h").read_text()
    assert 'NN2_IMPORT("wasi_nn", "load")' in text
    assert "nn2_errno_t" in text or "nn2_nn_errno_t" in text


def test_check_of_any_output_folder_sees_drift(tmp_path: Path) -> None:
    arguments = ["headers", str(SPEC), "--lang", "c", "--out", str(tmp_path)]
    assert main(arguments) == 0
    assert main([*arguments, "--check"]) == 0
    (tmp_path / f"{SPEC.stem}.h").write_text("edited")
    assert main([*arguments, "--check"]) == 1


def test_dump_is_json_with_the_schema_of_its_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dump", str(SPEC), "--json"]) == 0
    dumped = json.loads(capsys.readouterr().out)
    page = (ROOT / "docs/dump.md").read_text(encoding="utf-8")
    for key in (*dumped, *dumped["modules"][0], *dumped["modules"][0]["functions"][0]["core"]["params"][0]):
        assert f"`{key}" in page


def test_fmt_writes_the_one_form_and_check_shows_what_it_would(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.witx"
    path.write_text(";; kept\n(typename   $a\n  (enum $x ;; why\n $y))  ;; end")
    assert main(["fmt", "--check", str(path)]) == 1
    assert "-(typename   $a" in capsys.readouterr().out
    assert main(["fmt", str(path)]) == 0
    assert main(["fmt", "--check", str(path)]) == 0
    text = path.read_text()
    assert all(comment in text for comment in (";; kept", ";; why", ";; end"))


def test_our_own_texts_are_formatted() -> None:
    assert main(["fmt", "--check", *map(str, (ROOT / "witx").rglob("*.witx"))]) == 0


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{shlex.quote(sys.executable)} -m codegen.cli dump {shlex.quote(str(SPEC))} | head -c 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        capture_output=True,
        cwd=ROOT,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stderr == b""


@pytest.mark.parametrize("command", ["headers", "dump", "fmt", "check"])
def test_unreadable_arguments_are_usage_errors(command: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--no-such-option"])
    assert caught.value.code == 2


def test_a_file_that_was_not_generated_is_never_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "README.witx"
    spec.write_text("(typename $a u8)")
    page = tmp_path / "README.md"
    page.write_text("# by hand")
    assert main(["headers", str(spec), "--out", str(tmp_path)]) == 2
    assert "was not generated" in capsys.readouterr().err
    assert page.read_text() == "# by hand"
    assert {path.name for path in tmp_path.iterdir()} == {"README.witx", "README.md"}


def test_checks_of_two_specs_in_one_folder_do_not_meet(tmp_path: Path) -> None:
    for name in ("a", "b"):
        spec = tmp_path / f"{name}.witx"
        spec.write_text(f"(typename ${name} u8)\n")
        assert main(["headers", str(spec), "--out", str(tmp_path)]) == 0
    for name in ("a", "b"):
        assert main(["headers", str(tmp_path / f"{name}.witx"), "--out", str(tmp_path), "--check"]) == 0
        assert main(["fmt", "--check", str(tmp_path / f"{name}.witx")]) == 0


def test_fmt_keeps_links_modes_and_the_lines_of_block_comments(tmp_path: Path) -> None:
    text = "(;; a  \n     b  ;)\n(typename   $a u8)"
    real, link = tmp_path / "real.witx", tmp_path / "link.witx"
    real.write_text(text)
    real.chmod(0o640)
    link.symlink_to(real)
    docs = generate.document((real,)).types[0].docs
    assert main(["fmt", str(link)]) == 0
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert real.read_text().endswith("(typename $a u8)\n")
    assert generate.document((real,)).types[0].docs == docs


def test_fmt_refuses_what_is_not_witx(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.witx"
    path.write_text("( @witx const $a $b 1)")
    assert main(["fmt", str(path)]) == 2
    assert path.read_text() == "( @witx const $a $b 1)"
    assert "error: expected a declaration" in capsys.readouterr().err


def test_another_module_to_import_from_renames_nothing_else(tmp_path: Path) -> None:
    assert main(["headers", str(SPEC), "--lang", "c", "--out", str(tmp_path), "--module", "env"]) == 0
    text = (tmp_path / f"{SPEC.stem}.h").read_text()
    assert 'WASI_NN_IMPORT("env", "load")' in text


@pytest.mark.parametrize(
    "arguments", [["--prefix", ""], ["--prefix", "+"], ["--lang", ""], ["--templates", "tpl"]]
)
def test_an_empty_or_taken_name_is_refused(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tpl/c").mkdir(parents=True)
    (tmp_path / "tpl/c/target.toml").write_text('template = "d.j2"\nsuffix = ".d"\n')
    assert main(["headers", str(SPEC), "--out", "o", *arguments]) == 2
    assert not (tmp_path / "o").exists()


def test_a_loop_of_links_is_a_file_that_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "l.witx").symlink_to("l.witx")
    assert main(["check", str(tmp_path / "l.witx")]) == 2
    assert "cannot read" in capsys.readouterr().err


def test_thousands_of_mistakes_are_no_wait(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f"(typename $known{i} u8)" for i in range(2000)]
    lines += [f"(typename $a{i} $unknown{i})" for i in range(2000)]
    (tmp_path / "a.witx").write_text("\n".join(lines))
    assert main(["check", str(tmp_path / "a.witx")]) == 2
    assert "and 1950 more problems" in capsys.readouterr().err


def test_a_type_larger_than_memory_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["(typename $t0 u8)"]
    lines += [f"(typename $t{i} (record (field $a $t{i - 1}) (field $b $t{i - 1})))" for i in range(1, 40)]
    (tmp_path / "a.witx").write_text("\n".join(lines))
    assert main(["check", str(tmp_path / "a.witx")]) == 2
    assert "type `$t32` has 4294967296 bytes" in capsys.readouterr().err


@pytest.mark.parametrize("name", [b"\xff.witx", b"x\nint oops;.witx"])
def test_an_odd_file_name_breaks_neither_output_nor_terminal(name: bytes, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_text(";;; Ünicode.\n(typename $a u8)", encoding="utf-8")
    for command in (["headers", "--out", str(tmp_path / "o")], ["dump"]):
        done = subprocess.run(
            [sys.executable, "-m", "codegen.cli", *command, path],
            capture_output=True,
            cwd=ROOT,
            check=False,
            env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)},
        )
        assert (done.returncode, done.stderr) == (0, b"")
    for made in (tmp_path / "o").iterdir():
        assert "\nint oops" not in made.read_text(encoding="utf-8")
