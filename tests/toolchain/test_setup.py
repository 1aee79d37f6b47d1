"""The toolchain set-up: what it makes compiles, and what cannot work says so and leaves nothing behind."""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import subprocess
import sys
import tarfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import wasmtime

from guest.c.toolchain import debian, release, sdk, setup, wrapper, zig
from guest.c.toolchain.sdk import Unusable

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
TARGETS = ((), ("--target=wasm32-wasip1",), ("--target=wasm32-wasi",), ("-target", "wasm32-wasi"))
C_PROGRAM = """#include <stdio.h>
int main(int argc, char **argv) { (void)argv; printf("C says %d\\n", argc); return 0; }
"""
CXX_PROGRAM = """#include <cstdio>
#include <string>
#include <vector>
int main() {
  std::vector<std::string> words{"C++", "says", "hello"};
  std::string all;
  for (const auto &word : words) all += word + " ";
  std::puts(all.c_str());
}
"""
UNREACHABLE = "http://127.0.0.1:9"  # the discard port: refused at once


@pytest.fixture(scope="module")
def toolchain() -> Path:
    """The wasi-sdk that this checkout uses."""
    path = Path(os.environ.get("WASI_SDK_PATH") or ROOT / "build" / "wasi-sdk")
    if not path.exists():
        if os.environ.get("CI"):
            pytest.fail(f"no wasi-sdk at {path}: run `make toolchain`")
        pytest.skip(f"no wasi-sdk at {path}: run `make toolchain`")
    return path.absolute()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A web server on this machine: its folder and its URL."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(_Silent, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


def run_wasm(path: Path) -> str:
    """Run a WASI program and return what it wrote to stdout."""
    engine = wasmtime.Engine()
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    store = wasmtime.Store(engine)
    config = wasmtime.WasiConfig()
    config.argv = ["program"]
    out = path.with_suffix(".out")
    config.stdout_file = str(out)
    store.set_wasi(config)
    start = linker.instantiate(store, wasmtime.Module.from_file(engine, str(path))).exports(store)["_start"]
    assert isinstance(start, wasmtime.Func)
    start(store)  # returns, since the programs here end with 0
    return out.read_text()


def build(compiler: Path, source: Path, *arguments: str) -> Path:
    """Compile with warnings as errors; return the program."""
    wasm = source.with_suffix(".wasm")
    command: list[str | Path] = [
        compiler,
        *arguments,
        "-O2",
        "-Wall",
        "-Wextra",
        "-Werror",
        source,
        "-o",
        wasm,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return wasm


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: " ".join(target) or "default")
def test_c_and_cxx_build_and_run_for_every_spelling_of_the_target(
    toolchain: Path, tmp_path: Path, target: tuple[str, ...]
) -> None:
    folder = tmp_path / "a folder with spaces"
    folder.mkdir()
    (folder / "c.c").write_text(C_PROGRAM)
    (folder / "cxx.cpp").write_text(CXX_PROGRAM)
    assert run_wasm(build(toolchain / "bin/clang", folder / "c.c", *target)) == "C says 1\n"
    cxx = build(toolchain / "bin/clang++", folder / "cxx.cpp", *target, "-fno-exceptions")
    assert run_wasm(cxx) == "C++ says hello \n"


def test_an_explicit_sysroot_is_accepted(toolchain: Path, tmp_path: Path) -> None:
    (tmp_path / "c.c").write_text(C_PROGRAM)
    sysroot = f"--sysroot={toolchain}/share/wasi-sysroot"
    assert run_wasm(build(toolchain / "bin/clang", tmp_path / "c.c", sysroot)) == "C says 1\n"


def test_simd_and_a_reactor_build(toolchain: Path, tmp_path: Path) -> None:
    source = tmp_path / "reactor.c"
    source.write_text(
        "#include <wasm_simd128.h>\n"
        '__attribute__((export_name("lane"))) int lane(int x) {\n'
        "  return wasm_i32x4_extract_lane(wasm_i32x4_splat(x), 2);\n}\n"
    )
    wasm = build(toolchain / "bin/clang", source, "-msimd128", "-mexec-model=reactor")
    exports = {export.name for export in wasmtime.Module.from_file(wasmtime.Engine(), str(wasm)).exports}
    assert {"_initialize", "lane"} <= exports


