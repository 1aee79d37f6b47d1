"""The Rust crate compiles in every form it is offered in, passes its own tests, and can be published."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
import tomllib
from typing import TYPE_CHECKING

import pytest
from wasmtime import Engine, FuncType, Module

from codegen import abi, generate
from tests.guest.rust_tools import CRATE, FOR_WASM, GUESTS, ROOT, TARGET_DIR, run, tool

if TYPE_CHECKING:
    from pathlib import Path

    from tests.guest.conftest import Runtime

FEATURES = ["", "alloc", "std", "extensions", "std,extensions", "fake,extensions"]


@pytest.mark.parametrize("features", FEATURES, ids=lambda features: features or "none")
@pytest.mark.parametrize("target", ["host", "wasm32-wasip1"])
def test_the_crate_compiles_without_a_warning(target: str, features: str) -> None:
    """For wasm32 this checks every layout assert by rustc's own layout."""
    cargo = [tool("cargo")]
    if target != "host":
        cargo = [tool("cargo", FOR_WASM / "cargo")]
    flags = ["--quiet", "--no-default-features", f"--features={features}"]
    flags += [] if target == "host" else [f"--target={target}"]
    run(*cargo, "check", *flags, rustflags="-Dwarnings")


def test_a_wrong_size_does_not_compile(tmp_path: Path) -> None:
    """The asserts are alive: with the guard on wasm32 taken away, pointers of 8 bytes break them."""
    rustc = tool("rustc")
    shutil.copytree(CRATE / "src", tmp_path / "src")
    raw = (CRATE / "src/raw.rs").read_text(encoding="utf-8")
    guard = '#[cfg(target_arch = "wasm32")]\nconst _'
    assert guard in raw
    (tmp_path / "src/raw.rs").write_text(raw.replace(guard, "const _"), encoding="utf-8")
    done = subprocess.run(
        [rustc, "--edition=2021", "--crate-type=lib", "--emit=metadata", "src/lib.rs"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode != 0
    assert "assertion failed" in done.stderr


def test_the_crate_is_clean_under_clippy_pedantic_and_rustfmt() -> None:
    """Clippy also refuses what the standard library got after `rust-version`."""
    lints = ("-Dwarnings", "-Dclippy::incompatible_msrv", "-Dclippy::undocumented_unsafe_blocks")
    assert tool("cargo-clippy")
    assert tool("cargo-fmt")
    run(tool("cargo"), "clippy", "--quiet", "--all-features", "--all-targets", "--", *lints)
    run(tool("cargo"), "fmt", "--check")
    sources = [str(path) for path in sorted(GUESTS.glob("*.rs"))]
    run(tool("rustfmt"), "--check", "--edition=2021", "--config-path", str(CRATE), *sources)


def test_unsafe_is_in_one_module_beside_the_generated_ones() -> None:
    unsafe = re.compile(r"\bunsafe (\{|fn|impl|extern)")
    found = {
        path.name for path in CRATE.glob("src/**/*.rs") if unsafe.search(path.read_text(encoding="utf-8"))
    }
    assert {name for name in found if not name.startswith("raw")} == {"sys.rs"}
    sys = (CRATE / "src/sys.rs").read_text(encoding="utf-8")
    assert sys.count("// SAFETY:") == sys.count("unsafe {")


@pytest.mark.parametrize(
    "features", ["", "std,extensions", "fake,extensions"], ids=lambda name: name or "none"
)
def test_the_crate_passes_its_own_tests(features: str) -> None:
    """With `fake` the calls and the examples in the documentation are among them."""
    command = ["test", "--quiet", "--no-default-features", f"--features={features}"]
    command += [] if "fake" in features else ["--tests"]
    said = run(tool("cargo"), *command)
    counts = [int(found) for found in re.findall(r"test result: ok\. (\d+) passed", said)]
    assert len(counts) >= 3
    assert sum(counts) >= (60 if "fake" in features else 19)


def test_the_crate_passes_its_own_tests_in_wasm(wasmtime: Runtime) -> None:
    """All that need neither a host nor a folder."""
    runner = f"{wasmtime.command[0]} run -C cache=n"
    command = ("test", "--quiet", "--target=wasm32-wasip1", "--lib", "--test=math", "--test=image")
    said = run(tool("cargo", FOR_WASM / "cargo"), *command, runner=runner)
    assert len(re.findall(r"test result: ok\. [1-9]", said)) == 3


def test_a_test_of_the_crate_s_own_can_fail(tmp_path: Path) -> None:
    """What above is taken for passing is not just a command that always ends well."""
    crate = tmp_path / "rust"
    shutil.copytree(CRATE, crate, ignore=shutil.ignore_patterns("target", "toolchain"))
    softmax = crate / "src/math/mod.rs"
    text = softmax.read_text(encoding="utf-8")
    assert "if value > max" in text
    softmax.write_text(text.replace("if value > max", "if value < max"), encoding="utf-8")
    with pytest.raises(AssertionError, match="softmax_of_infinities_is_the_limit"):
        run(tool("cargo"), "test", "--quiet", "--test=math", cwd=crate)


def test_the_documentation_builds_without_a_broken_link() -> None:
    docs = ("doc", "--quiet", "--no-deps", "--all-features", "--document-private-items")
    run(tool("cargo"), *docs, rustflags="")


@pytest.fixture
def registry(tmp_path: Path) -> str:
    """Return the address of an empty registry on this machine, so that publishing needs no network."""
    folder = tmp_path / "registry"
    folder.mkdir()
    (folder / "config.json").write_text(
        '{"dl": "https://registry.invalid", "api": "https://registry.invalid"}'
    )
    git = (tool("git"), "-c", "user.name=nobody", "-c", "user.email=nobody@registry.invalid")
    for command in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "--message=empty")):
        subprocess.run((*git, *command), cwd=folder, check=True)
    return folder.as_uri()


