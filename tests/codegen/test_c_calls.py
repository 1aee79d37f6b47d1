"""The C wrappers at run time: a guest of clang's calls them, a host written by hand checks what arrives.

And names that only a certain prefix brings together: their headers compile, for they cannot be in the corpus,
which chooses its prefixes itself.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

import pytest
import wasmtime

from codegen import generate
from tests.codegen import corpus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from codegen import model

SPEC: Final = """
(typename $colour (enum (@witx tag u8) $red $green $blue))
(typename $huge (enum (@witx tag u64) $none $some $many))
(typename $marks (flags (@witx repr u64) $low $b1 $b2 $b3 $b4 $b5 $b6 $b7))
(typename $mixed (record (field $a u8) (field $b u32) (field $c u16) (field $d u64) (field $e u8)))
(typename $file (handle))
(typename $first u16)
(typename $second u64)
(typename $error (enum (@witx tag u8) $success $bad $worse))
(module $host
  (@interface func (export "every")
    (param $u8 u8) (param $u16 u16) (param $u32 u32) (param $u64 u64)
    (param $s8 s8) (param $s16 s16) (param $s32 s32) (param $s64 s64)
    (param $f32 f32) (param $f64 f64) (param $char8 (@witx char8)) (param $bool bool)
    (param $colour $colour) (param $huge $huge) (param $marks $marks)
    (param $list (list u32)) (param $string string) (param $mixed $mixed)
    (param $file $file) (param $pointer (@witx const_pointer u16))
    (result $r (expected (tuple $first $second) (error $error))))
  (@interface func (export "one-u8") (result $r u8))
  (@interface func (export "one-s8") (result $r s8))
  (@interface func (export "one-u16") (result $r u16))
  (@interface func (export "one-u32") (result $r u32)))
"""

GUEST: Final = """
#include "calls.h"
#define EXPORT(name) __attribute__((__export_name__(name)))

static t_first_t first;
static t_second_t second;

/* Fill the stack that a record comes to lie on: padding that nobody writes would be seen. */
__attribute__((__noinline__)) static void dirty(void) {
  volatile uint8_t stack[512];
  for (int i = 0; i < 512; i++) stack[i] = 0xA5;
}

__attribute__((__noinline__)) static uint32_t call(uint8_t byte) {
  static const uint32_t list[] = {0x11111111, 0x22222222, 0xFFFFFFFF};
  static const uint16_t target = 0xBEEF;
  t_mixed_t mixed = {.a = byte, .b = 0xB0B1B2B3, .c = 0xC0C1, .d = 0xD0D1D2D3D4D5D6D7, .e = 0xE0};
  first = 0x5555;
  second = 0x5555555555555555;
  return t_every(0xF8, 0xFF16, 0xFFFFFF32, 0xFFFFFFFFFFFFFF64, -8, -16, -32, -64, 1.5f, -2.25, (char)0xC8, 1,
                 T_COLOUR_BLUE, T_HUGE_MANY, T_MARKS_B7 | T_MARKS_LOW | ((t_marks_t)1 << 63),
                 list, 3, "h\\xc3\\xa9!", 4, &mixed, 0xFFFFFFF0, &target, &first, &second);
}

