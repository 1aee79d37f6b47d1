"""Load a package that only some need, or say how to get it."""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

EXTRAS: Final[Mapping[str, str]] = MappingProxyType({"pyarrow": "batch", "ray": "ray"})
"""Each package and the extra of this one that brings it."""


class MissingExtraError(ImportError):
    """A package of an extra is not installed; the message says how to get it."""


def needed(module: str) -> Any:  # noqa: ANN401 - these packages have no types
    """Return a module of one of EXTRAS, imported; MissingExtraError when it is not installed."""
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        raise MissingExtraError(
            f"`{package}` is not installed: `pip install 'wasinn-sdk[{EXTRAS[package]}]'`", name=package
        ) from error
