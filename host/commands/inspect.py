"""`python -m host inspect`: tell what a guest or a model is and wants, without running it."""

from __future__ import annotations

import json
import stat
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from host.console import Parser, UsageError, printable, write
from host.job import BadGuestError

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

_HEAD_BYTES: Final = 4096


def main(arguments: list[str]) -> int:
    """Print the facts of the file that `arguments` name."""
    parser = Parser(
        "inspect", "Tell what a guest (.wasm, .wat) or a model is and wants, without running it.", _EPILOG
    )
    parser.add_argument(
        "file", type=Path, metavar="GUEST.wasm|MODEL", help="a guest, or a model's file or folder"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    path: Path = options.file
    data = _guest_data(path)
    facts, lines = _model(path) if data is None else _guest(path, data)
    if options.json:
        write(json.dumps(facts, indent=2) + "\n")
    else:
        write("".join(f"{printable(line)}\n" for line in lines))
    return 0


def _guest(path: Path, data: bytes) -> tuple[dict[str, Any], Iterator[str]]:
    from host.inspection import guest, text  # noqa: PLC0415 - loads wasmtime: help comes without it
    from host.wasmtime_c import WasmtimeMismatchError  # noqa: PLC0415 - see above

    try:
        facts = guest.inspect(path, data)
    except (BadGuestError, WasmtimeMismatchError) as error:
        raise UsageError(str(error)) from error
    return asdict(facts), text.guest_lines(facts)


def _model(path: Path) -> tuple[dict[str, Any], Iterator[str]]:
    from host.backends.openvino import OpenVino  # noqa: PLC0415 - loads OpenVINO
    from host.backends.openvino_c import OpenVinoMissingError  # noqa: PLC0415 - see above
    from host.inspection import model, text  # noqa: PLC0415 - see above

    try:
        facts = model.inspect(path, OpenVino)
    except (model.ModelError, OpenVinoMissingError) as error:
        raise UsageError(str(error)) from error
    return asdict(facts), text.model_lines(facts)


def _guest_data(path: Path) -> bytes | None:
    """Return the file's bytes if it is to be taken for a guest; None for a model, which OpenVINO reads.

    It is opened once: what comes from a pipe, as in `inspect <(make-a-guest)`, comes but once.
    """
    from host.guests import is_like_a_guest  # noqa: PLC0415 - loads wasmtime: help comes without it

    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return None
        if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
            raise UsageError(f"cannot read `{path}`: neither a file, a folder nor a pipe")
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            return head + file.read() if stat.S_ISFIFO(mode) or is_like_a_guest(path, head) else None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"cannot read `{path}`: {reason}") from error
