"""The command line of the host: finds the command in argv and decides the exit code."""

from __future__ import annotations

import sys
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from host.console import EXIT_INTERRUPTED, EXIT_USAGE, UsageError, say, write
from host.versions import version_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COMMANDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "run": "run one guest",
        "map": "run one guest on many inputs",
        "serve": "put one guest behind a port, by the Open Inference Protocol",
        "export": "write one guest as a model repository, for Triton and KServe",
        "replay": "make the calls of a trace again, without the guest, and compare the answers",
        "convert": "make OpenVINO IR of a model, with the preparation of its input inside",
        "inspect": "tell what a guest or a model is and wants",
        "devices": "list the devices that models can run on",
        "cache": "tell what is kept of compiled guests and models, or remove it",
    }
)
"""Every command and what it is for; each is a module of `host.commands` with a `main(arguments) -> int`."""

_HELP_HEAD: Final = """\
usage: python -m host COMMAND ...

Run WebAssembly guests that classify with wasi-nn, on OpenVINO.

commands:
"""

_HELP_TAIL: Final = """\
  --version  print the version

`python -m host COMMAND --help` says more, with examples.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command in `argv` (that of the process when None); return the exit code, never raise."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _main(arguments)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except UsageError as error:
        say("error", str(error))
        for kind, text in error.details:
            say(kind, text)
        return EXIT_USAGE
    except OSError as error:  # none that a command foresaw; those tell more
        what = "a file" if error.filename is None else f"`{error.filename}`"
        say("error", f"{what} could not be read or written: {error.strerror or error}")
        return EXIT_USAGE
    except SystemExit as end:  # argparse, after it printed its help
        return int(end.code or 0)


def _main(arguments: list[str]) -> int:
    command = arguments[0] if arguments else ""
    if command in {"-h", "--help"}:
        lines = (f"  {name:<11}{purpose}\n" for name, purpose in COMMANDS.items())
        write("".join([_HELP_HEAD, *lines, _HELP_TAIL]))
        return 0
    if command == "--version":
        write(f"{version_of('wasinn-sdk') or 'wasinn-sdk, not installed'}\n")
        return 0
    if command not in COMMANDS:
        problem = f"no command `{command}`" if command else "no command given"
        names = ", ".join(f"`{name}`" for name in COMMANDS)
        raise UsageError(f"{problem}: the commands are {names}; `python -m host --help` says more")
    code: int = import_module(f"host.commands.{command}").main(arguments[1:])
    return code