EXPORT("every") uint32_t every(uint32_t byte) {
  dirty();
  return call((uint8_t)byte);
}
EXPORT("first") uint32_t get_first(void) { return first; }
EXPORT("second") uint64_t get_second(void) { return second; }
EXPORT("one-u8") int32_t one_u8(void) { return t_one_u8(); }
EXPORT("one-s8") int32_t one_s8(void) { return t_one_s8(); }
EXPORT("one-u16") int32_t one_u16(void) { return t_one_u16(); }
EXPORT("one-u32") uint64_t one_u32(void) { return t_one_u32(); }
"""

I32, I64, F32, F64 = "i32", "i64", "f32", "f64"
TYPES: Final = [
    *(I32, I32, I32, I64, I32, I32, I32, I64, F32, F64, I32, I32),  # scalars
    *(I32, I32, I64),  # colour, huge, marks
    *(I32, I32, I32, I32, I32, I32, I32),  # list, string, mixed, file, pointer
    *(I32, I32),  # where first and second go
]
SCALARS: Final = [
    *(0xF8, 0xFF16, 0xFFFFFF32 - 2**32, 0xFFFFFFFFFFFFFF64 - 2**64, -8, -16, -32, -64, 1.5, -2.25, 0xC8, 1),
    *(2, 2, -(2**63) + 0b1000_0001),
]
MIXED: Final = struct.pack("<B3xIH6xQB7x", 0xA0, 0xB0B1B2B3, 0xC0C1, 0xD0D1D2D3D4D5D6D7, 0xE0)
"""The record in memory; each `x` is a byte of padding that is zero."""


def _type(params: Iterable[str]) -> wasmtime.FuncType:
    """Return the type of a function that gives an i32; made late, since the engine must outlive it."""
    return wasmtime.FuncType([getattr(wasmtime.ValType, name)() for name in params], [wasmtime.ValType.i32()])


class Host:
    """The other side of the imports: it keeps what it was given, and answers as it is told."""

    def __init__(self, wasm: Path) -> None:
        self.store = wasmtime.Store()
        self.answer = 0
        self.calls: list[list[float]] = []
        self.seen: list[bytes] = []
        linker = wasmtime.Linker(self.store.engine)
        linker.define_func("host", "every", _type(TYPES), self._every)
        for name in ("one-u8", "one-s8", "one-u16", "one-u32"):
            linker.define_func("host", name, _type(()), lambda: self.answer)
        module = wasmtime.Module(self.store.engine, wasm.read_bytes())
        self.exports = linker.instantiate(self.store, module).exports(self.store)

    def call(self, name: str, *arguments: int) -> int:
        """Call an export of the guest."""
        function = self.exports[name]
        assert isinstance(function, wasmtime.Func)
        result = function(self.store, *arguments)
        assert isinstance(result, int)
        return result

    def _every(self, *given: float) -> int:
        """Note the arguments and what they point to; write the ok values, but only where all is well."""
        self.calls.append(list(given))
        memory = self.exports["memory"]
        assert isinstance(memory, wasmtime.Memory)
        list_, count, text, length, mixed, _, pointer, first, second = (int(word) for word in given[15:])
        extents = ((list_, 4 * count), (text, length), (mixed, len(MIXED)), (pointer, 2))
        self.seen = [bytes(memory.read(self.store, at, at + size)) for at, size in extents]
        assert (list_ % 4, mixed % 8, pointer % 2, first % 2, second % 8) == (0, 0, 0, 0, 0)
        if self.answer == 0:
            memory.write(self.store, struct.pack("<H", 0xF157), first)
            memory.write(self.store, struct.pack("<Q", 0x5EC0_4D00_0000_0001), second)
        return self.answer


@pytest.fixture(scope="module", params=["-O0", "-O2"])
def wasm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The guest, linked; optimised or not, it says the same."""
    folder = tmp_path_factory.mktemp("calls")
    (folder / "calls.witx").write_text(SPEC, encoding="utf-8")
    header = generate.text(
        generate.document((folder / "calls.witx",)), "c", generate.Options(prefix="t"), stem="calls"
    )
    (folder / "calls.h").write_text(header, encoding="utf-8")
    (folder / "guest.c").write_text(GUEST, encoding="utf-8")
    options = ("--target=wasm32-wasip1", "-std=c11", "-Wall", "-Wextra", "-Werror", "-fno-builtin")
    link = ("-nostdlib", "-Wl,--no-entry", "-o", folder / "guest.wasm")
    corpus.run(corpus.wasi_clang(), *options, request.param, *link, folder / "guest.c")
    return folder / "guest.wasm"


def test_every_class_of_parameter_arrives_in_order_and_whole(wasm: Path) -> None:
    host = Host(wasm)
    assert host.call("every", 0xA0) == 0
    ((*scalars, list_, count, text, length, mixed, file, pointer, first, second),) = host.calls
    assert scalars == SCALARS
    assert (count, length, file) == (3, 4, -16)
    assert len({list_, text, mixed, pointer, first, second}) == 6
    assert host.seen == [
        struct.pack("<3I", 0x11111111, 0x22222222, 0xFFFFFFFF),
        "hé!".encode(),
        MIXED,  # its padding is zero
        b"\xef\xbe",
    ]


def test_both_ok_values_come_back_through_their_own_pointers(wasm: Path) -> None:
    host = Host(wasm)
    assert host.call("every", 0xA0) == 0
    assert host.call("first") == 0xF157
    assert host.call("second") == 0x5EC0_4D00_0000_0001


@pytest.mark.parametrize(("answer", "error"), [(1, 1), (2, 2), (0x0102, 2)])
def test_an_error_is_returned_in_its_own_width_and_writes_nothing(
    wasm: Path, answer: int, error: int
) -> None:
    host = Host(wasm)
    host.answer = answer
    assert host.call("every", 0xA0) == error
    assert (host.call("first"), host.call("second")) == (0x5555, 0x5555555555555555)


