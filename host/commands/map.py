"""`python -m host map`: have one guest answer many records, on all processors; go on after an interrupt."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING, Final

from host import processors, quantities
from host.commands import graph_options, guest_options, limit_options, records, results, shard_options
from host.commands.progress import Progress
from host.console import EXIT_INTERRUPTED, EXIT_USAGE, Parser, UsageError, leave, say, stdout
from host.job import RECORD_OUTPUT_BYTES, BadGuestError, Job, Listener
from host.models.options import LATENCY
from host.quantities import shown_size

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from host.api import Host
    from host.commands.results import Results
    from host.lanes import Lanes, Record

EXIT_FAILED: Final = 1
EXIT_SOME_FAILED: Final = 3

_JOBS_MOST: Final = 1024

_USAGE: Final = (
    "python -m host map GUEST.wasm (--inputs GLOB... | --lines FILE) [-o OUT.jsonl [--resume]] [--jobs N] "
    "[--graph NAME=MODEL[,option=value]...]... [--dir HOST[::GUEST][::ro]]... [--env K=V]... "
    "[--timeout SECONDS] [--max-memory SIZE] [--fuel N] [--max-output SIZE] [-- args...]\n"
    "       python -m host map GUEST.wasm --in D --out O [--column NAME]... [--engine local|ray] "
    "[--address A] [--workers N] [--rows-per-call K] [--record-timeout T] [--retries R] "
    "[--on-error row|shard] ..."
)

_EPILOG: Final = """\
Each record gives one line of JSON, in the order of the records:
  {"input": NAME, "output": TEXT}    or "output_base64", where the answer is not UTF-8
  {"input": NAME, "error": REASON}   and "notes", where calls of wasi-nn failed

A guest that exports `wasi_nn_map` is started once per worker and keeps its graph (docs/map.md). A command is
run anew for each record: the record is its stdin, the answer its stdout.
--timeout and --fuel are for each record, and for each start of a guest.

With --in and --out the records are the rows of Parquet or JSON lines, or the files of a folder, and are
answered in shards by processes of this machine or by Ray; the same command again goes on (docs/scale.md).

examples:
  python -m host map photo.wasm --graph squeezenet=model.xml --inputs 'photos/*.jpg' -o classes.jsonl
      classify all photos, on all processors

  python -m host map photo.wasm --graph squeezenet=model.xml --inputs 'photos/*.jpg' -o classes.jsonl --resume
      go on after Ctrl-C, or after the process was killed, with the same guest, models and options

  python -m host map rate.wasm --graph net=model.xml --lines reviews.txt --jobs 2 --timeout 5
      each line is a record; write to stdout

  python -m host map rate.wasm --graph net=model.xml --in data/ --out rated/ --column x --rows-per-call 256
      each row of the Parquet files in data is a record; the guest gets 256 at once

exit codes: 0 all records have an answer; 3 some have an error; 1 the run could not go on; 2 for bad usage or
input; 130 when interrupted. Whatever the code, what was written is whole lines for the first records.
"""


def main(arguments: list[str]) -> int:
    """Answer the records that `arguments` name; return the exit code."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    options = _parser().parse_args(arguments[:at])
    shard_options.check(options)
    if options.source is not None:
        return _in_shards(options, arguments[at + 1 :])
    options.left = tuple(name for name in ("hint", "threads") if getattr(options, name) is None)
    options.threads = options.threads or "auto"
    options.jobs = options.jobs or processors.usable() + 1  # while one reads and copies, the others infer
    if options.resume and options.output is None:
        raise UsageError("`--resume` goes on with a file: name it with `-o`")
    options.hint = options.hint or (LATENCY if options.jobs == 1 else "throughput")
    job = _job(options, arguments[at + 1 :])
    names = None if options.inputs is None else records.names(options.inputs, _written(options))
    given = records.of_lines(options.lines) if names is None else map(records.of_file, names)

    from host.api import Host  # noqa: PLC0415 - loads wasmtime: help and usage errors come without it
    from host.wasmtime_c import WasmtimeMismatchError  # noqa: PLC0415 - see above

    try:
        host = Host(cache=graph_options.cache_from(options) is not None)
        return _map(options, host, job, given, None if names is None else len(names))
    except BadGuestError as error:
        raise UsageError(str(error), error.details) from error
    except WasmtimeMismatchError as error:
        raise UsageError(str(error)) from error


def _in_shards(options: argparse.Namespace, words: list[str]) -> int:
    from host.commands import map_shards  # noqa: PLC0415 - loads wasmtime

    options.threads = options.threads or "1"  # there is a process for each processor
    options.hint = options.hint or LATENCY
    options.timeout = options.record_timeout
    return map_shards.main(options, _job(options, words))


