"""The Rust set-up: what it makes compiles and runs with no flags, and what cannot work says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import wasmtime

from guest.c.toolchain import sdk
from guest.rust.toolchain import bundle, library, setup

ROOT = Path(__file__).resolve().parents[2]
HELLO = 'fn main() { println!("Rust says {}", std::env::args().count()); }\n'
# A `static` and a copy of a length not known make the compiler call memcpy, which no libc brings here.
NO_STD = """#![no_std]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! { core::arch::wasm32::unreachable() }
static mut BYTES: [u8; 64] = [7; 64];
#[no_mangle]
pub extern "C" fn copied(length: usize) -> u32 {
    let bytes = &raw mut BYTES as *mut u8;
    unsafe {
        bytes.write(9);
        core::ptr::copy_nonoverlapping(bytes, bytes.add(32), length % 32);
        bytes.add(32).read_volatile().into()
    }
}
"""
THREADS = """fn main() {
    let thread = std::thread::Builder::new().spawn(|| 1);
    println!("{}", thread.map_or("no threads".to_string(), |t| t.join().unwrap().to_string()));
    println!("{}", std::fs::canonicalize("nowhere").is_err());
}
"""


@pytest.fixture(scope="module")
def tools() -> Path:
    """The folder of the rustc and cargo that this checkout uses."""
    path = ROOT / "build" / "rust" / "bin"
    if not path.exists():
        if os.environ.get("CI"):
            pytest.fail(f"no Rust at {path}: run `make rust`")
        pytest.skip(f"no Rust at {path}: run `make rust`")
    return path


def build(command: list[str | Path], folder: Path, **environ: str) -> None:
    """Run a compiler in an environment that neither names a toolchain nor reaches the network."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "CARGO_NET_OFFLINE": "true", **environ}
    if "WASI_SDK_PATH" in os.environ:
        env["WASI_SDK_PATH"] = os.environ["WASI_SDK_PATH"]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


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
    start(store)
    return out.read_text()


def crate(folder: Path, source: str, more: str = "") -> Path:
    """Write a crate named `guest` with one binary; return its folder."""
    (folder / "src").mkdir(parents=True)
    manifest = f'[package]\nname = "guest"\nversion = "0.1.0"\nedition = "2021"\n{more}'
    (folder / "Cargo.toml").write_text(manifest)
    (folder / "src" / "main.rs").write_text(source)
    return folder


