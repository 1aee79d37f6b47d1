"""Memory stays flat over a few seconds of work; `make soak` is the long run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from host import Host
from tests.bench import soak
from tests.conformance.build import compile_c, compiler

if TYPE_CHECKING:
    from pathlib import Path

LEAK = 4 << 20
"""Bytes that memory may grow by in so short a run; a graph that is not released takes 300 KB."""


def test_memory_does_not_grow_with_loads_and_inferences(tmp_path: Path) -> None:
    if not compiler().exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no compiler for wasm32: run `make toolchain`")
    guest = tmp_path / "soak.wasm"
    compile_c(soak.SOURCE, guest)
    found = soak.soak(Host(), guest, "both", loads=60, inferences=2000)
    assert found.growth < LEAK


def test_growth_is_counted_from_the_warm_process_to_its_largest() -> None:
    resident = (1, *[50] * (soak.WARM - 1), *[60] * (soak.RUNS - soak.WARM - 1), 55)
    assert soak.Soak("x", 1, resident, 1.0).growth == 10
