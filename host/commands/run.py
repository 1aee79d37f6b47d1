"""`python -m host run`: run one guest with the folders, variables and models its operator gives it."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from host import early
from host.commands import graph_options, guest_options, limit_options, watch_options
from host.console import EXIT_LIMIT, EXIT_TRAP, Parser, UsageError, deadline, say
from host.job import BadGuestError, GuestTrapError, Job, LimitError, Listener

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from host.errors import NnError

EXIT_MASK: Final = 0xFF
"""What the system keeps of an exit code: a guest's `exit(-1)` is 255, as everywhere.

Where it would keep 0 of a guest's failure, the code is this number: `exit(256)` must not look like success.
"""

_USAGE: Final = (
    "python -m host run GUEST.wasm [--dir HOST[::GUEST][::ro]]... [--env K=V]... "
    "[--graph NAME=MODEL[,option=value]...]... [--precision P] [--threads N] [--device-map TARGET=DEVICE] "
    "[--timeout SECONDS] [--max-memory SIZE] [--fuel N] [--abi EPOCH] [--named-graphs-only] "
    "[--trace[=FILE]] [--stats[=FILE]] [-v] [--] [args...]"
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

  python -m host run classify.wasm --graph net=net.onnx,device=GPU,precision=f16 --graph-dir models
      one model on the GPU and in f16, and every model in the folder `models` as it is called there

  python -m host run hello.wasm --dir /data::in::ro --timeout 30 --max-memory 512M --named-graphs-only
      for a guest you do not trust: it reads /data, and ends after 30 s at the latest

  python -m host run -v classify.wasm ...
      when the guest only says "error 1": see the reason of every wasi-nn call that failed

  python -m host run --trace=run.jsonl --stats classify.wasm ...
      keep every wasi-nn call for `python -m host replay`, and see what they cost

exit codes: the guest's own (its low 8 bits, or 255 if those are 0 and it failed); 1 when it trapped;
2 for bad usage or input; 124 when a limit ended it; 130 when interrupted.
"""


def main(arguments: list[str]) -> int:
    """Run the guest that `arguments` name; return its exit code or the host's own."""
    parser = _parser()
    at = arguments.index("--") if "--" in arguments else len(arguments)
    options, unknown = parser.parse_known_intermixed_args(watch_options.spelled_out(arguments[:at]))
    if unknown:
        raise UsageError(
            f"`{unknown[0]}` is no option of the host; if it is for the guest, put `--` before its arguments"
        )
    words = [*options.words, *arguments[at + 1 :]]
    if not words:
        raise UsageError(f"no guest given: {_USAGE}")

    def notice(text: str) -> None:
        if options.verbose:
            say("note", text)

    job = _job(words, options, notice)
    reports = _Reports(is_verbose=options.verbose)
    return _run(options, job, Listener(reports.hear, notice, warn=lambda text: say("note", text)))


def _run(options: argparse.Namespace, job: Job, listener: Listener) -> int:
    kept = graph_options.cache_from(options)
    # Started before the rest is imported, beside which much of it runs.
    is_early = early.is_wanted(job.registry, job.guest)
    backend = early.Early(job.registry, kept, listener.notice).backend if is_early else None
    from host.api import Host  # noqa: PLC0415 - loads wasmtime: help and usage errors come without it
    from host.wasmtime_c import WasmtimeMismatchError  # noqa: PLC0415 - see above

    try:
        with _interruptible(), deadline(job.bounds.timeout, job.bounds.out_of_time) as at_last:
            host = Host(cache=kept is not None)
            code = watch_options.watched(
                options,
                job,
                at_last,
                lambda job, watch: host.run_job(job, replace(listener, watch=watch), backend),
            )
        return code and (code & EXIT_MASK or EXIT_MASK)
    except BadGuestError as error:
        raise UsageError(str(error), error.details) from error
    except WasmtimeMismatchError as error:
        raise UsageError(str(error)) from error
    except LimitError as error:
        say("error", str(error))
        return EXIT_LIMIT
    except GuestTrapError as error:
        say("error", f"the guest trapped: {error}")
        return EXIT_TRAP


def _parser() -> Parser:
    parser = Parser("run", "Run a WASI command that uses wasi-nn.", _EPILOG, _USAGE)
    parser.add_argument(
        "words", metavar="GUEST.wasm [args]", nargs="*", help="a core module (.wasm, or .wat)"
    )
    guest_options.add_to(parser)
    graph_options.add_to(parser)
    limit_options.add_to(parser)
    watch_options.add_to(parser)
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="say why wasi-nn calls fail, and what takes long"
    )
    return parser


def _job(words: list[str], options: argparse.Namespace, notice: Callable[[str], None]) -> Job:
    if not words[0]:
        raise UsageError(f"the guest's name is empty: {_USAGE}")
    guest_options.check_texts([*words, *options.dir, *options.env])
    return Job(
        guest=Path(words[0]),
        arguments=tuple(words[1:]),
        environment=guest_options.environment_from(options.env),
        preopens=guest_options.preopens_from(options.dir),
        registry=graph_options.registry_from(options, notice),
        abi=options.abi,
        limits=limit_options.limits_from(options),
        bounds=limit_options.bounds_from(options),
        serving=graph_options.serving_from(options),
    )


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end the process while a guest runs: Python's handler would wait for it to call the host."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Reports:
    """Tells of wasi-nn calls that failed: of all when verbose, else of what is the operator's to mend."""

    def __init__(self, *, is_verbose: bool) -> None:
        self._is_verbose = is_verbose
        self._told: set[str] = set()

    def hear(self, function: str, error: NnError) -> None:
        """Tell of one that failed; of a cap, once, with the option that raises it."""
        option = limit_options.OPTIONS.get(error.limit or "", "")
        help_ = f"; `{option}` raises it" if option and option not in self._told else ""
        self._told.add(option)
        if help_ or self._is_verbose or error.condition.concerns_operator:
            reason = f"{error.errno.value} {error.errno.name.lower()}: {error.reason}"
            say("note", f"{function} -> {reason}{help_}")
