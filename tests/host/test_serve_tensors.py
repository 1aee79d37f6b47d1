"""`python -m host serve`, a real Triton, real clients: the bytes of every tensor get to whom they are for."""

from __future__ import annotations

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pytest
import tritonclient.grpc  # type: ignore[import-untyped]  # has neither stubs nor py.typed
import tritonclient.http  # type: ignore[import-untyped]  # as above
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]  # as above

from host.lanes import LOST_MOST
from tests.host.batches import until
from tests.host.reactors import ECHO, NAME, reactor, when
from tests.host.served import asked, get, grpc_client, is_answering, serving
from tests.host.wasi import SPIN, wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.host.served import Service

pytestmark = pytest.mark.triton

Arrays: TypeAlias = "Mapping[str, tuple[str, np.ndarray]]"
"""The data type of each input as the protocol calls it, and its numbers."""

ROWS: Final = 8
SHAPE: Final = (2, 3)
DTYPES: Final = {
    "BOOL": "bool", "UINT8": "u1", "UINT16": "u2", "UINT32": "u4", "UINT64": "u8", "INT8": "i1",
    "INT16": "i2", "INT32": "i4", "INT64": "i8", "FP16": "f2", "FP32": "f4", "FP64": "f8",
}  # fmt: skip


def guest(path: Path, tensors: Mapping[str, tuple[str, tuple[int, ...]]], body: str = ECHO) -> Path:
    """Write a guest of this body, whose outputs are like its inputs, with an `o` before their names."""
    path.write_bytes(reactor(body, more=HAS, pages=16))
    lines = [
        f'[[{table}]]\nname = "{before}{name}"\ndatatype = "{datatype}"\nshape = {list(shape)}\n'
        for table, before in (("inputs", ""), ("outputs", "o"))
        for name, (datatype, shape) in tensors.items()
    ]
    path.with_suffix(".toml").write_text("".join(lines))
    return path


def by_grpc(service: Service, inputs: Arrays, names: Sequence[str]) -> Any:  # noqa: ANN401 - no types
    """Ask by gRPC for the outputs of these names."""
    given = []
    for name, (datatype, array) in inputs.items():
        given.append(tritonclient.grpc.InferInput(name, array.shape, datatype))
        given[-1].set_data_from_numpy(array)
    wanted = [tritonclient.grpc.InferRequestedOutput(name) for name in names]
    with grpc_client(service) as client:
        return client.infer(service.name, given, outputs=wanted, client_timeout=60)


def by_http(service: Service, inputs: Arrays, names: Sequence[str], *, is_binary: bool) -> Any:  # noqa: ANN401 - no types
    """Ask by HTTP; what is FP16 is binary in any case, there is none in JSON."""
    given = []
    for name, (datatype, array) in inputs.items():
        given.append(tritonclient.http.InferInput(name, array.shape, datatype))
        given[-1].set_data_from_numpy(array, binary_data=is_binary or datatype == "FP16")
    wanted = [
        tritonclient.http.InferRequestedOutput(name, binary_data=is_binary or name == "oFP16")
        for name in names
    ]
    with tritonclient.http.InferenceServerClient(service.http, network_timeout=60) as client:
        return client.infer(service.name, given, outputs=wanted)


WAYS: Final[Mapping[str, Callable[..., Any]]] = {
    "grpc": by_grpc,
    "http": partial(by_http, is_binary=True),
    "json": partial(by_http, is_binary=False),
}


