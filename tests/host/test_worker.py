"""`Host.worker`: a warm guest answers record after record; what it does wrong costs one record."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from wasmtime import wat2wasm

import host
from host import abi
from host.api import Host
from host.bulk import NOTES_KEPT
from host.reactor import MESSAGE_BYTES
from tests.host.reactors import BUFFER, COUNTED, ECHO, NAME, reactor, when
from tests.host.wasi import MEMORY, READ, SPIN, command, data, exit_with, say

if TYPE_CHECKING:
    from pathlib import Path

    from tests.host import models

LOAD = f"(call $load_by_name (i32.const {NAME}) (i32.const 3) (i32.const 32))"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, pair: models.IR) -> Host:
    """Return one host for all tests, with the model `net`."""
    path = tmp_path_factory.mktemp("models") / "net.xml"
    path.write_bytes(pair[0])
    path.with_suffix(".bin").write_bytes(pair[1])
    return Host({"net": path}, cache=False)


def test_each_record_has_its_own_answer(shared: Host) -> None:
    with shared.worker(reactor()) as worker:
        records = (b"one", b"", b"three", bytes(range(256)))
        assert tuple(map(worker.call, records)) == records


def test_guest_stays_alive_between_records(shared: Host) -> None:
    with shared.worker(reactor(COUNTED)) as worker:
        assert [worker.call(b"x") for _ in range(3)] == [b"1", b"2", b"3"]


def test_start_of_the_guest_comes_before_its_first_record_and_once(shared: Host) -> None:
    start = '(func (export "_initialize") (global.set $n (i32.add (global.get $n) (i32.const 5))))'
    with shared.worker(reactor(COUNTED, more=start)) as worker:
        assert [worker.call(b"x") for _ in range(2)] == [b"6", b"7"]


def test_buffer_is_asked_for_when_a_record_is_larger_than_the_last(shared: Host) -> None:
    """Not for every record: the guest that counts how often it is asked answers 2."""
    asked = f"(global.set $asked (i32.add (global.get $asked) (i32.const 1))) (i32.const {BUFFER})"
    more = "(global $asked (mut i32) (i32.const 48))"
    body = """(i32.store8 (i32.const 16) (global.get $asked))
      (call $answer (i32.const 0) (i32.const 16) (i32.const 1))"""
    with shared.worker(reactor(body, asked, more)) as worker:
        assert [worker.call(b"x" * size) for size in (3, 1, 3, 9, 4)] == [b"1", b"1", b"1", b"2", b"2"]


def test_record_beyond_the_first_page_goes_where_the_memory_grew(shared: Host) -> None:
    grow = "(i32.mul (i32.const 65536) (memory.grow (i32.const 4)))"
    with shared.worker(reactor(alloc=grow)) as worker:
        assert worker.call(b"y" * 200_000) == b"y" * 200_000


def test_failure_of_the_guest_costs_its_own_record_only(shared: Host) -> None:
    """It is the same guest that goes on."""
    body = when("!", "(call $answer (i32.const 7) (local.get $ptr) (local.get $size))")
    with shared.worker(reactor(body)) as worker:
        assert worker.call(b"a") == b"1"
        with pytest.raises(host.RecordError, match=r"^! not this one \(code 7\)$"):
            worker.call(b"! not this one")
        assert worker.call(b"b") == b"3"


@pytest.mark.parametrize(
    ("size", "told"),
    [(0, "the guest gave no reason"), (3, "\ufffd" * 3), (60_000, "\ufffd" * MESSAGE_BYTES)],
)
def test_message_is_bounded_and_text(shared: Host, size: int, told: str) -> None:
    body = f"(call $answer (i32.const 1) (local.get $ptr) (i32.const {size}))"
    with (
        shared.worker(reactor(body)) as worker,
        pytest.raises(host.RecordError) as caught,
    ):
        worker.call(b"\xff" * 60_000)
    assert str(caught.value) == f"{told} (code 1)"


HOSTILE = {
    "result behind the memory": ("(i32.const 65536)", ""),
    "result across its end": ("(i32.const 65528)", ""),
    "result at the end of all": ("(i32.const -4)", ""),
    "answer behind the memory": ("(call $answer (i32.const 0) (i32.const 65537) (i32.const 0))", ""),
    "answer across its end": ("(call $answer (i32.const 0) (i32.const 65000) (i32.const 537))", ""),
    "answer without end": ("(call $answer (i32.const 0) (i32.const 0) (i32.const -1))", ""),
    "answer that wraps around": ("(call $answer (i32.const 0) (i32.const -1) (i32.const 9))", ""),
    "message across the end": ("(call $answer (i32.const 1) (i32.const 65000) (i32.const 537))", ""),
    "buffer behind the memory": (ECHO, "(i32.const 65537)"),
    "buffer at its end": (ECHO, "(i32.const 65536)"),
    "buffer at the end of all": (ECHO, "(i32.const -1)"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_address_outside_of_the_memory_ends_the_guest(shared: Host, name: str) -> None:
    """Whatever comes then goes to a fresh one."""
    body, alloc = HOSTILE[name]
    guest = reactor(when("!", body), alloc or f"(i32.const {BUFFER})")
    with shared.worker(guest) as worker:
        for record in (b"!", b"!") if alloc else (b"a", b"!", b"a", b"!"):
            if record == b"a":
                assert worker.call(record) == b"1"
                continue
            with pytest.raises(host.RecordError, match="an address that is not its own"):
                worker.call(record)


def test_guest_with_no_memory_at_all_is_refused_each_record(shared: Host) -> None:
    guest = reactor("(i32.const 0)", pages=0)
    with shared.worker(guest) as worker, pytest.raises(host.RecordError, match="not its own"):
        worker.call(b"x")


def test_guest_without_room_says_so_and_goes_on(shared: Host) -> None:
    alloc = f"(i32.mul (i32.const {BUFFER}) (i32.lt_u (local.get $size) (i32.const 10)))"
    with shared.worker(reactor(COUNTED, alloc)) as worker:
        assert worker.call(b"a") == b"1"
        with pytest.raises(host.RecordError, match="no memory for a record of 10 bytes"):
            worker.call(b"x" * 10)
        assert worker.call(b"a") == b"2"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("(unreachable)", "unreachable"),
        ("(call $proc_exit (i32.const 3)) (i32.const 0)", "the guest exited with 3"),
        ("(call $proc_exit (i32.const 0)) (i32.const 0)", "the guest exited with 0"),
        ("(i32.load (i32.const -1))", "out of bounds"),
        (f"{SPIN} (i32.const 0)", "0.05 s"),
    ],
)
def test_end_of_the_guest_costs_its_record_and_a_fresh_one_goes_on(
    shared: Host, body: str, told: str
) -> None:
    with shared.worker(reactor(when("!", body)), timeout=0.05) as worker:
        assert [worker.call(b"a"), worker.call(b"a")] == [b"1", b"2"]
        with pytest.raises(host.RecordError, match=told):
            worker.call(b"!")
        assert worker.call(b"a") == b"1"


def test_fuel_is_that_of_each_record(shared: Host) -> None:
    """Many records use more than all of it together."""
    with shared.worker(reactor(when("!", f"{SPIN} (i32.const 0)")), fuel=1000) as worker:
        assert [worker.call(b"a") for _ in range(9)][-1] == b"9"
        with pytest.raises(host.RecordError, match="used up the 1000 units"):
            worker.call(b"!")
        assert worker.call(b"a") == b"1"


def test_guest_that_cannot_start_fails_each_record(shared: Host) -> None:
    with shared.worker(reactor(more='(func (export "_initialize") (unreachable))')) as worker:
        for _ in range(2):
            with pytest.raises(host.RecordError, match="unreachable"):
                worker.call(b"a")


def test_memory_is_bounded(shared: Host) -> None:
    with (
        shared.worker(reactor(pages=3), max_memory=1 << 17) as worker,
        pytest.raises(host.RecordError, match="--max-memory"),
    ):
        worker.call(b"a")


def test_answer_that_is_too_long_costs_its_record_only(shared: Host) -> None:
    with shared.worker(reactor(), output_bytes=10) as worker:
        assert worker.call(b"x" * 10) == b"x" * 10
        with pytest.raises(host.RecordError, match="the answer has 11 bytes; 10 bytes is the most"):
            worker.call(b"x" * 11)


TOLD = """(i32.store (i32.const 40) (local.get $ptr)) (i32.store (i32.const 44) (local.get $size))
  (drop (call $fd_write (i32.const 2) (i32.const 40) (i32.const 1) (i32.const 48)))"""
"""A body that writes the record to stderr."""


def test_what_the_guest_wrote_to_stderr_is_told_when_it_ends(shared: Host) -> None:
    """What it wrote for this record, that is; and when it answers nothing is told."""
    with shared.worker(reactor(TOLD + when("!", "(unreachable)"))) as worker:
        worker.call(b"fine\n")
        with pytest.raises(host.RecordError, match=r"unreachable.*: ! out of ideas$"):
            worker.call(b"! out of ideas\n")


def test_what_the_guest_wrote_for_earlier_records_is_not_told(shared: Host) -> None:
    """Not even when it fails without a word."""
    with shared.worker(reactor(when("!", "(unreachable)", TOLD + COUNTED))) as worker:
        for _ in range(30):
            worker.call(b"old news\n" * 400)  # more than is kept
        with pytest.raises(host.RecordError, match=r"in function \d+$"):
            worker.call(b"!")


NOISE = """(loop $l (drop (call $fd_write (i32.const 2) (i32.const 600) (i32.const 1) (i32.const 616)))
  (i32.store (i32.const 620) (i32.add (i32.load (i32.const 620)) (i32.const 1)))
  (br_if $l (i32.lt_u (i32.load (i32.const 620)) (i32.const 5000))))"""
"""A body that writes more than is kept."""

IDLE = data(600, (700).to_bytes(4, "little") + (20).to_bytes(4, "little")) + data(
    700, b"I am fine, I am not\n"
)


def test_last_lines_are_told_of_a_guest_that_writes_much(shared: Host) -> None:
    with (
        shared.worker(reactor(f"{NOISE} {TOLD} (unreachable)", more=IDLE)) as worker,
        pytest.raises(host.RecordError, match=r": I am fine, I am not; I am fine, I am not; out of ideas$"),
    ):
        worker.call(b"out of ideas\n")


def test_last_lines_are_told_of_a_command_that_writes_much(shared: Host) -> None:
    guest = command(NOISE + say("out of ideas", 2) + exit_with("(i32.const 4)"), MEMORY + IDLE)
    with (
        shared.worker(guest) as worker,
        pytest.raises(host.RecordError, match=r": I am fine, I am not; I am fine, I am not; out of ideas$"),
    ):
        worker.call(b"")


def test_reason_of_a_failed_call_is_with_the_error_of_its_record(shared: Host) -> None:
    unknown = LOAD.replace(f"{NAME}", f"{BUFFER}")
    body = when("!", f"(drop {unknown}) (call $answer (i32.const 1) (local.get $ptr) (i32.const 1))")
    with shared.worker(reactor(body)) as worker:
        for _ in range(2):
            with pytest.raises(host.RecordError) as caught:
                worker.call(b"!ab")
            (note,) = caught.value.notes
            assert note.startswith(f"load_by_name -> {abi.NnErrno.NOT_FOUND.value} not_found: ")
            assert "`!ab`" in note


def test_reasons_are_bounded(shared: Host) -> None:
    unknown = LOAD.replace(f"{NAME}", f"{BUFFER}")
    body = f"(drop {unknown})" * (NOTES_KEPT + 5) + "(unreachable)"
    with shared.worker(reactor(body)) as worker, pytest.raises(host.RecordError) as caught:
        worker.call(b"abc")
    assert len(caught.value.notes) == NOTES_KEPT


def test_models_are_loaded_as_in_a_run(shared: Host) -> None:
    with shared.worker(reactor(f"(i32.store8 (i32.const 16) {LOAD}) {COUNTED}")) as worker:
        assert worker.call(b"x") == b"\0"


def test_pickled_worker_answers_elsewhere_with_the_same_models(shared: Host) -> None:
    worker = shared.worker(
        reactor(f"(i32.store8 (i32.const 16) {LOAD}) {COUNTED}"), timeout=9, output_bytes=1
    )
    assert worker.call(b"x") == b"\0"
    with pickle.loads(pickle.dumps(worker)) as other:  # noqa: S301 - our own
        assert other.call(b"x") == b"\0"
        assert (other.job.bounds, other.job.code) == (worker.job.bounds, worker.job.code)
    worker.close()


@pytest.mark.parametrize("has_cache", [False, True])
def test_pickled_worker_keeps_things_for_others_only_if_its_host_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_cache: bool
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "first"))
    worker = Host(cache=has_cache).worker(reactor())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "second"))
    for other in (pickle.loads(pickle.dumps(worker)), worker.moved({})):  # noqa: S301 - our own
        with other:
            assert other.call(b"x") == b"x"
    assert (tmp_path / "first").exists() == (tmp_path / "second").exists() == has_cache


def test_closed_worker_starts_anew(shared: Host) -> None:
    worker = shared.worker(reactor(COUNTED))
    assert [worker.call(b"x"), worker.call(b"x")] == [b"1", b"2"]
    worker.close()
    assert worker.call(b"x") == b"1"
    worker.close()


def test_worker_that_nobody_closes_goes_with_its_threads() -> None:
    """The garbage collector takes its parts in any order: none of them waits for another."""
    code = f"""
