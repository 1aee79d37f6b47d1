"""The native compiler: its sanitizers catch what they are for, and a machine without it is told so."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from guest.c.toolchain import native, sdk

ROOT = Path(__file__).resolve().parents[2]
BEYOND = """#include <stdlib.h>
int main(int argc, char **argv) {
  char *three = (char *)malloc(3);
  int code = three[2 + argc];
  free(three);
  return code && !argv;
}
"""
OVERFLOW = "int main(int argc, char **argv) { return (2147483647 + argc) == 7 && !argv; }\n"


@pytest.fixture
def made() -> Path:
    """Return the folder that `make native` made."""
    folder = ROOT / "build/native"
    if not folder.exists() and not os.environ.get("CI"):
        pytest.skip("build/native is missing: run `make native`")
    return folder


@pytest.mark.parametrize("tool", native.TOOLS)
@pytest.mark.parametrize(
    ("program", "said"), [(BEYOND, "heap-buffer-overflow"), (OVERFLOW, "signed integer overflow")]
)
def test_the_sanitizers_catch_what_they_are_for(
    made: Path, tool: str, program: str, said: str, tmp_path: Path
) -> None:
    source = tmp_path / ("bad.cpp" if tool == "clang++" else "bad.c")
    source.write_text(program)
    command = (
        made / "bin" / tool,
        native.SANITIZE,
        "-fno-sanitize-recover=all",
        source,
        "-o",
        tmp_path / "bad",
    )
    subprocess.run(command, check=True)
    done = subprocess.run([tmp_path / "bad"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert said in done.stderr


def test_a_clang_on_path_whose_sanitizers_work_is_the_one(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{made / 'bin'}:{os.environ['PATH']}")
    folder = native.provide(tmp_path, os.environ, usr=tmp_path / "none")
    assert str(made / "bin" / "clang++") in (folder / "bin" / "clang++").read_text()


def test_a_clang_whose_sanitizers_do_not_link_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in native.TOOLS:
        sdk.write_script(tmp_path / "bin" / name, "#!/bin/sh\necho no runtime >&2\nexit 1\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with pytest.raises(sdk.Unusable, match="no runtime"):
        native.provide(tmp_path / "build", os.environ, usr=tmp_path / "none")
    assert list((tmp_path / "build").iterdir()) == []


@pytest.mark.parametrize(("environ", "code"), [({}, 0), ({"CI": "true"}, 1)], ids=["locally", "ci"])
def test_a_machine_without_clang_is_told_which_compiler_the_tests_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], environ: dict[str, str], code: int
) -> None:
    assert native.main({"PATH": str(tmp_path), **environ}, tmp_path / "build", tmp_path / "none") == code
    assert (
        "no clang with sanitizers, the tests use cc: there is no clang on PATH; " in capsys.readouterr().err
    )
