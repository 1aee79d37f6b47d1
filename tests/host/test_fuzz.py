"""Whatever a guest does, a call answers what the tables say, and has no other effect.

Programs are drawn as bytes, which decide call by call: 0 is the well-formed choice, so a failure shrinks to
a guest that does one thing wrong.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from host.abi import EPOCHS, GRAPH_BUILDER, TENSOR, ExecutionTarget, GraphEncoding, NnErrno, TensorType
from host.dialects import Dialect
from host.errors import Condition
from host.memory import U32_MASK
from host.models.registry import NamedModel, Registry
from host.nn import Serving, Session
from tests.host import models
from tests.host.guests import DATA, DIMENSIONS, OUT, Guest, wat
from tests.host.guests import TENSOR as TENSOR_AT
from tests.host.reference import DTYPES, LIMITS, Reference, Spec

if TYPE_CHECKING:
    from collections.abc import Callable

    from host.backends import Backend
    from tests.host.reference import Array, Expected

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "40"))
"""Programs of some 90 calls each; `FUZZ_EXAMPLES=1200` for 10^5 calls, which differ each time."""


PROGRAM_BYTES = 1000
WELL_FORMED = 232
"""Of 256 decisions this many are for what a good guest would do."""


def fuzz(examples: int) -> settings:
    """Return how many programs to draw, and that they are the same ones where `FUZZ_EXAMPLES` is not set."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize="FUZZ_EXAMPLES" not in os.environ,
        suppress_health_check=list(HealthCheck),
    )


CALLS = (
    *("set_input",) * 8, *("compute",) * 6, *("get_output",) * 7, *("init_execution_context",) * 4,
    *("load_by_name",) * 3, "load", "load_by_name_with_config", *("unload",) * 2,
    *("finalize_execution_context",) * 2, "grow", "compute_single", "get_output_single", "fini_single",
)  # fmt: skip


def _doubled(x: Array) -> tuple[Array]:
    with np.errstate(all="ignore"):  # what is not exact is not compared
        return ((x + x).astype(x.dtype),)  # type: ignore[operator]


def _two_rows(x: Array) -> tuple[Array] | None:
    return (x,) if x.size % 2 == 0 else None