import gc, threading, host
shared = host.Host(cache=False)
for timeout in (None, 9) * 5:
    worker = shared.worker({reactor()!r}, timeout=timeout)
    assert worker.call(b"x") == b"x"
    del worker
    gc.collect()
for thread in threading.enumerate():
    if thread is not threading.main_thread():
        thread.join()
last = shared.worker({reactor()!r})
last.call(b"x")
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


# Commands.

CAT = f"""{READ} (i32.store (i32.const 12) (i32.load (i32.const 16)))
  (drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16)))"""


def test_command_is_run_for_each_record(shared: Host) -> None:
    with shared.worker(command(CAT)) as worker:
        assert [worker.call(b"one"), worker.call(b""), worker.call(b"two")] == [b"one", b"", b"two"]


@pytest.mark.parametrize(
    ("guest", "is_refused"),
    [
        (reactor("(call $answer (i32.const 7) (local.get $ptr) (local.get $size))"), True),
        (reactor("(call $proc_exit (i32.const 4)) (i32.const 0)"), False),
        (reactor("unreachable"), False),
        (reactor(alloc="(i32.const 0)"), False),
        (command(exit_with("(i32.const 4)")), True),
        (command("unreachable"), False),
    ],
)
def test_error_says_whether_the_guest_refused_the_record(
    shared: Host, guest: bytes, *, is_refused: bool
) -> None:
    """In place of failing: then the record is at fault, in all likelihood. Also after a pickle's journey."""
    with shared.worker(guest) as worker, pytest.raises(host.RecordError) as caught:
        worker.call(b"x")
    assert caught.value.is_refused is is_refused
    assert pickle.loads(pickle.dumps(caught.value)).is_refused is is_refused  # noqa: S301 - our own


