"""Every feature of witx, one text each: dumped, formatted, generated, compiled, and read back from compilers.

`pytest tests/codegen --bless` writes the goldens anew (`*.json` beside a valid text, `*.txt` beside an
invalid one); look at the difference before you commit it. What a golden says of sizes, offsets and
signatures has a second witness here: clang's own layout and the import section of the linked wasm.
"""

from __future__ import annotations

import re
import types
from collections import Counter
from struct import Struct
from typing import TYPE_CHECKING, Final

import cffi
import pytest
import wasmtime

from codegen import generate
from codegen.dump import dump
from codegen.formatter import format_source
from codegen.source import Source, WitxError
from tests.codegen import corpus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WARNINGS: Final = ("-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only")
STANDARDS: Final = ("c99", "c11", "c17", "c23", "c++17")
TARGETS: Final = tuple(generate.TARGETS)


@pytest.fixture
def bless(request: pytest.FixtureRequest) -> bool:
    """Whether goldens are written instead of compared."""
    return bool(request.config.getoption("--bless", default=False))


@pytest.fixture(scope="module")
def headers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with every header and `all.h`."""
    folder = tmp_path_factory.mktemp("headers")
    corpus.write_headers(folder)
    return folder


@pytest.fixture(scope="module")
def crate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a crate with every Rust module."""
    folder = tmp_path_factory.mktemp("crate")
    (folder / "src").mkdir()
    names = corpus.generated("rust")
    for name in names:
        (folder / f"src/{name}.rs").write_text(corpus.text(name, "rust"), encoding="utf-8")
    heading = "//! The corpus.\n#![no_std]\n#![deny(missing_docs, unsafe_op_in_unsafe_fn)]\n"
    modules = "".join(f"/// One text.\npub mod {name};\n" for name in names)
    (folder / "src/lib.rs").write_text(heading + modules, encoding="utf-8")
    manifest = '[package]\nname = "corpus"\nversion = "0.1.0"\nedition = "2021"\nrust-version = "1.81"\n'
    (folder / "Cargo.toml").write_text(manifest, encoding="utf-8")
    return folder


def test_the_corpus_is_as_broad_as_promised() -> None:
    assert len(corpus.NAMES) >= 120
    assert len(corpus.INVALID) >= 80


def test_every_text_says_what_it_pins_down() -> None:
    texts = [corpus.files(name)[0] for name in corpus.NAMES] + list(corpus.INVALID)
    assert [path.name for path in texts if not path.read_bytes().startswith(b";; ")] == []


def test_no_golden_is_left_over() -> None:
    wanted = {f"valid/{name}.json" for name in corpus.NAMES}
    wanted |= {f"invalid/{path.stem}.txt" for path in corpus.INVALID}
    found = {
        path.relative_to(corpus.DATA).as_posix()
        for kind in ("valid", "invalid")
        for path in (corpus.DATA / kind).glob("*")
        if path.is_file() and path.suffix != ".witx"
    }
    assert found == wanted


# The document


@pytest.mark.parametrize("name", corpus.NAMES)
def test_the_dump_is_the_golden(name: str, *, bless: bool) -> None:
    golden = corpus.DATA / f"valid/{name}.json"
    corpus.compare(golden, corpus.as_json(corpus.dumped(name)), bless=bless)


@pytest.mark.parametrize("name", corpus.NAMES)
def test_formatting_keeps_the_meaning_and_is_idempotent(name: str, tmp_path: Path) -> None:
    base = corpus.DATA / "valid"
    folder = base / name if (base / name).is_dir() else base
    sources = sorted(folder.rglob("*.witx")) if folder != base else list(corpus.files(name))
    for path in sources:
        once = format_source(Source(path.name, path.read_text(encoding="utf-8")))
        assert format_source(Source(path.name, once)) == once
        copy = tmp_path / path.relative_to(folder)
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(once, encoding="utf-8")
    specs = tuple(tmp_path / path.relative_to(folder) for path in corpus.files(name))
    assert dump(generate.document(specs)) == corpus.dumped(name)


