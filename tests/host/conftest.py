"""Fixtures: one OpenVINO for all tests, a fresh session and guest for each."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from host.backends.openvino import OpenVino
from host.models.registry import Registry
from host.nn import Session
from tests.host import models
from tests.host.guests import Guest

if TYPE_CHECKING:
    from collections.abc import Callable


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


@pytest.fixture(scope="session")
def pair() -> models.IR:
    """Return the IR of y = x + x for f32 [1, 2]."""
    return models.double([1, 2])
