"""Fixtures: witx text in, document or diagnostics out, through the real stages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from codegen import generate
from codegen.source import WitxError

if TYPE_CHECKING:
    from collections.abc import Callable

    from codegen import model

ROOT = Path(__file__).resolve().parents[2]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--bless`; it is known when `tests/codegen` or a part of it is named on the command line."""
    parser.addoption("--bless", action="store_true", help="write the corpus's goldens anew")


@pytest.fixture
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture
def resolve(tmp_path: Path) -> Callable[[str], model.Document]:
    """Resolve a text as the one file `spec.witx`."""

    def resolved(text: str) -> model.Document:
        path = tmp_path / "spec.witx"
        path.write_text(text, encoding="utf-8")
        return generate.document((path,))

    return resolved


@pytest.fixture
def problems(resolve: Callable[[str], model.Document]) -> Callable[[str], list[str]]:
    """Resolve a text that must be refused; return `line:column message` of every diagnostic."""

    def refused(text: str) -> list[str]:
        with pytest.raises(WitxError) as caught:
            resolve(text)
        found = []
        for diagnostic in caught.value.diagnostics:
            line, column = diagnostic.span.source.position(diagnostic.span.start)
            found.append(f"{line}:{column} {diagnostic.message}")
        return found

    return refused