@pytest.mark.parametrize("path", corpus.INVALID, ids=lambda path: path.stem)
def test_the_diagnostics_are_the_golden(path: Path, *, bless: bool) -> None:
    with pytest.raises(WitxError) as caught:
        generate.document((path,))
    found = str(caught.value).replace(f"{path.parent}/", "") + "\n"
    corpus.compare(path.with_suffix(".txt"), found, bless=bless)


@pytest.mark.parametrize("path", corpus.INVALID, ids=lambda path: path.stem)
def test_problems_stand_in_source_order_inside_the_text(path: Path) -> None:
    with pytest.raises(WitxError) as caught:
        generate.document((path,))
    found = caught.value.diagnostics
    starts = [d.span.start for d in found if d.span.source.path == str(path)]
    assert starts == sorted(starts)
    assert all(d.span.start < d.span.end <= len(d.span.source.text) for d in found if d.span.source.text)


# The targets


@pytest.mark.parametrize(("lang", "name"), corpus.REFUSED, ids=str)
def test_a_target_says_what_it_cannot_express(lang: str, name: str) -> None:
    with pytest.raises(WitxError, match=corpus.REFUSED[lang, name]):
        corpus.text(name, lang)


@pytest.mark.parametrize("lang", TARGETS)
def test_every_text_generates(lang: str) -> None:
    failed = {}
    for name in corpus.generated(lang):
        try:
            corpus.text(name, lang)
        except WitxError as error:
            failed[name] = str(error)
    assert failed == {}


# C


@pytest.mark.parametrize("standard", STANDARDS)
def test_headers_compile_for_wasm32_in_every_standard(headers: Path, standard: str) -> None:
    """All headers in one translation unit: their prefixes keep them apart."""
    driver, language = ("clang++", "c++") if standard.startswith("c++") else ("clang", "c")
    options = ("--target=wasm32-wasip1", f"-std={standard}", *WARNINGS, "-x", language)
    source = headers / f"{standard}.{language}"
    source.write_text('#include "all.h"\n', encoding="utf-8")
    corpus.run(corpus.wasi_clang(driver), *options, source)


def test_each_header_compiles_alone(headers: Path) -> None:
    clang = corpus.wasi_clang()
    options = ("--target=wasm32-wasip1", "-std=c99", *WARNINGS, "-x", "c")

    def compile_alone(name: str) -> None:
        source = headers / f"{name}.alone.c"
        source.write_text(f'#include "{name}.h"\n', encoding="utf-8")
        corpus.run(clang, *options, source)

    corpus.in_parallel(compile_alone, corpus.generated("c"))


@pytest.mark.parametrize("standard", ["c99", "gnu11", "c++17"])
def test_headers_compile_natively_for_unit_tests(headers: Path, standard: str) -> None:
    driver, language = ("c++", "c++") if standard.startswith("c++") else ("cc", "c")
    source = headers / f"native.{standard}.{language}"
    defines = "".join(f"#define {corpus.prefix(name).upper()}NATIVE\n" for name in corpus.generated("c"))
    source.write_text(f'{defines}#include "all.h"\n', encoding="utf-8")
    corpus.run(corpus.program(driver), f"-std={standard}", *WARNINGS, "-x", language, source)


@pytest.mark.parametrize("name", corpus.generated("c"))
def test_a_header_asserts_every_size_and_alignment_of_its_types(name: str) -> None:
    wanted = set()
    macro = corpus.prefix(name).upper()
    for expression, number in corpus.numbers(name):
        if "__typeof__" not in expression and "payload." not in expression:
            wanted.add(f"{expression.replace('_Alignof', f'{macro}ALIGNOF')} == {number}")
    asserted = set(re.findall(rf'^{macro}STATIC_ASSERT\((.*), "', corpus.text(name, "c"), re.MULTILINE))
    assert wanted <= asserted