def test_command_that_fails_is_told_with_its_stderr(shared: Host) -> None:
    with (
        shared.worker(command(say("no such luck", 2) + exit_with("(i32.const 4)"))) as worker,
        pytest.raises(host.RecordError, match=r"^the guest exited with 4: no such luck$"),
    ):
        worker.call(b"x")


@pytest.mark.parametrize(("body", "told"), [("unreachable", "unreachable"), (SPIN, "0.05 s")])
def test_command_that_is_ended_costs_its_record(shared: Host, body: str, told: str) -> None:
    with shared.worker(command(body), timeout=0.05) as worker:
        for _ in range(2):
            with pytest.raises(host.RecordError, match=told):
                worker.call(b"x")


def test_output_of_a_command_is_bounded(shared: Host) -> None:
    with shared.worker(command(CAT), output_bytes=5) as worker:
        assert worker.call(b"12345") == b"12345"
        with pytest.raises(host.RecordError, match="more than 5 bytes"):
            worker.call(b"123456")


# What is no guest for records.

NO_MAP = '(func (export "wasi_nn_alloc") (param i32) (result i32) (i32.const 0))'
MAP = '(func (export "wasi_nn_map") (param i32 i32) (result i32) (i32.const 0))'


@pytest.mark.parametrize(
    "text",
    [
        MEMORY + MAP,
        NO_MAP + MAP,
        MEMORY + NO_MAP + MAP.replace("i32 i32", "i32"),
        MEMORY + NO_MAP + MAP.replace("(result i32)", "(result i64)").replace("i32.const", "i64.const"),
        MEMORY + NO_MAP.replace("(param i32)", "") + MAP,
        f'{MEMORY} {NO_MAP} (global (export "wasi_nn_map") i32 (i32.const 0))',
    ],
)
def test_guest_that_lacks_an_export_is_refused_with_all_it_needs(shared: Host, text: str) -> None:
    with pytest.raises(
        host.BadGuestError, match=r"not all that makes a guest for records.*`wasi_nn_alloc`: "
    ):
        shared.worker(bytes(wat2wasm(f"(module {text})")))


