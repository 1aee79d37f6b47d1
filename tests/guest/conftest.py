"""Fixtures: the compiler, the compiled photo guest, the model, and two real runtimes.

What is missing skips on a developer's machine and fails where `CI` is set.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Need = Callable[[Path, str], Path]

ROOT = Path(__file__).resolve().parents[2]
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")


@dataclass(frozen=True, slots=True)
class Compiler:
    """A C and C++ compiler: for wasm32 that of the wasi-sdk, or the machine's own."""

    c: Path
    cxx: Path

    def run(self, source: Path, *flags: str) -> subprocess.CompletedProcess[str]:
        """Compile one file against the project's headers, all warnings being errors."""
        driver = self.cxx if source.suffix == ".cpp" else self.c
        include = f"-I{ROOT / 'guest/c/include'}"
        # Flags come last: a native linker takes from a library only what the files before it ask for.
        command = [str(driver), *WARNINGS, include, str(source), *flags]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def build(self, source: Path, out: Path, *flags: str) -> Path:
        """Compile and link one file; a diagnostic is a failed test."""
        done = self.run(source, "-O2", "-o", str(out), *flags)
        assert done.returncode == 0, done.stderr
        return out


@dataclass(frozen=True, slots=True)
class Runtime:
    """A real runtime with wasi-nn: the project's host, or the Wasmtime command."""

    name: Literal["host", "wasmtime"]
    command: tuple[str, ...]
    graph_option: str
    environment: Mapping[str, str]

    def run(
        self,
        guest: Path,
        *arguments: str,
        folders: Mapping[Path, str] | None = None,
        graph: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a guest; a `graph` is a folder that holds a model, registered under the folder's name."""
        options = [word for host, name in (folders or {}).items() for word in ("--dir", f"{host}::{name}")]
        if graph:
            options += self.graph_option.format(name=graph.name, folder=graph).split("\0")
        end = ["--"] if self.name == "host" else []
        command = [*self.command, *options, str(guest), *end, *arguments]
        environment = {**os.environ, **self.environment}
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120
        )


@pytest.fixture(scope="session")
def need() -> Need:
    """Return what gives a path back, or skips (fails where `CI` is set) when nothing is there."""

    def check(path: Path, remedy: str) -> Path:
        if not path.exists():
            message = f"{path.name} is missing: {remedy}"
            if os.environ.get("CI"):
                pytest.fail(message)
            pytest.skip(message)
        return path

    return check


@pytest.fixture(scope="session")
def wasi_sdk(need: Need) -> Compiler:
    """Return the compiler for wasm32."""
    home = Path(os.environ.get("WASI_SDK_PATH") or ROOT / "build/wasi-sdk")
    return Compiler(*(need(home / "bin" / name, "run `make toolchain`") for name in ("clang", "clang++")))


@pytest.fixture(scope="session")
def native(need: Need) -> Compiler:
    """Return the machine's own compiler."""
    found = (Path(shutil.which(name) or name) for name in ("cc", "c++"))
    return Compiler(*(need(path, "install a C and a C++ compiler") for path in found))


@pytest.fixture(scope="session")
def sanitizing(native: Compiler, need: Need) -> Compiler:
    """Return clang with its sanitizers; on a developer's machine without, its own compiler's have to do."""
    clang = ROOT / "build/native/bin/clang"
    if not clang.exists() and not os.environ.get("CI"):
        return native
    return Compiler(need(clang, "run `make native`"), clang.with_name("clang++"))


@pytest.fixture(scope="session")
def photo(wasi_sdk: Compiler, need: Need, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the photo guest, compiled from its source."""
    stb = need(ROOT / "build/stb", "run `make toolchain`")
    out = tmp_path_factory.mktemp("photo") / "photo.wasm"
    return wasi_sdk.build(ROOT / "examples/photo/photo.c", out, "-std=c11", "-s", "-isystem", str(stb))


@pytest.fixture(scope="session")
def model(need: Need) -> Path:
    """Return the folder with SqueezeNet and its labels."""
    folder = ROOT / "build/models/squeezenet"
    for name in ("model.xml", "model.bin", "labels.txt"):
        need(folder / name, "run `make model`")
    return folder


@pytest.fixture(scope="session")
def photos(need: Need, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with coffee.png, chelsea.png and rocket.jpg: real photos."""
    folder = tmp_path_factory.mktemp("photos")
    for name in ("coffee.png", "chelsea.png"):
        shutil.copy(need(ROOT / "build/photos" / name, "run `make model`"), folder)
    packages = need(ROOT / "build/packages", "run `make model`")
    package = next(packages.glob("scikit-image-*"), packages / "scikit-image")
    with zipfile.ZipFile(need(package, "run `make model`")) as wheel:
        (folder / "rocket.jpg").write_bytes(wheel.read("skimage/data/rocket.jpg"))
    return folder


@pytest.fixture(scope="session")
def double(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a model that doubles 5000 numbers of f32."""
    from tests.host import models  # noqa: PLC0415 - OpenVINO, which most tests here start without

    folder = tmp_path_factory.mktemp("graphs") / "double"
    folder.mkdir()
    for name, data in zip(("model.xml", "model.bin"), models.double([5000]), strict=True):
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture(scope="session")
def host() -> Runtime:
    """Return the project's own host."""
    return Runtime("host", (sys.executable, "-m", "host", "run"), "--graph\0{name}={folder}", {})


@pytest.fixture(scope="session")
def wasmtime(need: Need, tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    """Return the Wasmtime command with its own wasi-nn, on the OpenVINO of the Python package."""
    remedy = "run `make setup`"
    command = need(_package("wasmtime_cli") / "wasmtime", remedy)
    if not os.access(command, os.X_OK):
        need(command.with_name("a run bit on wasmtime"), remedy)
    libraries = need(_package("openvino") / "libs", remedy)
    links = tmp_path_factory.mktemp("openvino")
    for name in ("libopenvino", "libopenvino_c"):  # it opens them without the version in their names
        library = next(libraries.glob(f"{name}.so.*"), libraries / f"{name}.so")
        (links / f"{name}.so").symlink_to(need(library, remedy))
    environment = {"LD_LIBRARY_PATH": f"{links}:{libraries}"}
    return Runtime(
        "wasmtime",
        (str(command), "run", "-C", "cache=n", "-S", "nn"),
        "-S\0nn-graph=openvino::{folder}",
        environment,
    )


@pytest.fixture(params=["host", "wasmtime"])
def runtime(request: pytest.FixtureRequest) -> Runtime:
    """Return each runtime in turn."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Runtime)
    return found


def _package(name: str) -> Path:
    spec = find_spec(name)
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) if places else ROOT / ".venv" / name