def test_clang_lays_types_out_as_the_dump_says(headers: Path, tmp_path: Path) -> None:
    """The asserts are taken out; clang's own numbers are read from the memory of the linked wasm."""
    names = corpus.generated("c")
    for name in names:
        header = corpus.without_asserts(corpus.text(name, "c"))
        (tmp_path / f"{name}.h").write_text(header, encoding="utf-8")
    asked = [(name, *number) for name in names for number in corpus.numbers(name)]
    expressions = ",\n".join(f"  {expression}" for _, expression, _ in asked)
    body = f'#include "all.h"\nconst uint32_t numbers[] = {{\n{expressions}\n}};\n'
    (tmp_path / "all.h").write_text((headers / "all.h").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "numbers.c").write_text(body, encoding="utf-8")
    wasm = _link(tmp_path / "numbers.c", "numbers")
    store = wasmtime.Store()
    exports = wasmtime.Instance(store, wasmtime.Module(store.engine, wasm.read_bytes()), []).exports(store)
    memory, address = exports["memory"], exports["numbers"]
    assert isinstance(memory, wasmtime.Memory)
    assert isinstance(address, wasmtime.Global)
    start = address.value(store)
    table = Struct(f"<{len(asked)}I")
    found = table.unpack(memory.read(store, start, start + table.size))
    wrong = [
        (*question, answer) for question, answer in zip(asked, found, strict=True) if question[2] != answer
    ]
    assert wrong == []
    assert len(asked) > 1000


def test_the_linked_wasm_imports_what_the_dump_says(headers: Path, tmp_path: Path) -> None:
    """Every wrapper is kept alive by a table of their addresses, so every raw import stays in the wasm."""
    corpus.wasi_clang()
    engine = wasmtime.Engine()

    def check(name: str) -> None:
        wanted = corpus.signatures(name)
        wrappers = re.findall(r"^static inline .*?(\w+)\($", corpus.text(name, "c"), re.MULTILINE)
        assert len(wrappers) == len(wanted)
        source = tmp_path / f"{name}.c"
        table = ", ".join(f"(void (*)(void)){wrapper}" for wrapper in wrappers)
        source.write_text(
            f'#include "{headers / name}.h"\nvoid (*const calls[])(void) = {{{table}}};\n', encoding="utf-8"
        )
        module = wasmtime.Module(engine, _link(source, "calls").read_bytes())
        assert sorted(_imports(module)) == wanted

    with_functions = [name for name in corpus.generated("c") if corpus.signatures(name)]
    corpus.in_parallel(check, with_functions)
    assert len(with_functions) > 60


def _link(source: Path, symbol: str) -> Path:
    wasm = source.with_suffix(".wasm")
    options = ("--target=wasm32-wasip1", "-std=c11", "-nostdlib", "-Wl,--no-entry", f"-Wl,--export={symbol}")
    corpus.run(corpus.wasi_clang(), *options, "-o", wasm, source)
    return wasm


def _imports(module: wasmtime.Module) -> Iterator[tuple[str, str, tuple[str, ...], tuple[str, ...]]]:
    for import_ in module.imports:
        assert isinstance(import_.type, wasmtime.FuncType)
        params, results = import_.type.params, import_.type.results
        yield import_.module, import_.name or "", tuple(map(str, params)), tuple(map(str, results))


# Rust


def test_rust_modules_compile_for_the_host(crate: Path, tmp_path: Path) -> None:
    _type_check(corpus.program("rustc"), crate, tmp_path)


def test_rust_modules_compile_for_wasm32_where_their_layout_asserts_hold(crate: Path, tmp_path: Path) -> None:
    rustc = corpus.tool(
        corpus.ROOT / "build/rust/bin/rustc", "the Rust toolchain for wasm32 (run `make toolchain`)"
    )
    _type_check(rustc, crate, tmp_path, "--target=wasm32-wasip1")