@pytest.mark.parametrize("flags", [(), ("-O",), ("-O", "-Clto=fat", "-Cstrip=symbols")], ids=" ".join)
def test_rustc_compiles_and_links_a_program_with_no_flags_but_the_target(
    tools: Path, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    (tmp_path / "hello.rs").write_text(HELLO)
    build([tools / "rustc", "--target", bundle.TARGET, *flags, "hello.rs"], tmp_path)
    assert run_wasm(tmp_path / "hello.wasm") == "Rust says 1\n"


def test_cargo_builds_a_release_with_link_time_optimisation_and_no_path_of_this_machine(
    tools: Path, tmp_path: Path
) -> None:
    profile = '[profile.release]\nlto = true\nstrip = true\npanic = "abort"\n'
    folder = crate(tmp_path / "a crate with spaces", HELLO, profile)
    build([tools / "cargo", "build", "--release", "--target", bundle.TARGET], folder)
    wasm = folder / "target" / bundle.TARGET / "release" / "guest.wasm"
    assert run_wasm(wasm) == "Rust says 1\n"
    assert str(ROOT).encode() not in wasm.read_bytes()


def test_cargo_builds_for_this_machine_what_a_guest_needs_while_it_is_built(
    tools: Path, tmp_path: Path
) -> None:
    folder = crate(tmp_path / "crate", 'fn main() { println!("{}", env!("SAID")); }\n')
    (folder / "build.rs").write_text('fn main() { println!("cargo:rustc-env=SAID=by the build script"); }\n')
    build([tools / "cargo", "build", "--target", bundle.TARGET], folder)
    assert run_wasm(folder / "target" / bundle.TARGET / "debug" / "guest.wasm") == "by the build script\n"


def test_cargo_test_builds_and_runs_for_the_target(tools: Path, tmp_path: Path) -> None:
    folder = crate(tmp_path / "crate", "fn main() {}\n#[test]\nfn sum() { assert_eq!(1 + 1, 2) }\n")
    build([tools / "cargo", "test", "--no-run", "--target", bundle.TARGET], folder)
    (wasm,) = (folder / "target" / bundle.TARGET / "debug" / "deps").glob("guest-*.wasm")
    assert "test sum ... ok" in run_wasm(wasm)


def test_a_no_std_library_needs_nothing_from_its_host(tools: Path, tmp_path: Path) -> None:
    (tmp_path / "lib.rs").write_text(NO_STD)
    library_of = ["--crate-type", "cdylib", "--edition", "2021", "-O", "-Cpanic=abort", "-Dwarnings"]
    build([tools / "rustc", "--target", bundle.TARGET, *library_of, "lib.rs", "-o", "lib.wasm"], tmp_path)
    engine = wasmtime.Engine()
    module = wasmtime.Module.from_file(engine, str(tmp_path / "lib.wasm"))
    assert module.imports == []
    store = wasmtime.Store(engine)
    copied = wasmtime.Instance(store, module, []).exports(store)["copied"]
    assert isinstance(copied, wasmtime.Func)
    assert (copied(store, 0), copied(store, 1)) == (7, 9)


def test_what_wasi_does_not_have_is_an_error_when_run_not_when_linked(tools: Path, tmp_path: Path) -> None:
    (tmp_path / "threads.rs").write_text(THREADS)
    build([tools / "rustc", "--target", bundle.TARGET, "--edition", "2021", "threads.rs"], tmp_path)
    assert run_wasm(tmp_path / "threads.wasm") == "no threads\ntrue\n"


def test_the_projects_crate_compiles_without_a_warning(tools: Path, tmp_path: Path) -> None:
    """Its layout asserts run here, for the target they are about."""
    command: list[str | Path] = [tools / "cargo", "build", "--target", bundle.TARGET]
    command += ["--manifest-path", ROOT / "guest/rust/Cargo.toml", "--target-dir", tmp_path / "target"]
    build(command, tmp_path, RUSTFLAGS="-Dwarnings")
    assert list((tmp_path / "target").rglob("libwasinn.rlib"))


def test_a_linker_that_is_not_there_is_named(tools: Path, tmp_path: Path) -> None:
    if not (tools / "rust-lld").exists():
        pytest.skip("the rustc on PATH brings its own linker")
    env = {**os.environ, "WASI_SDK_PATH": str(tmp_path)}
    done = subprocess.run([tools / "rust-lld"], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"no linker at {tmp_path}/bin/wasm-ld: run 'make toolchain'" in done.stderr


def test_a_second_run_takes_what_there_is_and_prints_only_its_path(
    tools: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tools.parent.resolve()
    (tmp_path / "rust").symlink_to(made)
    (tmp_path / "bin").mkdir()
    for name in ("dirname", "readlink", "sh"):
        (tmp_path / "bin" / name).symlink_to(f"/usr/bin/{name}")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))  # no apt-get, no rustc
    assert setup.main(["--print"], os.environ, tmp_path) == 0
    assert capsys.readouterr().out == f"{made}\n"


def test_one_made_by_older_code_is_not_taken(tmp_path: Path) -> None:
    bundle.write(tmp_path, {}, "a test")
    assert bundle.is_current(tmp_path)
    (tmp_path / bundle.RECORD).write_text(json.dumps({"layout": bundle.LAYOUT - 1}))
    assert not bundle.is_current(tmp_path)
    (tmp_path / bundle.RECORD).write_text("[]")
    assert not bundle.is_current(tmp_path)


def test_every_way_tried_is_listed_when_none_works(tmp_path: Path) -> None:
    """Before anything is installed, and without apt or Rust."""
    (tmp_path / "bin").mkdir()
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from guest.rust.toolchain import setup; sys.exit(setup.main([], {}, Path(sys.argv[2])))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(ROOT), str(tmp_path / "build")],
        env={"PATH": str(tmp_path / "bin")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    for words in (
        "rustc on PATH: this machine has no rustc on PATH",
        "led to: nothing yet",
        "Debian packages, unpacked: this machine has no apt-get, no apt-cache, no dpkg-deb",
        "rustup target add wasm32-wasip1",
    ):
        assert words in done.stderr
    assert not (tmp_path / "build").exists()


def fake(folder: Path, body: str) -> None:
    """Put a rustc and a cargo that answer as `body` says into `folder`."""
    for name in bundle.TOOLS:
        sdk.write_script(folder / name, f"#!/bin/sh\n{body}\n")


def test_a_rustc_on_path_without_the_target_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake(tmp_path / "bin", f'echo "$@" >> {tmp_path}/calls; echo {tmp_path}')
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert setup.main(["--using", "path"], {}, tmp_path / "build") == 1
    assert "has no standard library for wasm32-wasip1" in capsys.readouterr().err
    assert (tmp_path / "calls").read_text() == "--print target-libdir --target wasm32-wasip1\n"
    assert not (tmp_path / "build").exists()


def test_a_rustc_on_path_that_has_the_target_is_used_through_a_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "libstd-0.rlib").touch()
    fake(
        tmp_path / "bin",
        f'if [ "$1" = --print ]; then echo {tmp_path}; exit; fi\n'
        f'if [ "$3" = -o ]; then printf "\\0asm" > "$4"; fi\necho "$RUSTC"',
    )
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    assert setup.main([], {}, tmp_path / "build") == 0
    made = (tmp_path / "build" / "rust").resolve()
    assert made == (tmp_path / "build/toolchains/rust-on-path").resolve()
    before = made.stat().st_ino
    done = subprocess.run([made / "bin/cargo"], capture_output=True, text=True, check=True)
    assert done.stdout == f"{made}/bin/rustc\n", "cargo calls the rustc it belongs to"
    assert setup.main([], {}, tmp_path / "build") == 0
    assert made.stat().st_ino == before, "the same scripts are not written anew"


def test_a_wasi_sdk_without_a_libc_to_copy_is_named(tmp_path: Path) -> None:
    with pytest.raises(sdk.Unusable, match="run `make toolchain` first"):
        library.libc_files(tmp_path)
    sdk.write_script(tmp_path / "bin" / "wasm-ld", "")
    with pytest.raises(sdk.Unusable, match=r"wasi-sysroot/lib has no crt1-command\.o"):
        library.libc_files(tmp_path)