PAIR = ((1, 2), TensorType.F32)
SPECS = {
    **{f"double_{kind.name.lower()}": Spec((((3,), kind),), _doubled) for kind in TensorType},
    "scalar": Spec((((), TensorType.F32),), _doubled),
    "rows": Spec((((None, 2), TensorType.F32),), _doubled),
    "subtract": Spec((PAIR, PAIR), lambda a, b: (a - b,)),
    "two_rows": Spec((((None,), TensorType.F32),), _two_rows),
    "boolean": Spec((((2,), None),), lambda _: None),
    "passed": Spec((((2,), TensorType.F32),), lambda x: (x, x + x), 2),
    "passed_any": Spec((((None,), TensorType.F32),), lambda x: (x, x + x), 2),
}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Return the named models, compiled once for all programs."""
    irs = {
        f"double_{kind.name.lower()}": models.double([3], np.dtype(DTYPES[kind]).name) for kind in TensorType
    }
    irs |= {"scalar": models.double([]), "rows": models.double([-1, 2]), "subtract": models.subtract([1, 2])}
    irs |= {"two_rows": models.reshape(), "boolean": models.boolean()}
    irs |= {"passed": models.passed_through([2]), "passed_any": models.passed_through([-1])}
    folder = tmp_path_factory.mktemp("models")
    for name, (xml, weights) in irs.items():
        (folder / f"{name}.xml").write_bytes(xml)
        (folder / f"{name}.bin").write_bytes(weights)
    return Registry({name: NamedModel(folder / f"{name}.xml") for name in SPECS})


@dataclass
class Choices:
    """The bytes of a program, taken one by one; zeros when there are no more."""

    program: bytes
    at: int = 0

    def byte(self) -> int:
        """Take the next byte."""
        self.at += 1
        return self.program[self.at - 1] if self.at <= len(self.program) else 0

    def __bool__(self) -> bool:
        return self.at < len(self.program)

    def among(self, values: list[int], otherwise: int) -> int:
        """Return one of the values; `otherwise` when there are none."""
        return values[self.byte() % len(values)] if values else otherwise

    def number(self, good: int, *bad: int) -> int:
        """Return `good`, or seldom one of `bad`, of what is next to it, or of the largest numbers."""
        if self.byte() < WELL_FORMED:
            return good
        return self.among([*bad, good + 1, good - 1, 0, 1 << 31, U32_MASK, 77], good) & U32_MASK


@dataclass
class Player:
    """A guest that plays programs, and the reference that says what must come of each call."""

    guest: Guest
    reference: Reference
    choices: Choices
    is_exact: bool
    errnos: frozenset[int]
    models: list[tuple[bytes, GraphEncoding, int]] = field(init=False)

    def __post_init__(self) -> None:
        self.models = [(data, *found[:2]) for data, found in self.reference.loadable.items()]

    def play(self) -> None:
        """Make the calls that the choices come to, then release all that is live."""
        while self.choices:
            name = CALLS[self.choices.byte() % len(CALLS)]
            if name == "grow":
                self.guest.call("grow") if len(self.memory()) < 1 << 18 else None
            else:
                self.call(name, *getattr(self, f"_{name}")())
        for handle in self.reference.graphs.copy():
            self.call("unload", handle)
        for handle in self.reference.contexts.copy():
            self.call("finalize_execution_context", handle)

    def memory(self) -> bytes:
        """Return a copy of all of the guest's memory."""
        return self.guest.get(0, self.guest.memory.size)

    def call(self, name: str, *arguments: int) -> None:
        """Make a call and hold all of its effects against what the reference expects."""
        before = self.memory()
        expected = self.reference.expect(name, arguments, before)
        errno = self.guest.call(name, *arguments)
        assert errno in self.errnos
        assert not self.guest.reports or self.guest.condition is not Condition.UNFORESEEN, self.guest.reports[
            -1
        ]
        after = self.memory()
        if self.is_exact:
            assert errno in expected.errnos, (
                name,
                arguments,
                expected.errnos,
                errno,
                self.guest.reports[-1:],
            )
            assert after == _effect(expected, NnErrno(errno), before, after)
        elif errno != NnErrno.SUCCESS and name != "get_output":
            assert after == before
        if errno == NnErrno.SUCCESS:
            expected.commit()
            if expected.handle_at is not None:
                handle = int.from_bytes(after[expected.handle_at : expected.handle_at + 4], "little")
                assert handle not in {0, *self.reference.given}
                self.reference.given.append(handle)
                expected.on_handle(handle)

    def _pointer(self, good: int) -> int:
        end = len(self.memory()) if self.choices.byte() >= WELL_FORMED else 0
        return (
            self.choices.among([end, end - 1, end - 4, end - 3, end - 20, 0, U32_MASK - 3], 0)
            if end
            else good
        )

    def _handle(self, live: dict[int, object]) -> int:
        good = self.choices.among(list(live), 1)
        return self.choices.number(good, *self.reference.given[-8:])

    def _load(self) -> tuple[int, ...]:
        data, encoding, count = self.models[self.choices.byte() % len(self.models)]
        if self.choices.byte() >= WELL_FORMED:
            data = data[: len(data) // 2]
        self.guest.put(DATA, data)
        entries = GRAPH_BUILDER.pack(self._pointer(DATA), self.choices.number(len(data)))
        entries += GRAPH_BUILDER.pack(self._pointer(DATA), self.choices.number(0)) * (count - 1)
        self.guest.put(TENSOR_AT, entries)
        numbers = (self.choices.number(encoding, *GraphEncoding), self.choices.number(ExecutionTarget.CPU))
        return (self._pointer(TENSOR_AT), self.choices.number(count, 3, 17), *numbers, self._pointer(OUT))

    def _load_by_name(self) -> tuple[int, ...]:
        names = list(SPECS)
        name = names[self.choices.byte() % len(names)].encode()
        if self.choices.byte() >= WELL_FORMED:
            name = bytes([self.choices.byte(), *name])
        self.guest.put(DATA, name)
        return self._pointer(DATA), self.choices.number(len(name), 5000), self._pointer(OUT)

    def _load_by_name_with_config(self) -> tuple[int, ...]:
        *name, out = self._load_by_name()
        config = b"{}" if self.choices.byte() < WELL_FORMED else b"{]"
        self.guest.put(DATA + 512, config)
        return (*name, self._pointer(DATA + 512), self.choices.number(len(config)), out)

    def _init_execution_context(self) -> tuple[int, ...]:
        return self._handle(self.reference.graphs), self._pointer(OUT)  # type: ignore[arg-type]

    def _set_input(self) -> tuple[int, ...]:
        context = self._context()
        live = self.reference.contexts.get(context)
        ports = live.spec.inputs if live else (PAIR,)
        index = self.choices.byte() % len(ports)
        wanted, wanted_kind = ports[index]
        kind = TensorType.F32 if wanted_kind is None else wanted_kind
        shape = [self.choices.byte() % 5 if length is None else length for length in wanted]
        data = np.resize([self.choices.byte() % 64 for _ in range(3)], shape).astype(DTYPES[kind]).tobytes()
        if self.choices.byte() >= WELL_FORMED:
            data = bytes(reversed(range(1, 1 + len(data))))  # of no value that arithmetic is exact on
        shape = [self.choices.number(length) for length in shape]
        self.guest.put(DATA, data)
        self.guest.put(DIMENSIONS, struct.pack(f"<{len(shape)}I", *shape))
        rank, size = self.choices.number(len(shape), 33), self.choices.number(len(data), 2 * len(data))
        fields = (self._pointer(DIMENSIONS), rank, self.choices.number(kind, *TensorType) & 0xFF)
        self.guest.put(
            TENSOR_AT, TENSOR.pack(*fields, self._pointer(DATA + self.choices.byte() // 250), size)
        )
        return context, self.choices.number(index), self._pointer(TENSOR_AT)

    def _compute(self) -> tuple[int, ...]:
        return (self._context(),)

    def _get_output(self) -> tuple[int, ...]:
        size = self.choices.number(64, 0, 3, 7, 8, 12)
        return self._context(), self.choices.number(0), self._pointer(DATA), size, self._pointer(OUT)

    def _unload(self) -> tuple[int, ...]:
        return (self._handle(self.reference.graphs),)  # type: ignore[arg-type]

    def _context(self) -> int:
        return self._handle(self.reference.contexts)  # type: ignore[arg-type]

    _finalize_execution_context = _compute_single = _fini_single = _compute
    _get_output_single = _get_output


def _effect(expected: Expected, errno: NnErrno, before: bytes, after: bytes) -> bytes:
    """Return the memory as it must be after the call; what is not foreseen is as it is."""
    memory = bytearray(before)
    writes = expected.writes if errno == NnErrno.SUCCESS else []
    if errno == NnErrno.TOO_LARGE and expected.size:
        writes = [(expected.size[0], expected.size[1].to_bytes(4, "little"), 4)]
    if errno == NnErrno.SUCCESS and expected.handle_at is not None:
        writes = [(expected.handle_at, None, 4)]
    for at, data, size in writes:
        memory[at : at + size] = after[at : at + size] if data is None else data
    return bytes(memory)


def play(program: bytes, backend: Callable[[], Backend], registry: Registry, abi: str) -> None:
    """Play a program in a guest of that epoch; nothing is left of it."""
    devices = {target: "CPU" if target is ExecutionTarget.CPU else "NONE" for target in ExecutionTarget}
    session = Session(backend, registry, lambda _: None, LIMITS, Dialect(abi), Serving(devices=devices))
    loadable = {
        models.double([1, 2])[0]: (GraphEncoding.OPENVINO, 2, Spec((PAIR,), _doubled)),
        models.double([3])[0]: (GraphEncoding.OPENVINO, 2, SPECS["double_f32"]),
    }
    reference = Reference({name.encode(): spec for name, spec in SPECS.items()}, loadable)
    errnos = EPOCHS[abi].values["nn_errno"] if abi in EPOCHS else {errno.name: errno for errno in NnErrno}
    guest = Guest(session, wat(1))
    Player(guest, reference, Choices(program), abi == "current", frozenset(errnos.values())).play()
    assert (reference.graphs, reference.contexts) == ({}, {})
    assert session._graphs._live == {}  # noqa: SLF001 - nothing public says so, nor should it
    assert session._contexts._live == {}  # noqa: SLF001 - as above


programs = st.binary(min_size=PROGRAM_BYTES // 2, max_size=PROGRAM_BYTES)


@fuzz(EXAMPLES)
@given(programs)
def test_a_call_answers_and_does_what_the_tables_say(
    backend: Callable[[], Backend], registry: Registry, program: bytes
) -> None:
    play(program, backend, registry, "current")


@pytest.mark.parametrize("abi", ["auto", "2021-02", "wasmedge"])
@fuzz(EXAMPLES // 4)
@given(programs)
def test_in_no_dialect_does_a_call_fail_in_another_way(
    backend: Callable[[], Backend], registry: Registry, abi: str, program: bytes
) -> None:
    """What the numbers of other epochs come to is not held against a reference, only what holds of all."""
    play(program, backend, registry, abi)