def test_compiling_and_preprocessing_alone_give_no_warning(toolchain: Path, tmp_path: Path) -> None:
    (tmp_path / "c.c").write_text(C_PROGRAM)
    for mode in ("-c", "-E", "-fsyntax-only"):
        command: list[str | Path] = [toolchain / "bin/clang", "-Werror", mode, "c.c", "-o", "out"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), mode


def test_a_compiler_error_keeps_its_exit_code(toolchain: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.c").write_text("int main(void) { return nothing; }\n")
    done = subprocess.run([toolchain / "bin/clang", "bad.c"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 1


@pytest.mark.parametrize("drop_sysroot", [False, True])
def test_a_wrapper_passes_hostile_arguments_on_unchanged(tmp_path: Path, drop_sysroot: bool) -> None:  # noqa: FBT001 - pytest's parameter
    script = tmp_path / "an sdk" / "bin" / "clang"
    text = wrapper.compiler("printf '%s\\n'", target="wasm32-wasip1", drop_sysroot=drop_sysroot)
    sdk.write_script(script, text)
    hostile = ["", "two words", "$HOME", "`id`", "*", "'", '"', '-DX="a b"', "\\n", "--", "-e"]
    done = subprocess.run([script, *hostile], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == hostile


def test_a_wrapper_respells_only_wasi_targets(tmp_path: Path) -> None:
    script = tmp_path / "bin" / "clang"
    sdk.write_script(script, wrapper.compiler("echo", target="wasm32-wasi", drop_sysroot=True))
    given = (
        "--target=wasm32-wasip1 -target wasm32-wasip1 --target=wasm32 --sysroot=/x --sysroot /y wasm32-wasip1"
    )
    done = subprocess.run([script, *given.split()], capture_output=True, text=True, check=True)
    expected = "--target=wasm32-wasi -target wasm32-wasi --target=wasm32 wasm32-wasip1"
    assert done.stdout.split() == expected.split()


def test_a_wrapper_finds_its_folder_through_a_link(tmp_path: Path) -> None:
    sdk.write_script(tmp_path / "real" / "bin" / "clang", wrapper.tool('echo "$sdk"'))
    (tmp_path / "link").symlink_to(tmp_path / "real" / "bin" / "clang")
    done = subprocess.run([tmp_path / "link"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str((tmp_path / "real").resolve())


def test_a_variable_naming_a_broken_folder_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "half" / "bin").mkdir(parents=True)
    code = setup.main([], {"WASI_SDK_PATH": str(tmp_path / "half")}, tmp_path / "build")
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert "WASI_SDK_PATH is set but not usable" in err
    assert "no bin/clang, no bin/clang++" in err
    assert not (tmp_path / "build").exists()


def test_a_compiler_that_cannot_compile_is_shown_with_its_own_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in sdk.REQUIRED:
        sdk.write_script(tmp_path / part, "#!/bin/sh\necho 'fatal: no brain' >&2\nexit 3\n")
    code = setup.main([], {"WASI_SDK_PATH": str(tmp_path)}, tmp_path / "build")
    assert code == 2
    assert "fatal: no brain" in capsys.readouterr().err


def test_forcing_the_variable_without_setting_it_is_bad_usage(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        setup.main(["--using", "env"], {}, tmp_path / "build")


def test_a_named_sdk_is_linked_and_its_path_alone_is_on_stdout(
    toolchain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build_folder = tmp_path / "build"
    code = setup.main(["--print"], {"WASI_SDK_PATH": str(toolchain)}, build_folder)
    assert code == 0
    assert capsys.readouterr().out == f"{toolchain.resolve()}\n"
    assert (build_folder / "wasi-sdk").resolve() == toolchain.resolve()
    assert setup.main([], {}, build_folder) == 0, "a second run uses what the first one chose"


@pytest.mark.parametrize("named", ["alias", "here/build/wasi-sdk", "build/../build/wasi-sdk"])
def test_a_variable_that_leads_back_to_the_link_makes_no_loop(
    toolchain: Path, tmp_path: Path, named: str
) -> None:
    (tmp_path / "alias").symlink_to("build/wasi-sdk")
    (tmp_path / "here").symlink_to(tmp_path)
    link = tmp_path / "build" / "wasi-sdk"
    sdk.point(link, toolchain)
    assert setup.main([], {"WASI_SDK_PATH": str(tmp_path / named)}, tmp_path / "build") == 0
    assert link.resolve() == toolchain.resolve()


@pytest.mark.parametrize("named", ["here/build/wasi-sdk", "build/../build/wasi-sdk"])
def test_a_variable_naming_the_link_by_another_path_is_no_choice(tmp_path: Path, named: str) -> None:
    """As `$PWD/build/wasi-sdk` is where the checkout is reached by a link; nothing is there yet."""
    (tmp_path / "here").symlink_to(tmp_path)
    ways = setup.ways(tmp_path / "build", {"WASI_SDK_PATH": str(tmp_path / named)})
    with pytest.raises(Unusable, match="names the folder this setup makes"):
        ways[0].make()


def test_no_network_is_an_error_that_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = setup.main(["--using", "release"], {}, tmp_path / "build", base_url=UNREACHABLE)
    err = capsys.readouterr().err
    assert code == 1
    assert "could not download" in err
    assert "set\nWASI_SDK_PATH" in err
    assert not (tmp_path / "build" / "wasi-sdk").exists()


def test_every_way_tried_is_listed_when_none_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))  # no apt-get, no dpkg
    monkeypatch.setattr(setup, "OPT", tmp_path / "opt")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    code = setup.main([], {}, tmp_path / "build", base_url=UNREACHABLE)
    err = capsys.readouterr().err
    assert code == 1
    for words in ("$WASI_SDK_PATH: not set", "is not a directory", "release: could not download"):
        assert words in err
    assert err.count("no apt-get") >= 2
    assert f"ziglang {zig.VERSION} package: cannot run `no-python`" in err
    assert list((tmp_path / "build" / "toolchains").iterdir()) == []


def test_a_release_with_the_wrong_hash_leaves_nothing(tmp_path: Path, server: tuple[Path, str]) -> None:
    folder, url = server
    (folder / f"wasi-sdk-{release.VERSION}-{release.platform_name()}.tar.gz").write_bytes(b"not it")
    with pytest.raises(Unusable, match=r"is not the pinned file: expected SHA-256 0000.* got "):
        release.make(tmp_path / "toolchains", base_url=url, sha256="0" * 64)
    assert list((tmp_path / "toolchains").iterdir()) == []


def test_a_release_that_climbs_out_of_its_folder_is_refused(tmp_path: Path, server: tuple[Path, str]) -> None:
    folder, url = server
    archive = folder / f"wasi-sdk-{release.VERSION}-{release.platform_name()}.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("../../escaped"))
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    with pytest.raises(Unusable, match="could not unpack"):
        release.make(tmp_path / "toolchains", base_url=url, sha256=digest)
    assert list((tmp_path / "toolchains").iterdir()) == []
    assert not list(tmp_path.rglob("escaped"))


def test_a_release_is_unpacked_without_its_outer_folder(tmp_path: Path, server: tuple[Path, str]) -> None:
    folder, url = server
    archive = folder / f"wasi-sdk-{release.VERSION}-{release.platform_name()}.tar.gz"
    source = tmp_path / "VERSION"
    source.write_text("27.0\n")
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(source, f"{archive.name.removesuffix('.tar.gz')}/VERSION")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    made = release.make(tmp_path / "toolchains", base_url=url, sha256=digest)
    assert [path.name for path in made.iterdir()] == ["VERSION"]


def test_a_real_folder_in_the_links_place_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "wasi-sdk").mkdir()
    with pytest.raises(Unusable, match="move it away"):
        sdk.point(tmp_path / "wasi-sdk", tmp_path / "other")
    assert (tmp_path / "wasi-sdk").is_dir()


def fail(made: Path) -> None:
    """Fail half-way through making a folder."""
    (made / "new").touch()
    raise KeyError


def test_a_failed_making_keeps_the_old_folder(tmp_path: Path) -> None:
    (tmp_path / "final").mkdir()
    (tmp_path / "final" / "old").touch()
    with pytest.raises(KeyError), sdk.making(tmp_path / "final") as made:
        fail(made)
    assert [path.name for path in tmp_path.rglob("*")] == ["final", "old"]


def test_apt_policy_is_read_per_package() -> None:
    text = (
        "clang-22:\n  Installed: (none)\n  Candidate: 1:22.1\n  Version table:\n     1:22.1 500\n"
        "wasi-libc:\n  Installed: 0.1\n  Candidate: 0.1\n"
        "clang-21:\n  Installed: (none)\n  Candidate: (none)\n"
    )
    assert debian.parse_policy(text) == {
        "clang-22": (False, True),
        "wasi-libc": (True, True),
        "clang-21": (False, False),
    }
