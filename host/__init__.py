"""The Python WASI-NN host: run a guest with models it may use; nothing is imported until it is asked for."""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from host.api import Graphs, Host, RunResult, run
    from host.batch.udf import GuestUDF
    from host.bulk import RecordError, Worker
    from host.job import BadGuestError, GuestTrapError, LimitError, Preopen, RunError
    from host.models.files import RegistrationError
    from host.models.options import ModelOptions
    from host.nn import Limits, Serving

__all__ = [
    "BadGuestError",
    "Graphs",
    "GuestTrapError",
    "GuestUDF",
    "Host",
    "LimitError",
    "Limits",
    "ModelOptions",
    "Preopen",
    "RecordError",
    "RegistrationError",
    "RunError",
    "RunResult",
    "Serving",
    "Worker",
    "run",
]

_HOMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "api": "Graphs Host RunResult run",
        "batch.udf": "GuestUDF",
        "bulk": "RecordError Worker",
        "job": "BadGuestError GuestTrapError LimitError Preopen RunError",
        "models.files": "RegistrationError",
        "models.options": "ModelOptions",
        "nn": "Limits Serving",
    }
)
"""The module of each name: wasmtime is loaded by who runs a guest, not by who imports `host.abi`."""


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names.split():
            return getattr(import_module(f"host.{module}"), name)
    raise AttributeError(f"module `host` has no attribute `{name}`")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