def test_publishing_goes_as_far_as_the_upload(registry: str) -> None:
    publish = ("publish", "--dry-run", "--allow-dirty", f"--index={registry}", "--config=net.offline=false")
    run(tool("cargo"), *publish, expected="warning: aborting upload due to dry run")


def test_the_package_holds_the_sources_the_licence_and_no_more() -> None:
    """`cargo package` compiles what it packed."""
    run(tool("cargo"), "package", "--allow-dirty", "--offline")
    manifest = tomllib.loads((CRATE / "Cargo.toml").read_text(encoding="utf-8"))
    with tarfile.open(TARGET_DIR / f"package/wasinn-{manifest['package']['version']}.crate") as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers()}
    folders = ("src", "tests", "examples")
    sources = {str(path.relative_to(CRATE)) for name in folders for path in CRATE.glob(f"{name}/**/*.rs")}
    generated_by_cargo = {"Cargo.toml", "Cargo.toml.orig", "Cargo.lock"}
    assert names - generated_by_cargo - {".cargo_vcs_info.json"} == sources | {"README.md", "LICENSE"}


def test_the_manifest_is_one_to_publish() -> None:
    manifest = tomllib.loads((CRATE / "Cargo.toml").read_text(encoding="utf-8"))
    package = manifest["package"]
    assert {"description", "license", "readme", "documentation", "rust-version"} <= package.keys()
    assert len(package["keywords"]) <= 5
    assert not any(kind in manifest for kind in ("dependencies", "dev-dependencies", "build-dependencies"))
    assert package["rust-version"] in (CRATE / "README.md").read_text(encoding="utf-8")
    assert (CRATE / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def small(tmp_path: Path) -> Path:
    """Return the guest without `std`, compiled."""
    build = ("build", "--quiet", "--release", "--target=wasm32-wasip1", "--no-default-features")
    target_dir = TARGET_DIR / "none"
    run(tool("cargo", FOR_WASM / "cargo"), *build, target_dir=target_dir)
    rlib = target_dir / "wasm32-wasip1/release/libwasinn.rlib"
    out = tmp_path / "small.wasm"
    flags = ["--edition=2021", "--target=wasm32-wasip1", "-Cpanic=abort", "-Copt-level=s", "-Cstrip=symbols"]
    flags += ["-Clink-self-contained=no", "-Clink-args=--no-entry --export=classify"]
    run(
        tool("rustc", FOR_WASM / "rustc"),
        *flags,
        f"--extern=wasinn={rlib}",
        "-o",
        str(out),
        str(GUESTS / "small.rs"),
    )
    return out


def test_a_guest_without_std_is_small_and_imports_only_what_it_calls_as_specified(tmp_path: Path) -> None:
    """It imports no WASI, and `get_output`, which is declared by hand, is as in the witx text."""
    guest = small(tmp_path)
    (module,) = generate.document((ROOT / generate.SPEC,)).modules
    expected = {
        function.name: (abi.lower(function).valtypes, ("i32",))
        for function in module.functions
        if function.name != "load"
    }
    imports = Module.from_file(Engine(), str(guest)).imports
    assert {item.module for item in imports} == {module.name}
    found = {}
    for item in imports:
        assert isinstance(item.type, FuncType)
        found[item.name] = tuple(map(str, item.type.params)), tuple(map(str, item.type.results))
    assert found == expected
    assert guest.stat().st_size < 10_000
