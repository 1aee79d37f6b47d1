"""The options of `python -m host map` for shards, and which do not go together; no command itself."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from host import quantities
from host.commands import limit_options
from host.console import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from host.console import Parser

ENGINES: Final = ("local", "ray")
FORMATS: Final = ("parquet", "jsonl", "files")
ON_ERROR: Final = ("row", "shard")
RETRIES: Final = 2

_OF_SHARDS: Final = (
    "--out", "--format", "--column", "--shard-rows", "--engine", "--address", "--workers", "--rows-per-call",
    "--record-timeout", "--retries", "--on-error",
)  # fmt: skip
_OF_RECORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "--output": "say `--out` with `--in`, a folder",
        "--resume": "the same command with `--in` goes on by itself",
        "--jobs": "say `--workers` with `--in`",
        "--timeout": "say `--record-timeout` with `--in`",
    }
)
_MOST: Final = (1 << 31) - 1
_WORKERS_MOST: Final = 1024
_RETRIES_MOST: Final = 1000


def add_to(parser: Parser) -> None:
    """Add the options to `parser`, all but `--in`; each is None when not given."""
    number = limit_options.whole(1, _MOST)
    parser.add_argument("--out", metavar="DIR", help="the folder of shards to write or to go on with")
    parser.add_argument("--format", choices=FORMATS, help="what is in `--in` (default: by the names there)")
    parser.add_argument(
        "--column", metavar="NAME", action="append",
        help="the column or JSON member that is the record; of Parquet several are put together",
    )  # fmt: skip
    parser.add_argument(
        "--shard-rows", metavar="N", type=number,
        help="records of a shard: whole row groups with at least so many (65536), or files (256)",
    )  # fmt: skip
    parser.add_argument("--engine", choices=ENGINES, help="processes of this machine (local), or Ray")
    parser.add_argument("--address", metavar="A", help="of a Ray cluster (default: $RAY_ADDRESS, or none)")
    parser.add_argument(
        "--workers", metavar="N", type=limit_options.whole(1, _WORKERS_MOST),
        help="processes (default: one per processor, of the cluster if there is one)",
    )  # fmt: skip
    parser.add_argument(
        "--rows-per-call", metavar="K", type=number,
        help="records that the guest gets at once, framed if more than 1 (docs/scale.md; default: 1)",
    )  # fmt: skip
    parser.add_argument(
        "--record-timeout", metavar="SECONDS", type=limit_options.argument(quantities.duration),
        help="for each call of the guest, and each start of one: 1.5, 90s, 2m (default: none)",
    )  # fmt: skip
    parser.add_argument(
        "--retries", metavar="R", type=limit_options.whole(0, _RETRIES_MOST),
        help=f"of a shard whose process or machine dies (default: {RETRIES})",
    )  # fmt: skip
    parser.add_argument(
        "--on-error", choices=ON_ERROR, help="what a record without an answer costs (default: its row)"
    )


def check(options: argparse.Namespace) -> None:
    """Raise UsageError for options that are not of the mode chosen by `--in`."""
    if options.source is None:
        for name in _OF_SHARDS:
            if _value(options, name) is not None:
                raise UsageError(f"`{name}` goes with `--in`")
        return
    if options.out is None:
        raise UsageError("`--in` needs `--out`, the folder to write to")
    for name, instead in _OF_RECORDS.items():
        if _value(options, name) not in {None, False}:
            raise UsageError(f"`{name}` goes with `--inputs` and `--lines`: {instead}")
    if options.address is not None and options.engine != "ray":
        raise UsageError("`--address` goes with `--engine ray`")


def _value(options: argparse.Namespace, name: str) -> object:
    found: object = getattr(options, name.removeprefix("--").replace("-", "_"))
    return found
