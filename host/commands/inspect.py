"""`python -m host inspect`: tell what a guest or a model is and wants, without running it."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from host.console import Parser, UsageError, printable, write
from host.job import BadGuestError
from host.wasm.module import MAGIC

if TYPE_CHECKING:
    from collections.abc import Iterator

_EPILOG: Final = """\
examples:
  python -m host inspect classify.wasm
      what it imports and which hosts have that, its memory, what it was built with, how to run it

  python -m host inspect model.xml
      inputs and outputs with the shapes, types and sizes that a guest has to use

  python -m host inspect --json classify.wasm
      the same, and more, for programs

exit codes: 0 told, 2 bad usage or input.
"""


def main(arguments: list[str]) -> int:
    """Print the facts of the file that `arguments` name."""
    parser = Parser(
        prog="python -m host inspect",
        description="Tell what a guest (.wasm, .wat) or a model is and wants, without running it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "file", type=Path, metavar="GUEST.wasm|MODEL", help="a guest, or a model's file or folder"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    path: Path = options.file
    facts, lines = _guest(path) if _is_guest(path) else _model(path)
    if options.json:
        write(json.dumps(facts, indent=2) + "\n")
    else:
        write("".join(f"{printable(line)}\n" for line in lines))
    return 0


def _guest(path: Path) -> tuple[dict[str, Any], Iterator[str]]:
    from host.inspection import guest, text  # noqa: PLC0415 - loads wasmtime: help comes without it

    try:
        facts = guest.inspect(path)
    except BadGuestError as error:
        raise UsageError(str(error)) from error
    return asdict(facts), text.guest_lines(facts)


def _model(path: Path) -> tuple[dict[str, Any], Iterator[str]]:
    from host.backends.openvino import OpenVino  # noqa: PLC0415 - loads OpenVINO
    from host.inspection import model, text  # noqa: PLC0415 - see above

    try:
        facts = model.inspect(path, OpenVino)
    except model.ModelError as error:
        raise UsageError(str(error)) from error
    return asdict(facts), text.model_lines(facts)


def _is_guest(path: Path) -> bool:
    """Return whether to take the file for a guest: by its first bytes, or else by its name."""
    if path.is_dir():
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC or path.suffix in {".wat", ".wasm"}
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"cannot read `{path}`: {reason}") from error
