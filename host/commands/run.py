"""`python -m host run`: run one guest with the folders, variables and models its operator gives it."""

from __future__ import annotations

import argparse
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from host import dialects, registry
from host.console import EXIT_TRAP, Parser, UsageError, say
from host.job import BadGuestError, Bounds, GuestTrapError, Job, Listener, Preopen
from host.nn import Limits, Serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from host.errors import NnError

EXIT_MASK: Final = 0xFF
"""What the system keeps of an exit code: a guest's `exit(-1)` is 255, as everywhere.

Where it would keep 0 of a guest's failure, the code is this number: `exit(256)` must not look like success.
"""

_USAGE: Final = (
    "python -m host run GUEST.wasm [--dir HOST[::GUEST]]... [--env K=V]... [--graph NAME=MODEL]... "
    "[--abi EPOCH] [--named-graphs-only] [-v] [--] [args...]"
)

_EPILOG: Final = """\
Options of the host may stand before or after GUEST.wasm; all else goes to the guest.
Put `--` before arguments of the guest that start with a dash.

examples:
  python -m host run hello.wasm
      run a guest that needs nothing

  python -m host run classify.wasm --dir photos --graph squeezenet=model.xml photos/cup.jpg
      let the guest read the folder `photos`, and load the model by the name `squeezenet`

  python -m host run classify.wasm --dir /data/2024::in --graph net=models/net -- --top 3 in/a.png
      the guest sees /data/2024 as `in`; `--top 3` is for the guest; models/net holds model.xml and model.bin

  python -m host run -v classify.wasm ...
      when the guest only says "error 1": see the reason of every wasi-nn call that failed

exit codes: the guest's own (its low 8 bits, or 255 if those are 0 and it failed); 1 when it trapped;
2 for bad usage or input; 130 when interrupted.
"""


def main(arguments: list[str]) -> int:
    """Run the guest that `arguments` name; return its exit code or the host's own."""
    parser = _parser()
    at = arguments.index("--") if "--" in arguments else len(arguments)
    options, unknown = parser.parse_known_intermixed_args(arguments[:at])
    if unknown:
        raise UsageError(
            f"`{unknown[0]}` is no option of the host; if it is for the guest, put `--` before its arguments"
        )
    words = [*options.words, *arguments[at + 1 :]]
    if not words:
        raise UsageError(f"no guest given: {_USAGE}")
    from host.runner import run  # noqa: PLC0415 - loads wasmtime: help and usage errors come without it

    job = _job(words, options)
    listener = Listener(
        report=lambda function, error: _report(function, error, is_verbose=options.verbose),
        notice=lambda text: say("note", text) if options.verbose else None,
        warn=lambda text: say("note", text),
    )
    try:
        with _interruptible():
            code = run(job, listener)
        return code and (code & EXIT_MASK or EXIT_MASK)
    except BadGuestError as error:
        raise UsageError(str(error)) from error
    except GuestTrapError as error:
        say("error", f"the guest trapped: {error}")
        return EXIT_TRAP


def _parser() -> Parser:
    parser = Parser(
        prog="python -m host run",
        usage=_USAGE,
        description="Run a WASI command that uses wasi-nn.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "words", metavar="GUEST.wasm [args]", nargs="*", help="a core module (.wasm, or .wat)"
    )
    parser.add_argument(
        "--dir", metavar="HOST[::GUEST]", action="append", default=[],
        help="a folder the guest may read and write, under the name GUEST (HOST when left out)",
    )  # fmt: skip
    parser.add_argument("--env", metavar="K=V", action="append", default=[], help="a variable for the guest")
    parser.add_argument(
        "--graph", metavar="NAME=MODEL", action="append", default=[],
        help="a model the guest may load by name: a file "
        f"({', '.join(registry.SUFFIXES)}) or a folder with {' or '.join(registry.FOLDER_MODELS)} in it",
    )  # fmt: skip
    parser.add_argument(
        "--abi", choices=dialects.CHOICES, default=dialects.AUTO, metavar="EPOCH",
        help=f"what the guest's numbers mean: {', '.join(dialects.CHOICES)} (default: auto, by the bytes)",
    )  # fmt: skip
    parser.add_argument(
        "--named-graphs-only", action="store_true",
        help="refuse models the guest brings itself: a model's code runs in the host, outside the sandbox",
    )  # fmt: skip
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="say why wasi-nn calls fail, and what takes long"
    )
    return parser


def _job(words: list[str], options: argparse.Namespace) -> Job:
    if not words[0]:
        raise UsageError(f"the guest's name is empty: {_USAGE}")
    for word in [*words, *options.dir, *options.env, *options.graph]:
        if not word.isprintable() and any("\ud800" <= character <= "\udfff" for character in word):
            raise UsageError(f"argument `{word}` is not UTF-8, and a guest's arguments have to be")
    named = [
        (name, Path(model))
        for name, model in (_pair("--graph", text, "NAME=MODEL") for text in options.graph)
    ]
    try:
        models = registry.register(named)
    except registry.ModelPathError as error:
        raise UsageError(str(error)) from error
    return Job(
        guest=Path(words[0]),
        arguments=tuple(words[1:]),
        environment=tuple(_pair("--env", text, "K=V") for text in options.env),
        preopens=_preopens(options.dir),
        registry=models,
        abi=options.abi,
        limits=Limits(guest_models=not options.named_graphs_only),
        bounds=Bounds(),
        serving=Serving(),
    )


def _pair(option: str, text: str, shape: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name or (option == "--graph" and not value):
        raise UsageError(f"`{option} {text}` is not of the form {shape}")
    return name, value


def _preopens(texts: Sequence[str]) -> tuple[Preopen, ...]:
    found: dict[str, Preopen] = {}
    for text in texts:
        host, _, guest = text.partition("::")
        guest = guest or host
        if not Path(host).is_dir():
            raise UsageError(f"`--dir {text}`: `{host}` is not a folder")
        if guest in found:
            raise UsageError(f"`--dir {text}`: the guest has a folder `{guest}` already")
        found[guest] = Preopen(Path(host), guest)
    return tuple(found.values())


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end the process while a guest runs: Python's handler would wait for it to call the host."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _report(function: str, error: NnError, *, is_verbose: bool) -> None:
    if is_verbose or error.condition.concerns_operator:
        say("note", f"{function} -> {error.errno.value} {error.errno.name.lower()}: {error.reason}")
