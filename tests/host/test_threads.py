"""Several guests at once, each in a thread of its own: every answer, exit and limit is its own."""

from __future__ import annotations

import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

import host
from host import abi
from host.api import Host
from tests.host.wasi import SPIN, command, data, exit_with, say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.host import models

THREADS, RUNS = 8, 100
MODEL, GRAPH, CONTEXT, SIZE = 2048, 0, 4, 20
TENSOR, DIMENSIONS, NUMBERS, ANSWER = 512, 544, 1024, 1536


def _classifier(load: str, more: str = "") -> bytes:
    """Return a guest that reads two f32, doubles them with a model, and writes what it got.

    It looks at the answer itself: it exits with 9 when that is not its own two numbers, doubled.
    """
    tensor = abi.TENSOR.pack(DIMENSIONS, 2, abi.TensorType.F32, NUMBERS, 8)
    memory = data(TENSOR, tensor) + data(DIMENSIONS, struct.pack("<2I", 1, 2)) + data(256, b"net") + more
    call = "(if (local.tee $e {}) (then (call $proc_exit (local.get $e))))"
    steps = (
        load,
        f"(call $init_execution_context (i32.load (i32.const {GRAPH})) (i32.const {CONTEXT}))",
        f"(call $set_input (i32.load (i32.const {CONTEXT})) (i32.const 0) (i32.const {TENSOR}))",
        f"(call $compute (i32.load (i32.const {CONTEXT})))",
        f"""(call $get_output (i32.load (i32.const {CONTEXT})) (i32.const 0)
          (i32.const {ANSWER}) (i32.const 8) (i32.const {SIZE}))""",
    )
    twice = "(f32.ne (f32.load (i32.const {0})) (f32.mul (f32.const 2) (f32.load (i32.const {1}))))"
    body = f"""(local $e i32)
      (i32.store (i32.const 8) (i32.const {NUMBERS})) (i32.store (i32.const 12) (i32.const 8))
      (drop (call $fd_read (i32.const 0) (i32.const 8) (i32.const 1) (i32.const 16)))
      {" ".join(call.format(step) for step in steps)}
      (if {twice.format(ANSWER, NUMBERS)} (then (call $proc_exit (i32.const 9))))
      (if {twice.format(ANSWER + 4, NUMBERS + 4)} (then (call $proc_exit (i32.const 9))))
      (i32.store (i32.const 8) (i32.const {ANSWER}))
      (drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16)))"""
    return command(body, f'(memory (export "memory") 2) {memory}')


BY_NAME = "(call $load_by_name (i32.const 256) (i32.const 3) (i32.const 0))"
FROM_BYTES = "(call $load (i32.const 272) (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0))"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, pair: models.IR) -> Host:
    """Return one host for all threads, with the model `net`."""
    path = tmp_path_factory.mktemp("models") / "net.xml"
    path.write_bytes(pair[0])
    path.with_suffix(".bin").write_bytes(pair[1])
    return Host({"net": path})


@pytest.fixture(autouse=True)
def hasty() -> Iterator[None]:
    """Have Python change threads a hundred times as often as it would."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(before / 100)
    yield
    sys.setswitchinterval(before)


def test_eight_threads_run_a_guest_a_hundred_times_each(shared: Host) -> None:
    """Each run has its own numbers, and gets the answer to those."""
    code = _classifier(BY_NAME)

    def answers(thread: int) -> int:
        right = 0
        for number in range(RUNS):
            numbers = float(thread), float(number)
            done = shared.run(code, stdin=struct.pack("<2f", *numbers))
            right += (done.exit_code, done.stdout) == (0, struct.pack("<2f", *(2 * x for x in numbers)))
        return right

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(answers, range(THREADS))) == [RUNS] * THREADS


def test_guests_bring_the_same_model_at_once(shared: Host, pair: models.IR) -> None:
    entry = abi.GRAPH_BUILDER.pack(MODEL, len(pair[0])) + abi.GRAPH_BUILDER.pack(MODEL, len(pair[1]))
    code = _classifier(FROM_BYTES, data(272, entry) + data(MODEL, pair[0]))

    def answer(number: int) -> bytes:
        return shared.run(code, stdin=struct.pack("<2f", number, -number)).stdout

    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(answer, range(16)))
    assert found == [struct.pack("<2f", 2 * number, -2 * number) for number in range(16)]


def test_first_load_of_a_model_by_all_threads_at_once(tmp_path: Path, pair: models.IR) -> None:
    """One compiles it, the others wait: none fails, and none gets half a model."""
    (tmp_path / "net.xml").write_bytes(pair[0])
    (tmp_path / "net.bin").write_bytes(pair[1])
    fresh = Host({"net": tmp_path / "net.xml"})
    code = _classifier(BY_NAME)
    with ThreadPoolExecutor(THREADS) as pool:
        codes = list(pool.map(lambda _: fresh.run(code, stdin=bytes(8)).exit_code, range(THREADS)))
    assert codes == [0] * THREADS


def _outcome(shared: Host, number: int) -> str:
    """Run one of five guests, each of which ends in its own way; return how it did."""
    mark = f"run {number}"
    kinds: tuple[tuple[str, dict[str, int | float]], ...] = (
        (say(mark) + exit_with(f"(i32.const {number})"), {}),
        (say(mark) + "unreachable", {}),
        (say(mark) + SPIN, {"timeout": 0.05}),
        (say(mark) + SPIN, {"fuel": 10_000}),
        (say(mark) + "(drop (memory.grow (i32.const 1))) (unreachable)", {"max_memory": 1 << 16}),
    )
    body, options = kinds[number % len(kinds)]
    try:
        done = shared.run(command(body), **options)  # type: ignore[arg-type]  # a row of the table
    except host.LimitError as error:
        how, stdout = error.limit, error.stdout
    except host.GuestTrapError as error:
        how, stdout = ("memory" if "--max-memory" in str(error) else "trap"), error.stdout
    else:
        how, stdout = ("exit" if done.exit_code == number else "another's exit"), done.stdout
    # A time that is up before the guest has begun is up, too.
    is_its_own = stdout == mark.encode() or (how == "timeout" and not stdout)
    return how if is_its_own else f"{how} with the output of another: {stdout!r}"


def test_every_run_ends_in_its_own_way(shared: Host) -> None:
    """Exits, traps and limits of all kinds at once: none is taken for another's."""
    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(lambda number: _outcome(shared, number), range(200)))
    assert found == ["exit", "trap", "timeout", "fuel", "memory"] * 40


def test_short_time_of_one_is_not_that_of_another(shared: Host) -> None:
    """Guests on one clock: those with more time go on after those with less were ended."""
    works = """(local $n i32) (loop $l
      (br_if $l (i32.ne (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 3000000))))"""
    work, stuck = command(works + say("done")), command(SPIN)

    def run(number: int) -> bytes:
        if number % 2:
            with pytest.raises(host.LimitError):
                shared.run(stuck, timeout=0.03)
            return b"done"
        return shared.run(work, timeout=60).stdout

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(run, range(40))) == [b"done"] * 40
