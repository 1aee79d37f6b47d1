"""The options with which a run is watched, `--trace` and `--stats`, and what they do; no command itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from host import quantities
from host.commands.limit_options import argument
from host.console import EXIT_LIMIT, EXIT_TRAP, EXIT_USAGE
from host.job import BadGuestError, GuestTrapError, LimitError
from host.quantities import shown_size

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from host.console import Parser
    from host.job import Job
    from host.tracing.observe import Watch

STDERR: Final = "\0"
"""What stands for no file: no path and no argument of a process can have it."""

TRACE_BYTES: Final = 4 << 30
"""What a trace file holds unless more is asked for: a guest can make calls for as long as it runs."""

_NAMES: Final = ("--trace", "--stats")

_GUESTS: Final = (".wasm", ".wat")


def spelled_out(arguments: list[str]) -> list[str]:
    """Return `arguments` with a value for each of the options that has none.

    Only `--trace=FILE` names a file: argparse would take the word after `--trace` for one, the guest.
    """
    return [f"{word}={STDERR}" if word in _NAMES else word for word in arguments]


def add_to(parser: Parser) -> None:
    """Add the options to `parser`, whose arguments come from `spelled_out`."""
    parser.add_argument(
        "--trace", metavar="=FILE.jsonl", nargs="?",
        help="tell of every wasi-nn call on stderr, or write it and its data to a new file FILE.jsonl, for "
        "`python -m host replay`; it holds what the guest gave to models and got from them",
    )  # fmt: skip
    parser.add_argument(
        "--max-trace-bytes", metavar="SIZE", type=argument(quantities.size), default=TRACE_BYTES,
        help=f"what `--trace=FILE` writes of the calls at most (default: {shown_size(TRACE_BYTES)})",
    )  # fmt: skip
    parser.add_argument(
        "--stats", metavar="=FILE.json", nargs="?",
        help="say at the end what the wasi-nn calls cost, on stderr or in a new file FILE.json",
    )  # fmt: skip


def watched(
    options: argparse.Namespace,
    job: Job,
    at_last: list[Callable[[], None]],
    run: Callable[[Job, Watch | None], int],
) -> int:
    """Call `run`, watched as `options` ask, and return the guest's exit code.

    `at_last` gets what ends the recording when the process ends before `run` does. UsageError when a file
    cannot be made, before anything runs; there is no new file then, nor when the guest cannot be read. What
    `run` raises goes on to the caller.
    """
    if options.trace is None and options.stats is None:
        return run(job, None)
    from host.commands.watching import Observer  # noqa: PLC0415 - most runs are not watched
    from host.tracing.observe import Watch  # noqa: PLC0415 - see above

    job = replace(job, code=_code(options, job))
    observer = Observer(options.trace, options.stats, options.max_trace_bytes, job)
    at_last.append(lambda: observer.end("limit", EXIT_LIMIT, job.bounds.out_of_time))
    try:
        code = run(job, Watch(observer.hear, has_contents=options.trace is not None))
    except BadGuestError as error:
        observer.end("refused", EXIT_USAGE, str(error))
        raise
    except GuestTrapError as error:
        observer.end("trap", EXIT_TRAP, str(error))
        raise
    except LimitError as error:
        observer.end("limit", EXIT_LIMIT, str(error))
        raise
    observer.end("exit", code, None)
    return code


def _code(options: argparse.Namespace, job: Job) -> bytes:
    """Return the guest, read once: what is traced has to be what runs."""
    from host.guests import read_code  # noqa: PLC0415 - loads wasmtime: usage errors come without it

    try:
        return read_code(job.guest)
    except BadGuestError as error:
        if job.guest.suffix in _GUESTS:
            raise
        bare = (name for name in _NAMES if getattr(options, name.removeprefix("--")) == STDERR)
        hints = tuple(("hint", f"if that is to be written, use `{name}={job.guest}`") for name in bare)
        raise BadGuestError(str(error), (*error.details, *hints)) from error
