"""A mutated model is refused, or loads and runs: whatever a guest brings, the host's process goes on.

Each is loaded in a process of its own that is kept for the next, so a crash fails the test and not the run.
"""

from __future__ import annotations

import itertools
import os
import re
import struct
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import cache
from multiprocessing import get_context
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from host.abi import GraphEncoding, NnErrno
from host.errors import Condition
from host.models.registry import Registry
from host.nn import Limits, Session
from host.runner import openvino
from tests.host import models
from tests.host.guests import DATA, OUT, PAGE, Guest, wat

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "25"))
"""Mutated models of each kind; `FUZZ_EXAMPLES=2000` for a long run, which differs each time."""

PATIENCE = 60.0
"""Seconds after which a model counts as one that hangs the host."""

fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
SHAPES = ((2,), (1, 2))
"""Of the inputs of the models here, f32 all of them."""

SEEDS: dict[str, tuple[bytes, ...]] = {
    "ir": models.double([1, 2]),
    "ir-two-inputs": models.subtract([2]),
    "ir-weights": models.add_constant(1),
    "ir-dynamic": models.reshape(),
    "ir-repeat": models.repeat(2),
    "onnx": (models.onnx(models.tensor("c", struct.pack("<2f", 1, 2))),),
    "tensorflow": (models.tensorflow(),),
    "tensorflowlite": (models.tflite(),),
    "paddle": models.paddle(),
}
TOKENS = (
    b"", b"0", b"1", b"-1", b"?", b"2,2", b"4294967295", b"9223372036854775807", b"1e9", b"f64", b"i64",
    b"u4", b"string", b"Add", b"Const", b"Parameter", b"Result", b"Tile", b"\xff\xff\xff\xff", b"\0\0\0\0",
    b"\xff\xff\xff\x7f", b"\x80", b"\xff" * 9 + b"\x01",
)  # fmt: skip


backend = cache(openvino)


def load(builders: tuple[bytes, ...], encoding: GraphEncoding) -> int:
    """Load a model in a guest and, if that works, run it on zeros; return the errno. Runs elsewhere."""
    limits = Limits(tensor_bytes=1 << 28)
    guest = Guest(Session(backend, Registry({}), lambda _: None, limits), wat(2))
    errno = guest.load(builders, encoding)
    if errno == NnErrno.SUCCESS:
        context = guest.context_of(guest.u32())
        for index, shape in itertools.product(range(2), SHAPES):
            guest.set_input(context, bytes(8), shape, index=index)
        guest.call("compute", context)
        guest.call("get_output", context, 0, DATA, PAGE, OUT)
    bugs = [error.reason for _, error in guest.reports if error.condition is Condition.UNFORESEEN]
    assert not bugs, bugs
    return errno


@dataclass
class Loader:
    """A process that loads models; another takes its place when one dies."""

    pool: ProcessPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Have a new process."""
        self.pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))

    def load(self, builders: tuple[bytes, ...], encoding: GraphEncoding) -> int:
        """Load a model there; a crash is a failed test that shows it."""
        try:
            return self.pool.submit(load, builders, encoding).result(PATIENCE)
        except BrokenProcessPool:
            self.start()
            pytest.fail(f"the process died of {encoding.name} {builders!r}")


@pytest.fixture(scope="module")
def loader() -> Iterator[Loader]:
    """Return a loader for all models."""
    made = Loader()
    yield made
    made.pool.shutdown(cancel_futures=True)


def test_what_is_not_mutated_loads(loader: Loader) -> None:
    """Else the mutants would be refused for no reason of theirs."""
    found = {name: loader.load(seed, GraphEncoding.AUTODETECT) for name, seed in SEEDS.items()}
    assert found == dict.fromkeys(SEEDS, NnErrno.SUCCESS)


changes = st.lists(
    st.tuples(st.integers(0, 1 << 16), st.integers(0, 12), st.sampled_from(TOKENS) | st.binary(max_size=6)),
    min_size=1,
    max_size=3,
)


def _bytes_changed(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for at, length, replacement in edits:
        start = at % (len(data) + 1)
        data = data[:start] + replacement + data[start + length :]
    return data


def _values_changed(xml: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """Return XML with other values in attributes and dimensions; other bytes seldom leave it whole."""
    for at, _, replacement in edits:
        places = list(re.finditer(rb'(?<=")[^"<>]*(?=")|(?<=<dim>)[^<]*', xml))
        found = places[at % len(places)]
        xml = xml[: found.start()] + replacement + xml[found.end() :]
    return xml


@pytest.mark.parametrize("seed", SEEDS)
@fuzz
@given(edits=changes, encoding=st.sampled_from(GraphEncoding))
def test_a_model_with_other_bytes_is_refused_or_runs(
    loader: Loader, seed: str, edits: list[tuple[int, int, bytes]], encoding: GraphEncoding
) -> None:
    model, *rest = SEEDS[seed]
    kind = encoding if edits[0][0] % 4 == 0 else GraphEncoding.AUTODETECT
    loader.load((_bytes_changed(model, edits), *rest), kind)


@pytest.mark.parametrize("seed", [seed for seed in SEEDS if seed.startswith("ir")])
@fuzz
@given(edits=changes)
def test_an_ir_with_other_values_is_refused_or_runs(
    loader: Loader, seed: str, edits: list[tuple[int, int, bytes]]
) -> None:
    model, weights = SEEDS[seed]
    loader.load((_values_changed(model, edits), weights), GraphEncoding.OPENVINO)
