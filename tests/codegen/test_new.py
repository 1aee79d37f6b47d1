"""`wasinn-gen new`: a project builds and runs by the commands of its README, and replaces nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from codegen.cli import main
from codegen.projects import create
from tests.codegen import corpus
from tests.codegen.bound import HOSTILE, named, save
from tests.host import models

ROOT = Path(__file__).resolve().parents[2]
LANGS = ("c", "cpp", "rust")
SCORES = [0.186324, 0.50648, 0.307196]
"""The softmax of [0.5, 1.5, 1], the averages of the neighbours among [0, 1, 2, 0]."""

BAD_NAMES = (
    "", ".", "..", "a/b", "/abs", "-", "1st", "a b", "a\nb", "\u00fc", "x" * 65, "int", "fn", "Main.rs",
    "test", "class", "std", "wasinn", "build", "deps",
)  # fmt: skip


def commands(project: Path) -> list[str]:
    """Return the commands that a project's README shows."""
    text = (project / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^    (\w.*)$", text, re.MULTILINE)


def follow(project: Path, tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Build and run a project as its README says; warnings of the compiler fail. Return the run."""
    build, run = commands(project)
    tools = tmp_path / "tools"
    tools.mkdir(exist_ok=True)
    if not (tools / "python3").exists():
        (tools / "python3").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        (tools / "python3").chmod(0o755)
    rust = ROOT / "build/rust/bin"
    corpus.wasi_clang()
    if build.startswith("cargo"):
        corpus.tool(rust / "cargo", "a cargo for wasm32-wasip1 (run `make rust`)")
    environment = {
        **os.environ,
        "PATH": f"{tools}:{rust}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "WASI_SDK_PATH": os.environ.get("WASI_SDK_PATH") or str(ROOT / "build/wasi-sdk"),
        "CARGO_NET_OFFLINE": "true",
        "RUSTFLAGS": "-Dwarnings",
        **variables,
    }
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):  # of a `make test` that these tests may be part of
        environment.pop(name, None)
    more = [] if build.startswith("cargo") else ["CFLAGS=-O1 -Wall -Wextra -Wpedantic -Werror"]
    done = subprocess.run(
        [*build.split(), *more], cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return subprocess.run(
        run.split(), cwd=project, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def numbers(output: str) -> list[float]:
    return [float(found) for found in re.findall(r"-?\d+\.\d+", output)]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a new current folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("lang", LANGS)
def test_a_new_project_builds_runs_and_notices_another_model(lang: str, here: Path, tmp_path: Path) -> None:
    assert main(["new", "hello", "--lang", lang]) == 0
    project = here / "hello"
    done = follow(project, tmp_path)
    assert done.returncode == 0, done.stderr
    assert numbers(done.stdout) == pytest.approx(SCORES, abs=1e-5)
    with (project / "model/model.xml").open("a") as file:
        file.write("\n")
    done = follow(project, tmp_path)
    assert done.returncode != 0
    assert re.search(r"is not the (model that model.h was made of|expected one)", done.stderr)


@pytest.mark.parametrize(("lang", "dtype"), [("c", "float64"), ("cpp", "int64"), ("rust", "float16")])
def test_a_project_of_a_given_model_builds_and_runs(
    lang: str, dtype: str, here: Path, tmp_path: Path
) -> None:
    """Several ports: a name that is a keyword, two that become one, a dimension of any length."""
    model = save(tmp_path, named(("int", "x\n*/", "X"), (-1, 3), dtype), "given model")
    assert main(["new", "given", "--lang", lang, "--model", str(model)]) == 0
    done = follow(here / "given", tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^\w+:", done.stdout, re.MULTILINE) == ["int:", "x:", "x_2:"]
    assert re.findall(r"\b[024]\b", done.stdout.replace(".0", "")) == ["0", "2", "4"] * 3


@pytest.mark.parametrize("lang", ["c", "cpp"])
@pytest.mark.parametrize("shape", [(3,), (3, -1)], ids=["fixed", "dynamic"])
def test_half_precision_is_the_bits_of_the_same_numbers_in_c(
    lang: str, shape: tuple[int, ...], here: Path, tmp_path: Path
) -> None:
    """The model doubles 0, 1 and 2."""
    model = save(tmp_path, named(("x",), shape, "float16"), "m")
    assert main(["new", "half", "--lang", lang, "--model", str(model)]) == 0
    assert "x: 0x0000 0x4000 0x4400\n" in follow(here / "half", tmp_path).stdout


WRITING_C = """#include <stdio.h>
int main(void) {
  printf("%d\\n", fopen("model/model.xml", "r") && !fopen("model/new", "w"));
  return 0;
}
"""
WRITING_RUST = """fn main() {
    let is_read_only = std::fs::read("model/model.xml").is_ok() && std::fs::write("model/new", "").is_err();
    println!("{}", u8::from(is_read_only));
}
"""


@pytest.fixture(scope="module", params=LANGS)
def writing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a new project whose guest says whether it can read its model, and not write beside it."""
    project = create.create(tmp_path_factory.mktemp("writing"), "writing", request.param)
    (source,) = (path for path in project.rglob("main.*") if "wasinn" not in path.parts)
    source.write_text(WRITING_RUST if request.param == "rust" else WRITING_C)
    return project


def test_a_guest_may_read_its_model_and_not_write_beside_it(writing: Path, tmp_path: Path) -> None:
    done = follow(writing, tmp_path)
    assert (done.stdout.splitlines()[-1], done.returncode) == ("1", 0)
    assert not (writing / "model/new").exists()


def test_another_python_is_named_as_the_readme_says(writing: Path, tmp_path: Path) -> None:
    """Here it is `echo`, which tells what it is given."""
    readme = (writing / "README.md").read_text(encoding="utf-8")
    (file,) = re.findall(r"another is named in (?:the )?`(.*?)`", readme)
    assert "python3" in (writing / file).read_text(encoding="utf-8")
    (variable,) = re.findall(r"`(CARGO_\w+)`|`make run (\w+)=", readme)
    done = follow(writing, tmp_path, **{"".join(variable): "echo told"})
    assert re.search(r"^told .*writing\.wasm$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("lang", ["c", "cpp"])
def test_a_wasi_sdk_that_is_not_there_is_told(lang: create.Lang, tmp_path: Path) -> None:
    project = create.create(tmp_path, "hello", lang)
    make = ["make", f"WASI_SDK_PATH={tmp_path}/no sdk"]
    done = subprocess.run(make, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"error: no wasi-sdk at {tmp_path}/no sdk: set WASI_SDK_PATH to one\n" in done.stderr


def test_a_model_of_one_file_keeps_its_suffix(here: Path, tmp_path: Path) -> None:
    (tmp_path / "my.tflite").write_bytes(models.tflite())
    assert main(["new", "lite", "--lang", "c", "--model", str(tmp_path / "my.tflite")]) == 0
    done = follow(here / "lite", tmp_path)
    assert "y: 10 21\n" in done.stdout


def test_hostile_names_of_ports_compile_in_a_project(here: Path, tmp_path: Path) -> None:
    model = save(tmp_path, named(HOSTILE), "m")
    assert main(["new", "hostile", "--lang", "cpp", "--model", str(model)]) == 0
    assert follow(here / "hostile", tmp_path).returncode == 0


def test_the_command_of_the_readme_makes_the_bindings_that_are_there(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for lang in LANGS:
        assert main(["new", f"my-{lang}", "--lang", lang]) == 0
        readme = (here / f"my-{lang}/README.md").read_text(encoding="utf-8")
        (command,) = re.findall(r"`wasinn-gen (model .*?)`", readme)
        with monkeypatch.context() as inside:
            inside.chdir(here / f"my-{lang}")
            assert main([*command.split(), "--check"]) == 0


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("lang", LANGS)
def test_a_bad_name_is_refused_and_nothing_made(
    name: str, lang: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", "--lang", lang, "--", name]) == 2
    assert "choose another name" in (said := capsys.readouterr().err) or "is no name for a project" in said
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "file", "link to nowhere"])
def test_what_is_there_is_not_touched(kind: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = here / "taken"
    if kind == "folder":
        path.mkdir()
    elif kind == "file":
        path.write_text("mine")
    else:
        path.symlink_to("nowhere")
    before = path.lstat()
    assert main(["new", "taken", "--lang", "c"]) == 2
    assert "`taken` is there already" in capsys.readouterr().err
    assert path.lstat() == before
    assert list(here.iterdir()) == [path]


@pytest.mark.parametrize(
    ("model", "says"), [("nowhere.onnx", "does not exist"), ("m.xml", "elements of type boolean")]
)
def test_a_bad_model_leaves_nothing_behind(
    model: str, says: str, here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path, models.boolean(), "m")
    assert main(["new", "bad", "--lang", "c", "--model", str(tmp_path / model)]) == 2
    assert says in capsys.readouterr().err
    assert list(here.iterdir()) == []


def test_a_model_with_data_in_other_files_is_refused(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A guest cannot load it from bytes."""
    (tmp_path / "m.onnx").write_bytes(models.onnx(models.external("c", "data")))
    (tmp_path / "data").write_bytes(bytes(8))
    assert main(["new", "bad", "--lang", "c", "--model", str(tmp_path / "m.onnx")]) == 2
    assert "has data in other files" in capsys.readouterr().err
    assert list(here.iterdir()) == []


def test_a_failure_half_way_leaves_nothing_behind(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK to copy is not there."""
    monkeypatch.setattr(create, "_ROOT", here / "nowhere/codegen")
    assert main(["new", "half", "--lang", "c"]) == 2
    assert list(here.iterdir()) == []


def test_the_name_is_taken_before_the_work_begins(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So what somebody makes under it meanwhile is not replaced: it cannot be made."""
    add_sdk = create._add_sdk  # noqa: SLF001 - runs while a project is made

    def meanwhile(folder: Path, lang: create.Lang) -> None:
        with pytest.raises(FileExistsError):
            (here / "mine").mkdir()
        add_sdk(folder, lang)

    monkeypatch.setattr(create, "_add_sdk", meanwhile)
    assert main(["new", "mine", "--lang", "c"]) == 0
    assert [path.name for path in here.iterdir()] == ["mine"]


def test_what_is_put_into_the_folder_meanwhile_stays(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(create, "_add_sdk", lambda _, __: (here / "mine/precious").write_text("theirs"))
    assert main(["new", "mine", "--lang", "c"]) == 2
    assert [path.relative_to(here) for path in here.rglob("*")] == [Path("mine"), Path("mine/precious")]


def test_a_project_is_as_open_as_any_other_folder(here: Path) -> None:
    assert main(["new", "hello", "--lang", "c"]) == 0
    (here / "other").mkdir()
    assert (here / "hello").stat().st_mode == (here / "other").stat().st_mode


def test_no_project_names_a_path_of_this_machine(here: Path) -> None:
    for lang in LANGS:
        assert main(["new", f"my-{lang}", "--lang", lang]) == 0
    for path in here.rglob("*"):
        if path.is_file():
            assert str(ROOT) not in path.read_text(encoding="utf-8")


def test_what_a_wheel_has_is_all_that_a_project_needs(here: Path, tmp_path: Path) -> None:
    """Laid out as `pyproject.toml` says, away from the repository."""
    site = tmp_path / "site"
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    for name in wheel["only-include"]:
        shutil.copytree(ROOT / name, site / name, ignore=shutil.ignore_patterns("__pycache__"))
    for source, target in wheel["force-include"].items():
        (site / target).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
        copy(ROOT / source, site / target)
    for lang in LANGS:
        assert main(["new", f"my-{lang}", "--lang", lang]) == 0
        corpus.run(
            sys.executable, "-m", "codegen.cli", "new", f"their-{lang}", "--lang", lang, PYTHONPATH=str(site)
        )
        mine, theirs = (
            {path.relative_to(folder) for path in folder.rglob("*")}
            for folder in (here / f"my-{lang}", here / f"their-{lang}")
        )
        assert mine == theirs