@pytest.fixture(scope="module")
def every(triton_home: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service with an input and an output of each type, which gives back the bytes it gets."""
    path = guest(tmp_path_factory.mktemp("every") / "every.wasm", {each: (each, SHAPE) for each in DTYPES})
    with serving(triton_home, path, f"--rows-per-call={ROWS}", "--instances=1") as service:
        yield service


def some(rows: int, seed: int = 0) -> dict[str, tuple[str, np.ndarray]]:
    """Return a tensor of each type, whose rows are not like each other."""
    numbers = np.random.default_rng(seed).integers(0, 120, (len(DTYPES), rows, *SHAPE))
    return {
        name: (name, (each % 2 if name == "BOOL" else each).astype(dtype))
        for (name, dtype), each in zip(DTYPES.items(), numbers, strict=True)
    }


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rows", [1, 3, ROWS])
def test_every_type_of_every_row_comes_back_as_it_was(every: Service, way: str, rows: int) -> None:
    given = some(rows)
    answer = WAYS[way](every, given, [f"o{name}" for name in given])
    for name, (_, array) in given.items():
        found = answer.as_numpy(f"o{name}")
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array, err_msg=name)


@pytest.mark.parametrize("way", WAYS)
def test_some_of_the_outputs_can_be_asked_for(every: Service, way: str) -> None:
    given = some(2)
    answer = WAYS[way](every, given, ["oINT16", "oUINT64"])
    assert answer.as_numpy("oFP32") is None
    for name in ("INT16", "UINT64"):
        np.testing.assert_array_equal(answer.as_numpy(f"o{name}"), given[name][1])


def test_each_of_many_clients_gets_its_own_rows(every: Service) -> None:
    """Also where Triton has put requests of several into one call."""

    def ask(seed: int) -> None:
        given = some(1 + seed % 2, seed)
        answer = by_grpc(every, given, ["oFP64", "oINT8"])
        for name in ("FP64", "INT8"):
            np.testing.assert_array_equal(answer.as_numpy(f"o{name}"), given[name][1])

    with ThreadPoolExecutor(16) as clients:
        list(clients.map(ask, range(320)))
    (told,) = json.loads(get(every, "models/every/stats")[1])["model_stats"]
    assert told["execution_count"] < told["inference_stats"]["success"]["count"], "none were put together"


@pytest.mark.parametrize("way", WAYS)
def test_length_that_may_be_any_is_that_of_the_request(triton_home: str, tmp_path: Path, way: str) -> None:
    path = guest(tmp_path / "any.wasm", {"x": ("INT16", (2, -1))})
    with serving(triton_home, path, "--instances=1") as service:
        for length in (1, 7, 5000):
            x = np.arange(2 * length, dtype="i2").reshape(2, length)
            answer = WAYS[way](service, {"x": ("INT16", x)}, ["ox"])
            np.testing.assert_array_equal(answer.as_numpy("ox"), x)


SHIFT: Final = f"""
  (i32.store offset=4 (local.get $ptr) (i32.add (i32.load offset=4 (local.get $ptr)) (i32.const 4)))
  (i32.store offset=8 (local.get $ptr) (i32.sub (i32.load offset=8 (local.get $ptr)) (i32.const 4)))
  {ECHO}"""
"""Answers two records with one that is longer by a number, and one that is shorter."""


def test_answers_of_several_lengths_cost_the_request(triton_home: str, tmp_path: Path) -> None:
    path = guest(tmp_path / "shift.wasm", {"x": ("FP32", (-1,))}, SHIFT)
    with (
        serving(triton_home, path, f"--rows-per-call={ROWS}", "--instances=1") as service,
        pytest.raises(InferenceServerException, match="output `ox` has another length for each record"),
    ):
        by_grpc(service, {"x": ("FP32", np.ones((2, 3), "f4"))}, ["ox"])


# What a request costs that has a bad row.

HAS: Final = """
  (func $has (param $ptr i32) (param $size i32) (param $byte i32) (result i32)
    (local $at i32)
    (local.set $at (i32.add (i32.mul (i32.const 4) (i32.add (i32.const 1) (i32.load (local.get $ptr))))
      (local.get $ptr)))
    (block $end
      (loop $next
        (br_if $end (i32.ge_u (local.get $at) (i32.add (local.get $ptr) (local.get $size))))
        (if (i32.eq (i32.load8_u (local.get $at)) (local.get $byte)) (then (return (i32.const 1))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (i32.const 0))"""
"""Whether a byte is in one of the records of a frame."""


def has(byte: str) -> str:
    """Return the condition for that."""
    return f"(call $has (local.get $ptr) (local.get $size) (i32.const {ord(byte)}))"


PICKY: Final = f"""
  (if {has("~")} (then {SPIN}))
  (if (result i32) {has("?")}
    (then (call $answer (i32.const 7) (local.get $ptr) (i32.const 0))) (else {ECHO}))"""
"""Refuses frames with a `?` in them, and does not end at those with `~`."""

TIMEOUT: Final = 1.0


@pytest.fixture(scope="module")
def picky(triton_home: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return the served picky guest, of one byte a row."""
    path = guest(tmp_path_factory.mktemp("picky") / "picky.wasm", {"x": ("UINT8", (1,))}, PICKY)
    words = (f"--rows-per-call={ROWS}", "--instances=1", f"--timeout={TIMEOUT}")
    with serving(triton_home, path, *words) as service:
        yield service


def picked(service: Service, text: str) -> str:
    """Return the answer to a row for each character."""
    x = np.array([[ord(each)] for each in text], dtype="u1")
    answer = by_grpc(service, {"x": ("UINT8", x)}, ["ox"])
    return bytes(answer.as_numpy("ox").ravel().tolist()).decode()


def test_request_with_a_row_that_is_refused_is_told_which(picky: Service) -> None:
    assert picked(picky, "abc") == "abc"
    with pytest.raises(InferenceServerException, match="record 2: the guest gave no reason") as caught:
        picked(picky, "ab?d")
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_request_whose_rows_do_not_end_is_given_up_at_the_first(picky: Service) -> None:
    """Together, and alone: not each of them."""
    begin = time.monotonic()
    with pytest.raises(InferenceServerException, match=r"record 0: .*1 s") as caught:
        picked(picky, "~" * ROWS)
    assert time.monotonic() - begin < (1 + ROWS) * TIMEOUT
    assert caught.value.status() == "StatusCode.INTERNAL"
    assert picked(picky, "abc") == "abc"


def test_bad_requests_cost_no_others_that_were_put_together_with_them(picky: Service) -> None:
    def ask(number: int) -> str:
        try:
            return picked(picky, "?" if number % 5 == 0 else chr(97 + number % 5))
        except InferenceServerException:
            return "refused"

    with ThreadPoolExecutor(16) as clients:
        found = list(clients.map(ask, range(200)))
    assert found == ["refused" if at % 5 == 0 else chr(97 + at % 5) for at in range(200)]


# What clients are told of a failure.


def test_refusal_in_many_bytes_gets_to_clients_of_grpc(triton_home: str, tmp_path: Path) -> None:
    """A gRPC error is a header, and clients refuse half of those that have 12 KiB: so several times."""
    path = tmp_path / "refuse.wasm"
    path.write_bytes(reactor("(call $answer (i32.const 7) (local.get $ptr) (local.get $size))", pages=16))
    with serving(triton_home, path, "--instances=1") as service:
        for text in ("é" * 2000, "\U0001f600" * 1000, "%" * 4000) * 5:
            record = np.array([text.encode()], dtype=np.object_)
            with pytest.raises(InferenceServerException, match=f"^.*{text[:400]}") as caught:
                by_grpc(service, {"record": ("BYTES", record)}, ["answer"])
            assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_refusal_after_a_call_of_wasi_nn_failed_gets_500(triton_home: str, tmp_path: Path) -> None:
    """It may be no fault of the record."""
    path = tmp_path / "graphless.wasm"
    path.write_bytes(
        reactor(f"""
          (drop (call $load_by_name (i32.const {NAME}) (i32.const 3) (i32.const 8)))
          (call $answer (i32.const 7) (local.get $ptr) (local.get $size))""")
    )
    with serving(triton_home, path, "--instances=1") as service:
        assert asked(service, b"why") == (500, "why (code 7)")


def test_guest_that_cannot_be_started_again_tells_clients_no_paths(triton_home: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    path = tmp_path / "trap.wasm"
    path.write_bytes(reactor(when("!", "(unreachable)", ECHO)))
    log = tmp_path / "log"
    words = ("--instances=1", "--dir", f"{folder}::/data", "--log", log)
    with serving(triton_home, path, *words) as service:
        shutil.rmtree(folder)
        assert asked(service, b"!")[0] == 500
        assert asked(service, b"x") == (500, "the guest cannot be started: the server's log says why")
        assert str(folder) in log.read_text(errors="replace")
        folder.mkdir()
        assert asked(service, b"x") == (200, "x"), "it is tried again"


def test_process_with_too_many_stuck_threads_is_replaced(triton_home: str, tmp_path: Path) -> None:
    path = tmp_path / "stuck.wasm"
    path.write_bytes(reactor(when("~", wait(600) + ECHO, ECHO), pages=16))
    with serving(triton_home, path, "--instances=1", "--timeout=0.1") as service:
        before = service.instances()
        for _ in range(LOST_MOST):
            code, text = asked(service, b"~")
            assert code == 500
            assert "stuck for more than the 0.1 s" in text
            assert asked(service, b"x") == (200, "x")
        assert service.instances() == before
        with suppress(OSError):  # Triton 2.51 went with the instance once, on a busy machine
            assert asked(service, b"~")[0] == 500
        until(lambda: service.instances() and not service.instances() & before)
        until(lambda: is_answering(service))
