"""Programs of claims: what compiles them natively, and what their output says."""

from __future__ import annotations

from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
NATIVE: Final = ("-DWASI_NN_NATIVE", "-DWASI_NN_OUTPUT_MAX=((size_t)1000000)")
"""For the claims about calls; the limit is small so that growing to it is quick."""
SANITIZE: Final = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
"""For the `sanitizing` compiler: natively, whatever goes wrong ends the program."""


def verdict(output: str, source: Path, more: int = 0) -> None:
    """Hold what a program printed to the claims in its source, and `more` that macros or templates make."""
    lines = output.splitlines()
    assert [line for line in lines if not line.startswith("ok: ")] == ["end"]
    assert len(lines) - 1 == source.read_text(encoding="utf-8").count("  check(") + more
