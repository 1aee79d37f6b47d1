"""Which versions of packages are installed; imports none of them."""

from __future__ import annotations


def version_of(package: str) -> str | None:
    """Return the version of an installed package; None when it is not installed."""
    from importlib.metadata import (  # noqa: PLC0415 - takes 20 ms, and a run needs no version
        PackageNotFoundError,
        version,
    )

    try:
        return version(package)
    except PackageNotFoundError:
        return None
