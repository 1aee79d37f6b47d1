"""The `wasinn-gen` command: the only place of the generator that prints, reads arguments or exits."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from codegen import generate, output
from codegen.source import WitxError

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent

_EXAMPLES = """\
examples:
  wasinn-gen headers            write the C header, the Rust module and the host's tables
  wasinn-gen headers --check    exit 1 and show a diff when one of them is stale, edited or orphaned

exit status: 0 all is well, 1 generated files differ, 2 bad usage or bad witx
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="wasinn-gen",
        description="Generate C headers, Rust bindings and the host's ABI tables from WASI-NN's witx text.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    headers = commands.add_parser(
        "headers",
        help="write the generated files, or check them",
        description=(
            "Read witx/wasi_ephemeral_nn.witx and write guest/c/include/wasi_ephemeral_nn.h, "
            "guest/rust/src/raw.rs and host/abi.py. Prints the files it changed, nothing when none did."
        ),
    )
    headers.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 with a diff on any drift"
    )
    options = parser.parse_args(arguments)
    try:
        return _headers(ROOT, check=options.check)
    except WitxError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"wasinn-gen: error: {error.filename or 'output'}: {error.strerror or error}", file=sys.stderr)
        return 2


def _headers(root: Path, *, check: bool) -> int:
    files = generate.headers(root)
    if not check:
        for path in output.write(files):
            print(_shown(path))
        return 0
    drifts = output.check(files)
    for drift in drifts:
        print(f"{_shown(drift.path)} {drift.problem}", file=sys.stderr)
        print(drift.diff, end="")
    if drifts:
        print("wasinn-gen: run `wasinn-gen headers` and commit what it writes", file=sys.stderr)
    return 1 if drifts else 0


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


if __name__ == "__main__":
    sys.exit(main())
