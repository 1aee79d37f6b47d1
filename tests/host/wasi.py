"""Guests in text that use WASI, to run whole: on the command line or through `host.Host`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from wasmtime import wat2wasm

from host import abi

ROOT = Path(__file__).resolve().parents[2]
WASI = "wasi_snapshot_preview1"
MEMORY = '(memory (export "memory") 1)'
SPIN = "(loop $spin br $spin)"

ECHO = f"""(module
  (import "{WASI}" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "{WASI}" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
  (import "{WASI}" "args_get" (func $args (param i32 i32) (result i32)))
  (import "{WASI}" "environ_sizes_get" (func $env_sizes (param i32 i32) (result i32)))
  (import "{WASI}" "environ_get" (func $env (param i32 i32) (result i32)))
  {MEMORY}
  (func $show
    (i32.store (i32.const 8) (i32.const 4096))
    (i32.store (i32.const 12) (i32.load (i32.const 4)))
    (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16))))
  (func (export "_start")
    (drop (call $args_sizes (i32.const 0) (i32.const 4)))
    (drop (call $args (i32.const 1024) (i32.const 4096)))
    (call $show)
    (drop (call $env_sizes (i32.const 0) (i32.const 4)))
    (drop (call $env (i32.const 1024) (i32.const 4096)))
    (call $show)))"""
"""Writes its arguments, each with its NUL, and then its environment."""

_SIGNATURES = {
    "fd_write": "(param i32 i32 i32 i32) (result i32)",
    "fd_read": "(param i32 i32 i32 i32) (result i32)",
    "poll_oneoff": "(param i32 i32 i32 i32) (result i32)",
    "proc_exit": "(param i32)",
}


def command(body: str, more: str = MEMORY) -> bytes:
    """Return a guest whose `_start` is `body`; all of WASI it may call is imported."""
    imports = "".join(
        f'(import "{WASI}" "{name}" (func ${name} {kind}))' for name, kind in _SIGNATURES.items()
    )
    nn = "".join(
        f'(import "{abi.MODULE}" "{function.name}" (func ${function.name} '
        f"(param {' '.join(param.type for param in function.params)}) (result i32)))"
        for function in abi.FUNCTIONS
    )
    return bytes(wat2wasm(f'(module {imports} {nn} {more} (func $main (export "_start") {body}))'))


def data(at: int, content: bytes) -> str:
    """Return the data segment that has `content` at `at`."""
    escaped = "".join(f"\\{byte:02x}" for byte in content)
    return f'(data (i32.const {at}) "{escaped}")'


def wait(seconds: int) -> str:
    """Return a body that sleeps, as wasi-libc does: one subscription to the monotonic clock."""
    return f"""
      (i32.store (i32.const 1016) (i32.const 1))
      (i64.store (i32.const 1024) (i64.const {seconds * 1_000_000_000}))
      (drop (call $poll_oneoff (i32.const 1000) (i32.const 2000) (i32.const 1) (i32.const 3000)))"""


READ = """
      (i32.store (i32.const 8) (i32.const 1024)) (i32.store (i32.const 12) (i32.const 64))
      (drop (call $fd_read (i32.const 0) (i32.const 8) (i32.const 1) (i32.const 16)))"""
"""A body that reads up to 64 bytes of stdin to 1024; how many is at 16."""


def say(text: str, stream: int = 1) -> str:
    """Return a body that writes `text`, of at most 60 plain characters."""
    stores = "".join(
        f"(i32.store8 (i32.const {64 + at}) (i32.const {byte}))" for at, byte in enumerate(text.encode())
    )
    return f"""{stores}
      (i32.store (i32.const 8) (i32.const 64)) (i32.store (i32.const 12) (i32.const {len(text)}))
      (drop (call $fd_write (i32.const {stream}) (i32.const 8) (i32.const 1) (i32.const 16)))"""


def exit_with(code: str) -> str:
    """Return a body that exits with the i32 that `code` gives."""
    return f"(call $proc_exit {code})"


def clang() -> Path:
    """Return the C compiler for guests; skips without one, fails when `CI` is set."""
    path = Path(os.environ.get("WASI_SDK_PATH") or ROOT / "build/wasi-sdk") / "bin/clang"
    if not path.exists():
        message = "clang for wasm32 is missing: run `make toolchain`"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path