def _map(
    options: argparse.Namespace, host: Host, job: Job, given: Iterator[Record], total: int | None
) -> int:
    from host.lanes import Lanes  # noqa: PLC0415 - loads wasmtime

    warn = _Warnings()
    listener = Listener(lambda *_: None, lambda _: None, warn)
    first = host.job_worker(job, options.max_output, listener)
    found = _results(options, first.job, given)
    warn.progress = progress = Progress(total, found.done)
    lanes = Lanes(
        lambda: host.job_worker(first.job, options.max_output, listener), options.jobs, job.bounds.timeout
    )
    try:
        code = _answer(lanes, given, found, progress, is_file=options.output is not None)
    except KeyboardInterrupt:
        progress.clear()
        help_ = "; `--resume` goes on" if options.output else ""
        say("note", f"interrupted: {found.done} records are written{help_}")
        leave(EXIT_INTERRUPTED)
    except BadGuestError as error:
        progress.clear()
        say("error", str(error))
        for kind, text in error.details:
            say(kind, text)
        leave(EXIT_USAGE)
    if code == EXIT_FAILED or lanes.lost:
        leave(code)
    lanes.close()
    return code


def _answer(
    lanes: Lanes, given: Iterator[Record], found: Results, progress: Progress, *, is_file: bool
) -> int:
    from host.lanes import StuckError  # noqa: PLC0415 - loads wasmtime

    def show() -> None:
        progress.show(found.done, found.failed)

    try:
        for answer in lanes.answers(given, show):
            if not is_file:
                progress.clear()
            found.add(answer)
            show()
    except (OSError, MemoryError, StuckError) as error:  # of reading, of the workers, or of writing
        progress.clear()
        help_ = "; `--resume` goes on" if is_file else ""
        say("error", f"the run ends after {found.done} records: {_reason(error)}{help_}")
        return EXIT_FAILED
    progress.show(found.done, found.failed, is_last=True)
    progress.end()
    if found.failed:
        say("error", f"{found.failed} of {found.done} records have no answer: their lines say why")
    return EXIT_SOME_FAILED if found.failed else 0


def _reason(error: Exception) -> str:
    if not isinstance(error, OSError):
        return str(error) or "no memory is left"
    if error.errno == errno.EMFILE:
        return "too many open files: let it have more (`ulimit -n`), or take fewer `--jobs`"
    return error.strerror or str(error)


class _Warnings:
    """Tells what the operator should know, each thing once: a guest that is run often says it often."""

    def __init__(self) -> None:
        self.progress: Progress | None = None
        self._told: set[str] = set()

    def __call__(self, text: str) -> None:
        if text not in self._told and len(self._told) < _JOBS_MOST:
            self._told.add(text)
            if self.progress:
                self.progress.clear()
            say("note", text)


def _parser() -> Parser:
    parser = Parser("map", "Have one guest answer many records.", _EPILOG, _USAGE)
    parser.add_argument("guest", metavar="GUEST.wasm", help="a core module (.wasm, or .wat)")
    records = parser.add_mutually_exclusive_group(required=True)
    records.add_argument(
        "--inputs", metavar="GLOB", action="append",
        help="each file is a record, sorted by name; `**` is any folders below; may be given again",
    )  # fmt: skip
    records.add_argument(
        "--lines", metavar="FILE", help="each line is a record, without its end; `-` is stdin"
    )
    records.add_argument(
        "--in", metavar="D", dest="source",
        help="each row or file in the file or folder D is a record: answer it in shards, into `--out`",
    )  # fmt: skip
    parser.add_argument("-o", "--output", metavar="OUT.jsonl", help="where to write (default: stdout)")
    parser.add_argument(
        "--resume", action="store_true", help="go on after the last whole line that OUT.jsonl has"
    )
    parser.add_argument(
        "--jobs", metavar="N", type=limit_options.whole(1, _JOBS_MOST),
        help="workers, a thread each (default: one more than there are processors)",
    )  # fmt: skip
    guest_options.add_to(parser)
    graph_options.add_to(parser, threads="auto, with `--in` 1")
    limit_options.add_to(parser, what="each call of the guest")
    shard_options.add_to(parser)
    parser.set_defaults(hint=None, threads=None)
    parser.add_argument(
        "--max-output", metavar="SIZE", type=limit_options.argument(quantities.size),
        default=RECORD_OUTPUT_BYTES,
        help=f"of one answer (default: {shown_size(RECORD_OUTPUT_BYTES)})",
    )  # fmt: skip
    return parser


def _job(options: argparse.Namespace, words: list[str]) -> Job:
    guest_options.check_texts([*words, options.guest, *options.dir, *options.env])
    return Job(
        guest=Path(options.guest),
        arguments=tuple(words),
        environment=guest_options.environment_from(options.env),
        preopens=guest_options.preopens_from(options.dir),
        registry=graph_options.registry_from(options, lambda _: None),
        abi=options.abi,
        limits=limit_options.limits_from(options),
        bounds=limit_options.bounds_from(options),
        serving=graph_options.serving_from(options),
    )


def _written(options: argparse.Namespace) -> tuple[Path | int, ...]:
    """Return the files that the run writes, or the descriptor."""
    return (1,) if options.output is None else results.files_of(Path(options.output))


def _results(options: argparse.Namespace, job: Job, given: Iterator[Record]) -> Results:
    """Return what to write to, and take from `given` what is in it already."""
    if options.output is None:
        return results.Results(stdout())
    path = Path(options.output)
    kind = "files" if options.inputs else "lines"
    code = job.code or b""
    identity = results.identity(job, code, options.left, records=kind, max_output=options.max_output)
    try:
        return results.resume(path, identity, given) if options.resume else results.begin(path, identity)
    except OSError as error:
        raise UsageError(f"`{path}` cannot be written: {error.strerror or error}") from error
