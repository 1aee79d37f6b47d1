"""Rust's lowering, asked of a linked wasm and of a run: the generator's own word is not taken for either."""

from __future__ import annotations

import re
from struct import Struct
from typing import TYPE_CHECKING, Final

import pytest
import wasmtime

from codegen import generate
from tests.codegen import corpus

if TYPE_CHECKING:
    from pathlib import Path

EVERY: Final = "rust_param_every_class"
HANDLER: Final = """\
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
"""
CALLER: Final = """\
#![no_std]
mod every;
use every::{Errno, File, Framed, Marks, Port, Shade, Time, Wide};

fn call() -> Result<(Time, Port), Errno> {
    let framed = Framed::new(0x5a, Wide::FAR, 0xbeef);
    unsafe {
        every::class(
            0xf1, 0xf1f2, 0xf1f2_f3f4, 0xf1f2_f3f4_f5f6_f7f8,
            -2, -300, -70_000, -5_000_000_000,
            1.5, -2.25,
            Shade::WHITE, Wide::BEYOND, Wide::FAR, 1,
            Marks(0x8000_0000_0000_0005),
            &[7, 8, 0xffff], "gr\\u{fc}n", &framed,
            File(0xfedc_ba98), 0x7654_3210 as *mut u32,
        )
    }
}

#[no_mangle]
pub extern "C" fn time() -> u64 {
    call().map_or(0, |both| both.0)
}

#[no_mangle]
pub extern "C" fn port() -> u32 {
    call().map_or(0, |both| u32::from(both.1))
}

#[no_mangle]
pub extern "C" fn errno() -> u32 {
    call().map_or_else(|errno| u32::from(errno.0), |_| 0)
}
"""
TIME: Final = 0x1122_3344_5566_7788
PORT: Final = 0xABCD
PARAMS: Final = [*["i32"] * 3, "i64", *["i32"] * 3, "i64", "f32", "f64", *["i32"] * 4, "i64", *["i32"] * 9]
"""The core parameters of `class`, written by hand."""