@pytest.mark.parametrize(
    ("text", "told"),
    [(MEMORY, "has no `_start`"), (f'{MEMORY} (func (export "_initialize"))', "is a WASI reactor")],
)
def test_guest_without_an_entry_is_refused(shared: Host, text: str, told: str) -> None:
    with pytest.raises(host.BadGuestError, match=told):
        shared.worker(bytes(wat2wasm(f"(module {text})")))


def test_guest_with_an_unknown_import_is_refused(shared: Host) -> None:
    text = f'(module (import "env" "f" (func)) {MEMORY} {NO_MAP} {MAP})'
    with shared.worker(bytes(wat2wasm(text))) as worker, pytest.raises(host.BadGuestError, match="1 import"):
        worker.call(b"x")


def test_run_of_a_guest_for_records_is_sent_to_map(shared: Host) -> None:
    with pytest.raises(host.BadGuestError, match="`python -m host map`"):
        shared.run(reactor())


def test_options_that_make_no_sense_are_refused(shared: Host) -> None:
    with pytest.raises(ValueError, match="dialect"):
        shared.worker(reactor(), abi="nonsense")
    with pytest.raises(TypeError, match="arguments"):
        shared.worker(reactor(), "words")
    with pytest.raises(ValueError, match="timeout"):
        shared.worker(reactor(), timeout=-1)
