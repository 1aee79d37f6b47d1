"""Guests in text that answer records."""

from __future__ import annotations

from wasmtime import wat2wasm

from host import abi
from tests.host.wasi import WASI, data

RESULT, BUFFER, NAME = 0, 1024, 512

ANSWER = """
  (func $answer (param $code i32) (param $ptr i32) (param $size i32) (result i32)
    (i32.store (i32.const 0) (local.get $code))
    (i32.store (i32.const 4) (local.get $ptr))
    (i32.store (i32.const 8) (local.get $size))
    (i32.const 0))"""

ECHO = "(call $answer (i32.const 0) (local.get $ptr) (local.get $size))"
"""A body that answers with the record."""

COUNT = """
  (global.set $n (i32.add (global.get $n) (i32.const 1)))
  (i32.store8 (i32.const 16) (i32.add (i32.const 48) (global.get $n)))"""
"""A body that counts the records, the number as a digit at 16."""

COUNTED = "(call $answer (i32.const 0) (i32.const 16) (i32.const 1))"


def reactor(body: str = ECHO, alloc: str = f"(i32.const {BUFFER})", more: str = "", pages: int = 1) -> bytes:
    """Return a guest whose `wasi_nn_map` counts and then is `body`, on `$ptr` and `$size`."""
    return bytes(
        wat2wasm(f"""(module
  (import "{WASI}" "proc_exit" (func $proc_exit (param i32)))
  (import "{WASI}" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "{WASI}" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (import "{abi.MODULE}" "load_by_name" (func $load_by_name (param i32 i32 i32) (result i32)))
  (memory (export "memory") {pages}) {data(NAME, b"net") if pages else ""}
  (global $n (mut i32) (i32.const 0))
  {ANSWER} {more}
  (func (export "wasi_nn_alloc") (param $size i32) (result i32) {alloc})
  (func (export "wasi_nn_map") (param $ptr i32) (param $size i32) (result i32)
    {COUNT if pages else ""} {body}))""")
    )


def when(first: str, then: str, otherwise: str = COUNTED) -> str:
    """Return a body that is `then` for records that begin with `first`, else `otherwise`."""
    return f"""
      (if (result i32) (i32.eq (i32.load8_u (local.get $ptr)) (i32.const {ord(first)}))
        (then {then}) (else {otherwise}))"""