def _type_check(rustc: str, crate: Path, folder: Path, *options: str) -> None:
    fixed = ("--edition=2021", "--crate-type=lib", "--emit=metadata", "-Dwarnings")
    corpus.run(rustc, *fixed, *options, "-o", folder / "corpus.rmeta", crate / "src/lib.rs")


def test_rust_modules_are_clean_under_clippy_pedantic(crate: Path, tmp_path: Path) -> None:
    lints = ("-Dwarnings", "-Wclippy::pedantic", "-Wclippy::undocumented_unsafe_blocks")
    command = ("clippy", "--offline", "--quiet", "--", *lints)
    corpus.run(corpus.program("cargo"), *command, cwd=crate, CARGO_TARGET_DIR=str(tmp_path))


@pytest.mark.parametrize("name", corpus.generated("rust"))
def test_a_rust_module_asserts_every_size_and_alignment_of_its_types(name: str) -> None:
    text = corpus.text(name, "rust")
    found = Counter(re.findall(r"core::mem::(size_of|align_of)::<[^(]*>\(\) == (\d+)\);", text))
    wanted = Counter(
        (what, str(type_["type"][key]))
        for type_ in corpus.dumped(name)["types"]
        for what, key in (("size_of", "size"), ("align_of", "align"))
    )
    assert wanted <= found


# Python and docs


@pytest.mark.parametrize("name", corpus.NAMES)
def test_the_python_module_runs_and_its_structs_have_the_dumps_sizes(name: str) -> None:
    module = types.ModuleType(f"corpus_{name}")
    exec(compile(corpus.text(name, "python"), f"{name}.py", "exec"), module.__dict__)  # noqa: S102 (our own output)
    structs = [value.size for value in vars(module).values() if isinstance(value, Struct)]
    in_memory = {"record", "tuple", "list", "variant", "union", "expected"}
    kinds = [type_["type"] for type_ in corpus.dumped(name)["types"]]
    assert structs == [type_["size"] for type_ in kinds if type_["kind"] in in_memory]
    functions = [(f.module, f.name, tuple(p.type for p in f.params), f.results) for f in module.FUNCTIONS]
    assert sorted(functions) == corpus.signatures(name)


@pytest.mark.parametrize("name", corpus.NAMES)
def test_the_python_modules_declarations_lay_out_as_its_structs(name: str) -> None:
    """By cffi, which lays C structures out by itself."""
    module = types.ModuleType(f"corpus_{name}")
    exec(compile(corpus.text(name, "python"), f"{name}.py", "exec"), module.__dict__)  # noqa: S102 (our own output)
    ffi = cffi.FFI()
    ffi.cdef(module.CDEF)
    structs = {name: value for name, value in vars(module).items() if isinstance(value, Struct)}
    assert {f"guest_{constant.lower()}" for constant in structs} == set(ffi.list_types()[0])
    for constant, struct in structs.items():
        declared = ffi.typeof(f"guest_{constant.lower()}")
        assert ffi.sizeof(f"guest_{constant.lower()}") == struct.size
        offsets = [field.offset for member, field in declared.fields if not member.startswith("_padding")]
        assert offsets == _offsets(struct.format)


def _offsets(format_: str) -> list[int]:
    """Return where each field of a `struct` format starts."""
    starts, at = [], 0
    for code in re.findall(r"\d*[a-zA-Z]", format_):
        if not code.endswith("x"):
            starts.append(at)
        at += Struct(f"<{code}").size
    return starts


@pytest.mark.parametrize("name", corpus.NAMES)
def test_the_page_has_a_section_for_each_type_and_function(name: str) -> None:
    text = corpus.text(name, "docs")
    sections = len(re.findall(r"^### ", text, re.MULTILINE))
    assert sections == len(corpus.dumped(name)["types"]) + len(corpus.signatures(name))
    for type_ in corpus.dumped(name)["types"]:
        assert f"size {type_['type']['size']}, align {type_['type']['align']}" in text