class Host:
    """Plays the module `every`: keeps what it is called with, and answers `code`."""

    def __init__(self, wasm: Path) -> None:
        self.code = 0
        self.calls: list[tuple[int | float, ...]] = []
        self.lent: list[tuple[bytes, bytes, bytes]] = []
        self._store = wasmtime.Store()
        module = wasmtime.Module(self._store.engine, wasm.read_bytes())
        linker = wasmtime.Linker(self._store.engine)
        type_ = wasmtime.FuncType(
            [getattr(wasmtime.ValType, name)() for name in PARAMS], [wasmtime.ValType.i32()]
        )
        linker.define_func("every", "class", type_, self._class, access_caller=True)
        self._exports = linker.instantiate(self._store, module).exports(self._store)

    def ask(self, export: str) -> int:
        """Call an export of the guest."""
        function = self._exports[export]
        assert isinstance(function, wasmtime.Func)
        return int(function(self._store))

    def _class(self, caller: wasmtime.Caller, *values: float) -> int:
        memory = caller["memory"]
        assert isinstance(memory, wasmtime.Memory)
        self.calls.append(values)
        items, count, text, length, framed = (int(value) for value in values[15:20])
        time, port = (int(value) for value in values[22:])
        assert (items % 2, framed % 8, time % 8, port % 2) == (0, 0, 0, 0)
        spans = ((items, 2 * count), (text, length), (framed, 24))
        items_, text_, framed_ = (bytes(memory.read(caller, start, start + size)) for start, size in spans)
        self.lent.append((items_, text_, framed_))
        if self.code == 0:
            memory.write(caller, TIME.to_bytes(8, "little"), time)
            memory.write(caller, PORT.to_bytes(2, "little"), port)
        return self.code


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wasm that calls a function with a parameter of every class."""
    folder = tmp_path_factory.mktemp("every")
    (folder / "every.rs").write_text(corpus.text(EVERY, "rust"), encoding="utf-8")
    return _link(folder / "caller.rs", CALLER)


def test_the_linked_wasm_imports_what_the_dumps_say(tmp_path: Path) -> None:
    """All texts in one crate; each text's name goes before its modules' names, to keep them apart."""
    wanted, wrappers, source = [], [], "#![no_std]\n"
    for name in corpus.generated("rust"):
        text = corpus.text(name, "rust")
        marked = re.sub(r'(\[link\(wasm_import_module = ")', rf"\g<1>{name}/", text)
        (tmp_path / f"{name}.rs").write_text(marked, encoding="utf-8")
        source += f"mod {name};\n"
        functions = re.findall(r"^pub (?:unsafe )?fn (\w+)\(", text, re.MULTILINE)
        assert len(functions) == len(corpus.signatures(name))
        wrappers += [f"{name}::{function}" for function in functions]
        wanted += [(f"{name}/{module}", *rest) for module, *rest in corpus.signatures(name)]
    table = "".join(f"    {wrapper} as *const (),\n" for wrapper in wrappers)
    source += '#[no_mangle]\npub extern "C" fn calls(index: usize) -> *const () {\n'
    source += f"    [\n{table}    ][index]\n}}\n"
    module = wasmtime.Module(wasmtime.Engine(), _link(tmp_path / "calls.rs", source).read_bytes())
    assert sorted(map(_signature, module.imports)) == sorted(wanted)
    assert len(wanted) > 150


def test_each_parameter_arrives_in_its_place(every: Path) -> None:
    host = Host(every)
    assert host.ask("time") == TIME
    assert host.ask("port") == PORT
    assert host.calls[0] == host.calls[1]
    values = host.calls[0]
    integers = (0xF1, 0xF1F2, _signed(0xF1F2_F3F4, 32), _signed(0xF1F2_F3F4_F5F6_F7F8, 64))
    assert values[:8] == (*integers, -2, -300, -70_000, -5_000_000_000)
    assert values[8:15] == (1.5, -2.25, 2, 2, 1, 1, _signed(0x8000_0000_0000_0005, 64))
    assert (values[16], values[18]) == (3, 5)
    assert values[20:22] == (_signed(0xFEDC_BA98, 32), 0x7654_3210)
    assert len(values) == 24


def test_what_lies_in_memory_is_laid_out_and_its_padding_is_zero(every: Path) -> None:
    host = Host(every)
    host.ask("time")
    record = Struct("<B7xQH6x").pack(0x5A, 1, 0xBEEF)
    assert host.lent == [(Struct("<3H").pack(7, 8, 0xFFFF), "grün".encode(), record)]


def test_an_error_comes_back_as_one(every: Path) -> None:
    host = Host(every)
    assert host.ask("errno") == 0
    host.code = 2
    assert [host.ask(export) for export in ("errno", "time", "port")] == [2, 0, 0]


@pytest.mark.parametrize("is_pointing", [False, True])
def test_types_that_double_with_each_name_take_no_time(tmp_path: Path, *, is_pointing: bool) -> None:
    first = "(@witx pointer u8)" if is_pointing else "u8"
    text = f"(typename $t0 {first})\n" + "".join(
        f"(typename $t{i} (record (field $a (list $t{i - 1})) (field $b (list $t{i - 1}))))\n"
        for i in range(1, 40)
    )
    assert ("unsafe fn" in _generated(tmp_path, text, "$t39")) is is_pointing


@pytest.mark.parametrize("is_pointing", [False, True])
def test_a_long_chain_of_records_is_no_deep_recursion(tmp_path: Path, *, is_pointing: bool) -> None:
    first = "(@witx pointer u8)" if is_pointing else "u8"
    text = f"(typename $t0 {first})\n" + "".join(
        f"(typename $t{i} (record (field $a $t{i - 1})))\n" for i in range(1, 2000)
    )
    assert ("unsafe fn" in _generated(tmp_path, text, "$t1999")) is is_pointing


def _generated(folder: Path, types: str, param: str) -> str:
    path = folder / "types.witx"
    path.write_text(
        f'{types}(module $m (@interface func (export "f") (param $x {param})))\n', encoding="utf-8"
    )
    return generate.text(generate.document((path,)), "rust")


def _link(source: Path, text: str) -> Path:
    rustc = corpus.tool(
        corpus.ROOT / "build/rust/bin/rustc", "the Rust toolchain for wasm32 (run `make toolchain`)"
    )
    source.write_text(f"#![allow(dead_code)]\n{text}{HANDLER}", encoding="utf-8")
    wasm = source.with_suffix(".wasm")
    options = (
        "--edition=2021",
        "--crate-type=cdylib",
        "--target=wasm32-wasip1",
        "-Cpanic=abort",
        "-Dwarnings",
    )
    corpus.run(rustc, *options, "-o", wasm, source)
    return wasm


def _signature(import_: wasmtime.ImportType) -> tuple[str, str, tuple[str, ...], tuple[str, ...]]:
    assert isinstance(import_.type, wasmtime.FuncType)
    params, results = import_.type.params, import_.type.results
    return import_.module, import_.name or "", tuple(map(str, params)), tuple(map(str, results))


def _signed(value: int, bits: int) -> int:
    """Return what an unsigned number is as the signed one of the same bits."""
    return value - (1 << bits) if value >> (bits - 1) else value
