"""A stand-in for a wasi-nn host: runs a guest for real, notes what it is handed, answers what a test says.

It computes nothing and shares no code with `host`.
"""

from __future__ import annotations

import struct
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from wasmtime import (
    Caller,
    Engine,
    ExitTrap,
    Func,
    FuncType,
    Linker,
    Memory,
    Module,
    Store,
    ValType,
    WasiConfig,
)

from codegen import abi, generate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
GRAPH = 7
TOO_LARGE = 7


@dataclass(frozen=True, slots=True)
class Tensor:
    """What `set_input` was handed: the record's own 20 bytes, and what its two lists point at."""

    record: bytes
    dimensions: tuple[int, ...]
    type: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Ran:
    """How a guest ended and what it said."""

    code: int
    stdout: bytes
    stderr: str


@cache
def _compile(guest: Path, _written: int) -> tuple[Engine, Module]:
    """Compile a guest once for all runs of this file's state; it takes longer than most runs."""
    engine = Engine()
    return engine, Module.from_file(engine, str(guest))


@dataclass(slots=True)
class StandIn:
    """One run's answers and notes."""

    output: bytes = b""
    outputs: Mapping[int, bytes] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    names: list[bytes] = field(default_factory=list)
    models: list[tuple[bytes, ...]] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)

    def run(
        self, guest: Path, *arguments: str, folders: Mapping[Path, str] | None = None, stdin: bytes = b""
    ) -> Ran:
        """Run the guest to its end."""
        engine, compiled = _compile(guest, guest.stat().st_mtime_ns)
        linker, store = Linker(engine), Store(engine)
        linker.define_wasi()
        (module,) = generate.document((ROOT / generate.SPEC,)).modules
        for function in module.functions:
            kind = FuncType([ValType.i32() for _ in abi.lower(function).params], [ValType.i32()])
            handler = _Handler(self, function.name)
            linker.define_func(module.name, function.name, kind, handler, access_caller=True)
        with tempfile.TemporaryDirectory() as scratch:
            files = {name: Path(scratch) / name for name in ("stdin", "stdout", "stderr")}
            files["stdin"].write_bytes(stdin)
            wasi = WasiConfig()
            wasi.argv = [guest.name, *arguments]
            wasi.stdin_file = str(files["stdin"])
            wasi.stdout_file = str(files["stdout"])
            wasi.stderr_file = str(files["stderr"])
            for folder, name in (folders or {}).items():
                wasi.preopen_dir(str(folder), name)
            store.set_wasi(wasi)
            start = linker.instantiate(store, compiled).exports(store)["_start"]
            assert isinstance(start, Func)
            code = 0
            try:
                start(store)
            except ExitTrap as ended:
                code = ended.code
            del store, start, wasi  # closes the files
            return Ran(code, files["stdout"].read_bytes(), files["stderr"].read_text(encoding="utf-8"))

    def answer(self, name: str, memory: _View, arguments: Sequence[int]) -> int:
        """Note a call and answer it."""
        self.calls.append(name)
        error = self.errors.get(name, 0)
        if error:
            return error
        match name, arguments:
            case "load", (parts, count, _, _, out):
                heads = [memory.u32s(parts + 8 * number, 2) for number in range(count)]
                self.models.append(tuple(memory.read(at, size) for at, size in heads))
                memory.write(out, struct.pack("<I", GRAPH))
            case "load_by_name", (at, size, out):
                self.names.append(memory.read(at, size))
                memory.write(out, struct.pack("<I", GRAPH))
            case "init_execution_context", (_, out):
                memory.write(out, struct.pack("<I", 0))
            case "set_input", (_, _, at):
                record = memory.read(at, 20)
                dimensions, rank, type_, data, size = struct.unpack("<IIB3xII", record)
                shape = memory.u32s(dimensions, rank)
                self.tensors.append(Tensor(record, shape, type_, memory.read(data, size)))
            case "get_output", (_, index, buffer, room, out):
                output = self.outputs.get(index, self.output)
                memory.write(out, struct.pack("<I", len(output)))
                if len(output) > room:
                    return TOO_LARGE
                memory.write(buffer, output)
            case _:
                pass
        return 0


@dataclass(frozen=True, slots=True)
class _View:
    memory: Memory
    caller: Caller

    def read(self, start: int, size: int) -> bytes:
        found = bytes(self.memory.read(self.caller, start, start + size))
        assert len(found) == size, "the guest points outside its memory"
        return found

    def u32s(self, start: int, count: int) -> tuple[int, ...]:
        return struct.unpack(f"<{count}I", self.read(start, 4 * count))

    def write(self, start: int, data: bytes) -> None:
        self.memory.write(self.caller, data, start)


@dataclass(frozen=True, slots=True)
class _Handler:
    """The function of one name."""

    stand_in: StandIn
    name: str

    def __call__(self, caller: Caller, *arguments: int) -> int:
        memory = caller["memory"]
        assert isinstance(memory, Memory)
        # Addresses arrive signed.
        return self.stand_in.answer(
            self.name, _View(memory, caller), [value & 0xFFFFFFFF for value in arguments]
        )
