"""The Rust modules of `wasinn-gen model`: `no_std`, clean under rustfmt and clippy, right on the host."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from tests.codegen import bound, corpus
from tests.codegen.bound import HOSTILE, bind, named, plus, save

if TYPE_CHECKING:
    from pathlib import Path

CRATE = bound.ROOT / "guest/rust"
TOOLS = bound.ROOT / "build/rust/bin"

MANIFEST = f"""[package]
name = "bound"
version = "0.1.0"
edition = "2021"

[dependencies]
wasinn = {{ path = "{CRATE}", default-features = false }}

[workspace]
"""
LIB = """#![no_std]
pub mod any;
pub mod dynamic;
pub mod f16;
pub mod hostile;
pub mod plus;
"""
MAIN = """use std::sync::Mutex;
use wasinn::{Error, ExecutionContext, ExecutionTarget, F16};
use bound::{any, dynamic, f16, hostile, plus};

static BUFFERS: Mutex<plus::Buffers> = Mutex::new(plus::Buffers::new());

fn read(stem: &str) -> [Vec<u8>; 2] {
    ["xml", "bin"].map(|suffix| std::fs::read(format!("models/{stem}.{suffix}")).unwrap())
}

macro_rules! context {
    ($module:ident) => {{
        let [xml, bin] = read(stringify!($module));
        let graph = $module::load([&xml, &bin], ExecutionTarget::CPU)?;
        graph.init_execution_context()?
    }};
}

fn fixed() -> Result<(), Error> {
    let mut context = context!(plus);
    let buffers = &mut *BUFFERS.try_lock().unwrap();
    buffers.input_x = [1.0, 2.0];
    plus::set_x(&mut context, &buffers.input_x)?;
    context.compute()?;
    plus::get_y(&context, &mut buffers.output_y)?;
    println!("{:?} {} {}", buffers.output_y, plus::INPUT_X_NAME, plus::OUTPUT_Y_SIZE);
    Ok(())
}

fn other(part: usize) -> Result<(), Error> {
    let mut parts = read("plus");
    *parts[part].last_mut().unwrap() ^= 1;
    let [xml, bin] = &parts;
    plus::load([xml, bin], ExecutionTarget::CPU).map(drop)
}

fn of_two_shapes() -> Result<(), Error> {
    let mut context: ExecutionContext = context!(dynamic);
    for length in [1, 2] {
        let data = vec![1.5; length as usize * 6];
        dynamic::set_x(&mut context, &dynamic::input_x_shape(length, 2), &data)?;
        context.compute()?;
        let mut out = [0.0; 12];
        let count = dynamic::get_x(&context, &mut out)?;
        println!("{:?}", &out[..count]);
    }
    dynamic::set_x(&mut context, &dynamic::input_x_shape(1, 1), &[])
}

fn of_any_rank(context: &mut ExecutionContext) -> Result<(), Error> {
    any::set_x(context, &[4, 3], &[2.0; 12])
}

fn half() -> Result<(), Error> {
    let mut context = context!(f16);
    f16::set_x(&mut context, &[F16::from_bits(0x3c00); 3])?;
    context.compute()?;
    let mut out = f16::Buffers::new().output_x;
    f16::get_x(&context, &mut out)?;
    println!("{:x}", out[2].to_bits());
    Ok(())
}

fn main() {
    fixed().unwrap();
    println!("{:?} {:?}", other(0), other(1));
    println!("{:?}", of_two_shapes());
    let _ = of_any_rank; // OpenVINO's CPU device runs no such model
    half().unwrap();
    let _ = context_of_hostile();
    for size in [0, 1, 55, 56, 63, 64, 65, 119, 120, 1000] {
        let data: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        for byte in wasinn::sha256::digest(&data) {
            print!("{byte:02x}");
        }
        println!();
    }
}

fn context_of_hostile() -> Result<(), Error> {
    let mut context = context!(hostile);
    hostile::set_int(&mut context, &[0.0; 2])
}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a Cargo project with bindings to five models, and the models."""
    folder = tmp_path_factory.mktemp("bound")
    (folder / "src").mkdir()
    irs = {
        "any": named(("x",), None),
        "dynamic": named(("x",), (-1, 3, -1)),
        "f16": named(("x",), (3,), "float16"),
        "hostile": named(HOSTILE),
        "plus": plus(10),
    }
    for stem, ir in irs.items():
        bind(save(folder, ir, stem), folder / "src", "--lang", "rust")
    (folder / "Cargo.toml").write_text(MANIFEST)
    (folder / "src/lib.rs").write_text(LIB)
    (folder / "src/main.rs").write_text(MAIN)
    return folder


def cargo(project: Path, *command: str) -> None:
    """Run Cargo offline, its output in the project; a warning fails like an error."""
    target = {"CARGO_TARGET_DIR": str(project / "target"), "CARGO_NET_OFFLINE": "true"}
    path = corpus.tool(TOOLS / "cargo", "a cargo for wasm32-wasip1 (run `make rust`)")
    corpus.run(path, *command, cwd=project, RUSTFLAGS="-Dwarnings", **target)


def test_a_guest_in_rust_runs_what_it_is_bound_to_and_notices_another_model(project: Path) -> None:
    cargo(project, "build", "--quiet", "--release", "--target=wasm32-wasip1")
    done = bound.run(project / "target/wasm32-wasip1/release/bound.wasm", project)
    lines = done.stdout.splitlines()
    assert lines[:6] == [
        "[11.0, 12.0] x 8",
        "Err(OtherModel { part: 0 }) Err(OtherModel { part: 1 })",
        str([3.0] * 6),
        str([3.0] * 12),
        "Err(Shape { expected: Some(3), found: 0 })",
        "4000",
    ]
    sizes = (0, 1, 55, 56, 63, 64, 65, 119, 120, 1000)
    data = [bytes(n % 251 for n in range(size)) for size in sizes]
    assert lines[6:] == [hashlib.sha256(each).hexdigest() for each in data]
    assert (done.returncode, done.stderr) == (0, "")


def test_the_modules_are_clean_under_clippy_pedantic(project: Path) -> None:
    corpus.program("cargo-clippy")
    target = {"CARGO_TARGET_DIR": str(project / "native"), "CARGO_NET_OFFLINE": "true"}
    lints = ("-Dwarnings", "-Dclippy::pedantic", "-Aclippy::missing_docs_in_private_items")
    cargo_path = corpus.program("cargo")
    corpus.run(cargo_path, "clippy", "--quiet", "--lib", "--", *lints, cwd=project, **target)


@pytest.mark.parametrize("module", ["any", "dynamic", "f16", "plus"])
def test_the_modules_are_clean_under_rustfmt(project: Path, module: str) -> None:
    """With its default settings; names far longer than usual are beyond that."""
    corpus.run(corpus.program("rustfmt"), "--check", "--edition=2021", project / f"src/{module}.rs")
