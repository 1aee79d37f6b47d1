"""The options of `python -m host serve` and `export`, and the service they describe; no command itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from host import processors, quantities
from host.commands import graph_options, guest_options, limit_options
from host.console import UsageError, say
from host.job import RECORD_OUTPUT_BYTES, BadGuestError, Job
from host.quantities import shown_size

if TYPE_CHECKING:
    import argparse

    from host.console import Parser
    from host.serving.description import Description
    from host.serving.repository import Model

_DESCRIPTION_SUFFIX: Final = ".toml"
_INSTANCES_MOST: Final = 1024
_ROWS_MOST: Final = 1 << 20


def add_to(parser: Parser) -> None:
    """Add the options to `parser`."""
    parser.add_argument(
        "guest", metavar="GUEST.wasm",
        help="a core module (.wasm, or .wat) that answers records: one for `python -m host map`",
    )  # fmt: skip
    parser.add_argument(
        "--service", metavar="FILE.toml",
        help="the names, types and shapes of its inputs and outputs (default: GUEST.toml, if there is one; "
        "else a request is bytes, and so is its answer)",
    )  # fmt: skip
    parser.add_argument(
        "--name", metavar="NAME", help="what clients call the model (default: GUEST, without the suffix)"
    )
    parser.add_argument(
        "--instances", metavar="N", type=limit_options.whole(1, _INSTANCES_MOST), default=processors.usable(),
        help="guests that answer at once, a process each "
        f"(default: {processors.usable()}, one per processor of this machine)",
    )  # fmt: skip
    parser.add_argument(
        "--rows-per-call", metavar="K", type=limit_options.whole(1, _ROWS_MOST), default=1,
        help="rows that a request may have, and that the guest gets in a call, of one request or several; it "
        "gets them framed if K is more than 1 (docs/scale.md; default: 1)",
    )  # fmt: skip
    guest_options.add_to(parser)
    graph_options.add_to(parser, threads="1")  # there is an instance for each processor
    limit_options.add_to(parser, what="each call of the guest")
    parser.add_argument(
        "--max-output", metavar="SIZE", type=limit_options.argument(quantities.size),
        default=RECORD_OUTPUT_BYTES,
        help="what the guest may answer to a call, with all of its rows "
        f"(default: {shown_size(RECORD_OUTPUT_BYTES)})",
    )  # fmt: skip


def model_from(options: argparse.Namespace, words: list[str]) -> Model:
    """Return what is to be served, after a look whether it can be; UsageError, OSError."""
    from host.api import Host  # noqa: PLC0415 - loads wasmtime: help and usage errors come without it
    from host.bulk import RecordError  # noqa: PLC0415 - see above
    from host.serving import repository  # noqa: PLC0415 - see above
    from host.serving.deployment import Deployment  # noqa: PLC0415 - see above
    from host.wasmtime_c import WasmtimeMismatchError  # noqa: PLC0415 - see above

    guest_options.check_texts([*words, options.guest, *options.dir, *options.env])
    name = options.name or Path(options.guest).stem
    job = Job(
        guest=Path(options.guest),
        arguments=tuple(words),
        environment=guest_options.environment_from(options.env),
        preopens=guest_options.preopens_from(options.dir),
        registry=graph_options.registry_from(options, lambda text: say("note", text)),
        abi=options.abi,
        limits=limit_options.limits_from(options),
        bounds=limit_options.bounds_from(options),
        serving=graph_options.serving_from(options),
    )
    try:
        repository.check_name(name)
        has_cache = graph_options.cache_from(options) is not None
        with Host(cache=has_cache).job_worker(job, options.max_output) as worker:
            worker.start()
            job = worker.job
    except BadGuestError as error:
        raise UsageError(str(error), error.details) from error
    except (RecordError, WasmtimeMismatchError, repository.BadNameError) as error:
        raise UsageError(str(error)) from error
    tensors = _description(options)
    what = Deployment(job, tensors, options.rows_per_call, options.max_output, has_cache)
    return repository.Model(name, what, options.instances)


def _description(options: argparse.Namespace) -> Description:
    from host.serving import description  # noqa: PLC0415 - as above

    beside = Path(options.guest).with_suffix(_DESCRIPTION_SUFFIX)
    if options.service is None and not beside.exists():
        say("note", f"there is no `{beside}`: a record is one tensor of BYTES, and so is its answer")
        return description.AS_BYTES
    path = Path(options.service or beside)
    try:
        found = description.read(path)
    except description.DescriptionError as error:
        raise UsageError(str(error)) from error
    _check_room(path, found, options)
    return found


def _check_room(path: Path, tensors: Description, options: argparse.Namespace) -> None:
    """Raise UsageError when no answer could be as described and not above `--max-output`."""
    from host.batch import framing  # noqa: PLC0415 - as above

    rows, size = options.rows_per_call, tensors.fixed_bytes
    if rows > 1:
        size = len(framing.pack([b""] * rows)) + rows * size
    if size > options.max_output:
        of_rows, less = (f" of {rows} rows", ", or fewer `--rows-per-call`") if rows > 1 else ("", "")
        raise UsageError(
            f"`{path}`: the outputs{of_rows} have {size} bytes together, and {options.max_output} is the "
            f"most: give `--max-output {size}`{less}"
        )
