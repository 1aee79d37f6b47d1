"""The C SDK, installed and moved elsewhere, is found by CMake, pkg-config and a plain compile line."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.guest.conftest import ROOT
from tests.guest.test_imports import imported

if TYPE_CHECKING:
    from tests.guest.conftest import Compiler, Need

SOURCES: Final = ROOT / "tests/guest"
PROJECT: Final = """
cmake_minimum_required(VERSION 3.16)
project(outside LANGUAGES C CXX)
find_package(WasiNN 0.1 CONFIG REQUIRED)
add_library(part STATIC part.c)
target_link_libraries(part PRIVATE WasiNN::wasi_nn)
add_executable(c_guest c_guest.c)
target_link_libraries(c_guest PRIVATE WasiNN::wasi_nn part)
add_executable(cpp_guest cpp_guest.cpp)
target_link_libraries(cpp_guest PRIVATE WasiNN::wasi_nn)
"""
NATIVE: Final = """
cmake_minimum_required(VERSION 3.16)
project(outside LANGUAGES C)
find_package(WasiNN CONFIG REQUIRED)
add_executable(calls c_calls.c)
target_link_libraries(calls PRIVATE WasiNN::wasi_nn_native)
target_compile_definitions(calls PRIVATE "WASI_NN_OUTPUT_MAX=((size_t)1000000)")
"""


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command where nothing of the caller's build environment steers it."""
    steering = (
        "CMAKE_",
        "PKG_CONFIG",
        "MAKE",
        "MFLAGS",
        "CFLAGS",
        "CXXFLAGS",
        "LDFLAGS",
        "PREFIX",
        "DESTDIR",
    )
    mine = {name: value for name, value in os.environ.items() if not name.startswith(steering)}
    return subprocess.run(
        command, cwd=cwd, env={**mine, **environment}, capture_output=True, text=True, check=False
    )


