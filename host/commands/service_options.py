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
    parser.add_argument("guest", metavar="GUEST.wasm", help="a core module (.wasm, or .wat)")
    parser.add_argument(
        "--service", metavar="FILE.toml",
        help="the tensors of a record and its answer (default: GUEST.toml, if there is one)",
    )  # fmt: skip
    parser.add_argument("--name", metavar="NAME", help="of the model for clients (default: GUEST)")
    parser.add_argument(
        "--instances", metavar="N", type=limit_options.whole(1, _INSTANCES_MOST), default=processors.usable(),
        help="guests that answer at once, a process each (default: one per processor)",
    )  # fmt: skip
    parser.add_argument(
        "--rows-per-call", metavar="K", type=limit_options.whole(1, _ROWS_MOST), default=1,
        help="records of a request, and of requests together, that the guest gets at once, framed if more "
        "than 1 (docs/scale.md; default: 1)",
    )  # fmt: skip
    guest_options.add_to(parser)
    graph_options.add_to(parser)
    limit_options.add_to(parser)
    parser.set_defaults(threads="1")  # there is an instance for each processor
    parser.add_argument(
        "--max-output", metavar="SIZE", type=limit_options.argument(quantities.size),
        default=RECORD_OUTPUT_BYTES,
        help=f"of one answer of the guest (default: {shown_size(RECORD_OUTPUT_BYTES)})",
    )  # fmt: skip


def model_from(options: argparse.Namespace, words: list[str]) -> Model:
    """Return what is to be served, after a look whether the guest can be; UsageError, OSError."""
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
    try:
        return description.read(Path(options.service or beside))
    except description.DescriptionError as error:
        raise UsageError(str(error)) from error