@pytest.mark.parametrize(
    ("name", "answer", "value"),
    [
        ("one-u8", 0x1FF, 0xFF),
        ("one-s8", 0x1FF, -1),
        ("one-s8", 0x17F, 0x7F),
        ("one-u16", 0x1FFFE, 0xFFFE),
        ("one-u32", -2, 0xFFFFFFFE),
    ],
)
def test_a_narrow_result_is_the_low_part_of_the_core_integer(
    wasm: Path, name: str, answer: int, value: int
) -> None:
    host = Host(wasm)
    host.answer = answer
    assert host.call(name) == value


# Names

NAMED: Final = {
    "functions that are keywords": (
        "static",
        '(module $static (@interface func (export "cast")) (@interface func (export "assert")))',
        ["void static_cast_(", "void static_assert_(", "static_raw_cast("],
    ),
    "a thread-local function": (
        "thread",
        '(module $m (@interface func (export "local") (param $local u8)))',
        ["void thread_local_("],
    ),
    "a coroutine's function": ("co", '(module $m (@interface func (export "await")))', ["void co_await_("]),
    "a function named like a type": (
        "size",
        '(module $m (@interface func (export "t") (param $a string)))',
        ["void size_t_("],
    ),
    "types of stddef.h": (
        "max",
        (
            "(typename $align (record (field $a u64)))(typename $b (record (field $align $align)))"
            '(module $max (@interface func (export "f") (param $max_align_t $align)))'
        ),
        ["} max_align__t;", "max_align__t align;", "const max_align__t *max_align_t_)"],
    ),
    "types and macros of stdint.h": (
        "int",
        "(typename $fast8 (enum $max $min $width))(typename $least16 u8)(@witx const $least16 $max 7)",
        ["uint32_t int_fast8__t;", "INT_FAST8_MAX_ UINT32_C(0)"],
    ),
    "a made-up parameter that would hide its raw import": (
        "m",
        (
            "(typename $m_raw_x u32)(typename $e (enum $fine $bad))"
            '(module $m (@interface func (export "x_out") (result $r (expected $m_raw_x (error $e)))))'
        ),
        ["m_raw_x_t *m_raw_x_out_)", "m_raw_x_out(m_raw_x_out_);"],
    ),
    "a made-up length that would hide its raw import": (
        "m",
        '(module $m (@interface func (export "f_len") (param $m_raw_f (list u8))))',
        ["size_t m_raw_f_len_)", "m_raw_f_len(m_raw_f, m_raw_f_len_);"],
    ),
    "a parameter that would hide raw imports which stepped aside": (
        "m",
        '(module $m (@interface func (export "f") (param $m_raw_f u8)) (@interface func (export "raw_f")))',
        ["uint8_t m_raw_f___)"],
    ),
    "a parameter that would hide a type of its function": (
        "m",
        '(module $m (@interface func (export "f") (param $m_f_b_t u8) (param $b (tuple u8))))',
        ["uint8_t m_f_b_t_,", "const m_f_b_t *b)"],
    ),
    "a pointer's own name as a result": (
        "m",
        '(typename $p (@witx pointer (tuple u8)))(module $m (@interface func (export "g") (result $r $p)))',
        ["static inline m_p_t m_g("],
    ),
}


@pytest.mark.parametrize("name", NAMED)
def test_names_step_aside_whatever_the_prefix_makes_of_them(
    name: str, resolve: Callable[[str], model.Document], tmp_path: Path
) -> None:
    prefix, text, wanted = NAMED[name]
    header = generate.text(resolve(text), "c", generate.Options(prefix=prefix), stem="named")
    assert [line for line in wanted if line not in header] == []
    (tmp_path / "named.h").write_text(header, encoding="utf-8")
    warnings = ("-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror", "-fsyntax-only")
    for driver, language, standard in (
        ("clang", "c", "c99"),
        ("clang", "c", "c23"),
        ("clang++", "c++", "c++20"),
    ):
        source = tmp_path / f"named.{standard}.{language}"
        source.write_text('#include <stddef.h>\n#include <stdint.h>\n#include "named.h"\n', encoding="utf-8")
        options = ("--target=wasm32-wasip1", f"-std={standard}", *warnings, "-x", language)
        corpus.run(corpus.wasi_clang(driver), *options, source)