def ok(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command that must succeed; return stdout."""
    done = run(*command, cwd=cwd, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def program(name: str, need: Need) -> str:
    """Return a tool of the project's environment, else of the machine."""
    beside = Path(sys.executable).with_name(name)
    return str(beside if beside.exists() else need(Path(shutil.which(name) or name), "run `make setup`"))


@pytest.fixture
def cmake(need: Need) -> str:
    return program("cmake", need)


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what was installed for one prefix and then moved to another place, with a space in its name."""
    folder = tmp_path_factory.mktemp("installed")
    ok("make", "install", "PREFIX=/somewhere", f"DESTDIR={folder}", cwd=ROOT)
    return (folder / "somewhere").rename(folder / "moved away")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder outside of the repository with the sources of a C and a C++ guest."""
    folder = tmp_path / "outside"
    folder.mkdir()
    for name in ("c_guest.c", "cpp_guest.cpp", "c_calls.c", "fake_host.h"):
        shutil.copy(SOURCES / name, folder)
    (folder / "part.c").write_text("#include <wasi_nn.h>\nint part(void) { return wasi_nn_compute(0); }\n")
    return folder


def holds_guests(folder: Path) -> None:
    """Both guests are there and import what they should."""
    for name in ("c_guest.wasm", "cpp_guest.wasm"):
        assert "load_by_name" in imported(folder / name, "wasi_ephemeral_nn")


def test_an_outside_project_is_built_by_cmake(
    wasi_sdk: Compiler, cmake: str, prefix: Path, project: Path
) -> None:
    (project / "CMakeLists.txt").write_text(PROJECT)
    toolchain = prefix / "share/cmake/WasiNN/wasi-sdk.cmake"
    sdk = f"-DWASI_SDK_PATH={wasi_sdk.c.parent.parent}"
    options = ("--toolchain", toolchain, sdk, f"-DCMAKE_PREFIX_PATH={prefix}", "-DCMAKE_BUILD_TYPE=Release")
    told = run(cmake, "-S", ".", "-B", "build", "-G", "Unix Makefiles", *options, cwd=project)
    assert (told.returncode, told.stderr) == (0, "")  # no warning about an unknown system either
    ok(cmake, "--build", "build", cwd=project)
    holds_guests(project / "build")


def test_cmake_finds_the_sdk_in_its_source_tree_and_the_compiler_in_the_environment(
    wasi_sdk: Compiler, cmake: str, project: Path
) -> None:
    (project / "CMakeLists.txt").write_text(PROJECT)
    cmakes = ROOT / "guest/c/cmake"
    options = (f"-DWasiNN_DIR={cmakes}", f"-DCMAKE_TOOLCHAIN_FILE={cmakes / 'wasi-sdk.cmake'}")
    where = {"WASI_SDK_PATH": str(wasi_sdk.c.parent.parent)}
    ok(cmake, "-S", ".", "-B", "build", "-G", "Unix Makefiles", *options, cwd=project, **where)
    ok(cmake, "--build", "build", cwd=project)  # the environment is not asked again
    holds_guests(project / "build")


def test_native_unit_tests_are_built_by_cmake(
    native: Compiler, cmake: str, prefix: Path, project: Path
) -> None:
    (project / "CMakeLists.txt").write_text(NATIVE)
    options = (f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_C_COMPILER={native.c}")
    ok(cmake, "-S", ".", "-B", "build", "-G", "Unix Makefiles", *options, cwd=project)
    ok(cmake, "--build", "build", cwd=project)
    assert ok(project / "build/calls", cwd=project).endswith("end\n")


def test_the_toolchain_file_says_what_is_missing(cmake: str, prefix: Path, project: Path) -> None:
    (project / "CMakeLists.txt").write_text(PROJECT)
    toolchain = prefix / "share/cmake/WasiNN/wasi-sdk.cmake"
    options = ("--toolchain", toolchain, "-DWASI_SDK_PATH=/no/such")
    done = run(cmake, "-S", ".", "-B", "build", *options, cwd=project)
    assert done.returncode != 0
    assert "no wasi-sdk at '/no/such': set WASI_SDK_PATH" in " ".join(done.stderr.split())


def test_the_toolchain_file_refuses_a_relative_path_by_name(
    wasi_sdk: Compiler, cmake: str, project: Path
) -> None:
    """From where CMake stands it may even be there, but not from where each of the compiler's checks does."""
    (project / "CMakeLists.txt").write_text(PROJECT)
    (project / "sdk").symlink_to(wasi_sdk.c.parent.parent)
    toolchain = f"-DCMAKE_TOOLCHAIN_FILE={ROOT / 'guest/c/cmake/wasi-sdk.cmake'}"
    done = run(cmake, "-S", ".", "-B", "build", toolchain, cwd=project, WASI_SDK_PATH="sdk")
    assert done.returncode != 0
    assert "WASI_SDK_PATH is the relative path 'sdk': make it absolute" in " ".join(done.stderr.split())


def test_a_relative_path_as_an_option_is_cmake_s_to_make_absolute(
    wasi_sdk: Compiler, cmake: str, project: Path
) -> None:
    text = "cmake_minimum_required(VERSION 3.16)\nproject(p C)\nadd_executable(part part.c)\n"
    (project / "CMakeLists.txt").write_text(text)
    (project / "sdk").symlink_to(wasi_sdk.c.parent.parent)
    options = (f"-DCMAKE_TOOLCHAIN_FILE={ROOT / 'guest/c/cmake/wasi-sdk.cmake'}", "-DWASI_SDK_PATH=sdk")
    ok(cmake, "-S", ".", "-B", "build", *options, cwd=project)


@pytest.mark.parametrize(
    ("wanted", "is_found"), [("0.1", True), ("0.1.0", True), ("0.2", False), ("0.0", False), ("1", False)]
)
def test_a_version_that_does_not_fit_is_refused(
    cmake: str, prefix: Path, project: Path, wanted: str, *, is_found: bool
) -> None:
    find = f"find_package(WasiNN {wanted} CONFIG REQUIRED)"
    text = f"cmake_minimum_required(VERSION 3.16)\nproject(p NONE)\n{find}\n"
    (project / "CMakeLists.txt").write_text(text)
    done = run(cmake, "-S", ".", "-B", "build", f"-DCMAKE_PREFIX_PATH={prefix}", cwd=project)
    assert (done.returncode == 0) == is_found, done.stderr
    assert is_found or "0.1.0" in done.stderr


def test_an_outside_project_is_built_by_pkg_config(
    wasi_sdk: Compiler, need: Need, prefix: Path, project: Path
) -> None:
    where = {
        "PKG_CONFIG_PATH": str(prefix / "share/pkgconfig"),
        "PKG_CONFIG": program("pkg-config", need),
        "CC": str(wasi_sdk.c),
        "CXX": str(wasi_sdk.cxx),
    }
    make = (
        'FLAGS := $(shell "$(PKG_CONFIG)" --cflags wasi_nn)\n'
        "all: c_guest.wasm cpp_guest.wasm\n"
        'c_guest.wasm: c_guest.c\n\t"$(CC)" $(FLAGS) -O2 -o $@ $<\n'
        'cpp_guest.wasm: cpp_guest.cpp\n\t"$(CXX)" -std=c++17 -fno-exceptions $(FLAGS) -O2 -o $@ $<\n'
    )
    (project / "Makefile").write_text(make)
    ok("make", cwd=project, **where)
    holds_guests(project)


def test_an_outside_project_is_built_by_a_plain_compile_line(
    wasi_sdk: Compiler, prefix: Path, project: Path
) -> None:
    include = f"-I{prefix / 'include/wasi_nn'}"
    ok(wasi_sdk.c, "-O2", include, "-o", "c_guest.wasm", "c_guest.c", cwd=project)
    cxx = (wasi_sdk.cxx, "-std=c++17", "-fno-exceptions", "-O2", include)
    ok(*cxx, "-o", "cpp_guest.wasm", "cpp_guest.cpp", cwd=project)
    holds_guests(project)


def test_all_headers_are_installed_and_nothing_names_the_prefix(prefix: Path) -> None:
    headers = ROOT / "guest/c/include"
    assert {path.name for path in (prefix / "include/wasi_nn").iterdir()} == {
        path.name for path in headers.iterdir()
    }
    files = [path for path in prefix.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert [path.name for path in files if "/somewhere" in path.read_text(encoding="utf-8")] == []
    assert {oct(path.stat().st_mode & 0o777) for path in files} == {"0o644"}


def test_uninstall_removes_what_install_put_there_and_nothing_else(tmp_path: Path) -> None:
    other = tmp_path / "share/cmake/Other"
    other.mkdir(parents=True)
    (other / "OtherConfig.cmake").touch()
    for target in ("install", "uninstall"):
        ok("make", target, f"PREFIX={tmp_path}", cwd=ROOT)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["OtherConfig.cmake"]


def test_every_file_has_the_version_of_the_package() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    texts = {
        "cmake/WasiNNConfigVersion.cmake": r"PACKAGE_VERSION (\d\S*)\)",
        "pkg-config/wasi_nn.pc": r"Version: (\S+)",
    }
    for name, pattern in texts.items():
        assert re.findall(pattern, (ROOT / "guest/c" / name).read_text(encoding="utf-8")) == [version]
