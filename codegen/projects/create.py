"""A new project's folder: made under another name and then renamed, so that it is there whole or empty.

It prints nothing, and replaces nothing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from codegen import naming, render
from codegen.bindings import generate as bindings
from codegen.bindings.read import read
from codegen.projects import views
from codegen.source import quoted, visible
from host.models.files import files_of, find_model

if TYPE_CHECKING:
    from codegen.bindings.model import Model

Lang = Literal["c", "cpp", "rust"]

_MODEL: Final = "model"
"""The folder of the model, the stem of its files, and what its bindings are called."""
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_CARGOS: Final = frozenset("alloc build core deps examples incremental proc_macro std test wasinn".split())
"""Names that Cargo, or Rust, has a use for."""
_ROOT: Final = Path(__file__).resolve().parents[1]


class ProjectError(Exception):
    """A project that cannot be made; the message says why."""


@dataclass(frozen=True, slots=True)
class _Readme:
    """What the template of a project's README sees."""

    name: str
    needs: str
    build: str
    run: str
    python: str
    main: str
    bindings: str
    model_command: str
    sdk: str


@dataclass(frozen=True, slots=True)
class _Make:
    """What the template of the Makefile sees."""

    name: str
    suffix: str
    compiler: str
    standard: str


def create(parent: Path, name: str, lang: Lang, model: Path | None = None) -> Path:
    """Make the project `name` in the folder `parent`, and return its folder.

    Args:
        parent: A folder.
        name: What the project, its folder and the guest are called.
        lang: The language of the guest.
        model: The model it runs, a file or folder; None for a tiny one.

    Raises:
        ProjectError: The name cannot be, or is taken; or the model cannot be loaded from bytes.
        UnboundError: There can be no bindings to the model.
        OSError: Something cannot be read or written, or somebody put something into the folder meanwhile.
            Nothing of the project is left behind then.
    """
    folder = parent / name
    _check_name(name)
    try:
        folder.mkdir()  # takes the name: what is renamed to it later replaces this empty folder, and no other
    except FileExistsError:
        raise ProjectError(f"{quoted(name)} is there already: choose another name, or move it away") from None
    try:
        _replace(folder, lang, model)
    except BaseException:
        with contextlib.suppress(OSError):  # it is empty, unless somebody else has put something there
            folder.rmdir()
        raise
    return folder


def _replace(folder: Path, lang: Lang, model: Path | None) -> None:
    """Make a project beside the empty folder that it then replaces."""
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        bound = _add_model(made / _MODEL, model)
        _add_guest(made, folder.name, lang, bound)
        _add_sdk(made, lang)
        made.chmod(stat.S_IMODE(folder.stat().st_mode))
        made.rename(folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ProjectError(
            f"{quoted(name)} is no name for a project: a letter first, then letters, digits, `-` and `_`, "
            "64 at most"
        )
    if name.lower() in naming.C_KEYWORDS | naming.RUST_KEYWORDS | _CARGOS:
        raise ProjectError(f"{quoted(name)} means something to a compiler or to Cargo: choose another name")


def _add_model(folder: Path, given: Path | None) -> Model:
    """Put the model into `folder`, as `model` with the suffixes it has, and return what it is."""
    folder.mkdir()
    if given is None:
        tiny = folder / "model.xml"
        tiny.write_text(render.render(render.environment(), "new/model.xml.j2", None), encoding="utf-8")
        return read(tiny, _MODEL)
    model = read(given, _MODEL)
    if not model.parts:
        raise ProjectError(f"{visible(str(given))} has data in other files: convert it to one file, or to IR")
    for file in files_of(find_model(given)):
        shutil.copyfile(file, folder / f"{_MODEL}{file.suffix.lower()}")
    suffixes = [Path(part.file).suffix.lower() for part in model.parts]
    names = [f"{_MODEL}{suffix}" if suffix else "" for suffix in suffixes]
    parts = tuple(dataclasses.replace(part, file=name) for part, name in zip(model.parts, names, strict=True))
    return dataclasses.replace(model, files=tuple(filter(None, names)), parts=parts)


def _add_guest(folder: Path, name: str, lang: Lang, model: Model) -> None:
    main_file = next(part.file for part in model.parts)
    target = "-o src --lang rust" if lang == "rust" else "--lang c"
    command = f"wasinn-gen model {_MODEL}/{main_file} --name {_MODEL} {target}"
    if lang == "rust":
        readme = _Readme(
            name,
            ", with the target once added by `rustup target add wasm32-wasip1`",
            "cargo build --release",
            "cargo run --release",
            "another is named in `.cargo/config.toml`, or for once by the whole command in the variable "
            "`CARGO_TARGET_WASM32_WASIP1_RUNNER`",
            "src/main.rs",
            "src/model.rs",
            command,
            "wasinn/",
        )
        _write(folder / "Cargo.toml", "rust/Cargo.toml.j2", readme)
        _write(folder / ".cargo/config.toml", "rust/config.toml.j2", readme)
        _write(folder / "src/main.rs", "rust/main.rs.j2", views.rust_guest(model))
        (folder / "src/model.rs").write_text(bindings.text(model, "rust"), encoding="utf-8")
        (folder / ".gitignore").write_text("/target/\n")
    else:
        readme = _Readme(
            name,
            ", with a [wasi-sdk](https://github.com/WebAssembly/wasi-sdk) in `WASI_SDK_PATH`",
            "make",
            "make run",
            "another is named in the `Makefile`, or for once by `make run PYTHON=...`",
            f"main.{lang}",
            "model.h",
            command,
            "include/",
        )
        standard, compiler = ("-std=c11", "clang") if lang == "c" else ("-std=c++17", "clang++")
        _write(folder / "Makefile", "c/Makefile.j2", _Make(name, lang, compiler, standard))
        _write(folder / f"main.{lang}", f"{lang}/main.{lang}.j2", views.c_guest(model))
        (folder / "model.h").write_text(bindings.text(model, "c"), encoding="utf-8")
        (folder / ".gitignore").write_text("*.wasm\n")
    _write(folder / "README.md", "README.md.j2", readme)


def _write(path: Path, template: str, view: Any) -> None:  # noqa: ANN401 - each template has a view of its own
    path.parent.mkdir(exist_ok=True)
    path.write_text(render.render(render.environment(), f"new/{template}", view), encoding="utf-8")


def _add_sdk(folder: Path, lang: Lang) -> None:
    """Copy what a guest compiles against: a wheel has it inside the package, a checkout beside it."""
    packaged = _ROOT / "sdk"
    sdk = packaged if packaged.is_dir() else _ROOT.parent / "guest"
    if lang != "rust":
        shutil.copytree(sdk / "c/include", folder / "include")
        shutil.copyfile(sdk / "rust/LICENSE", folder / "include/LICENSE")
        return
    crate = folder / "wasinn"
    crate.mkdir()
    for name in ("Cargo.toml", "README.md", "LICENSE"):
        shutil.copyfile(sdk / "rust" / name, crate / name)
    for name in (
        "src",
        "examples",
        "tests",
    ):  # the manifest names examples and tests: Cargo wants to see them
        shutil.copytree(sdk / "rust" / name, crate / name)
