"""Fixtures: one OpenVINO for all tests, a fresh session and guest for each."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from host.backends.openvino import OpenVino
from host.bindings import Bindings
from host.models.registry import Registry
from host.nn import Session
from tests.host import models
from tests.host.guests import Guest

if TYPE_CHECKING:
    from collections.abc import Callable

    from host import abi


@pytest.fixture(scope="session")
def backend() -> Callable[[], OpenVino]:
    """Return what gives the one OpenVINO."""
    return cache(OpenVino)


@pytest.fixture
def session(backend: Callable[[], OpenVino]) -> Session:
    """Return a session without named models."""
    return Session(backend, Registry({}), lambda _: None)


@pytest.fixture
def guest(session: Session) -> Guest:
    """Return a running guest."""
    return Guest(session)


@pytest.fixture
def in_full(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets the name of every function whose call is checked in full."""
    names: list[str] = []
    call = Bindings.call

    def noted(self: Bindings, function: abi.Function, *rest: Any) -> int:  # noqa: ANN401 - passed on
        names.append(function.name)
        return call(self, function, *rest)

    monkeypatch.setattr(Bindings, "call", noted)
    return names


@pytest.fixture(scope="session")
def pair() -> models.IR:
    """Return the IR of y = x + x for f32 [1, 2]."""
    return models.double([1, 2])
