"""The options that say how much a guest may use; no command itself."""

from __future__ import annotations

import argparse
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from host import quantities
from host.console import UsageError
from host.job import MEMORY_BYTES, Bounds
from host.nn import Limits
from host.quantities import shown_size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from host.console import Parser

OPTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "graphs": "--max-graphs",
        "contexts": "--max-contexts",
        "model_bytes": "--max-model-bytes",
        "tensor_bytes": "--max-tensor-bytes",
    }
)
"""The option for each cap of `Limits` that has one."""

_COUNT_DIGITS: Final = 18


def add_to(parser: Parser, what: str = "the run") -> None:
    """Add the options to `parser`; `what` says what they end, or of what kind each."""
    size, count = argument(quantities.size), argument(_count)
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=argument(quantities.duration),
        help=f"end {what} after this time: 1.5, 90s, 2m (default: none)",
    )  # fmt: skip
    parser.add_argument(
        "--max-memory", metavar="SIZE", type=size,
        help=f"what the guest's memory may grow to: 512M, 2GiB (default: {shown_size(MEMORY_BYTES)})",
    )  # fmt: skip
    parser.add_argument(
        "--fuel", metavar="N", type=count,
        help=f"end {what} after about this many instructions (default: none)",
    )  # fmt: skip
    add_caps_to(parser)


def add_caps_to(parser: Parser) -> None:
    """Add the options to `parser` that cap what is asked of wasi-nn."""
    usual = Limits()
    size, count = argument(quantities.size), argument(_count)
    parser.add_argument(
        "--max-graphs", metavar="N", type=count, default=usual.graphs,
        help=f"models loaded at a time (default: {usual.graphs})",
    )  # fmt: skip
    parser.add_argument(
        "--max-contexts", metavar="N", type=count, default=usual.contexts,
        help=f"execution contexts at a time (default: {usual.contexts})",
    )  # fmt: skip
    parser.add_argument(
        "--max-model-bytes", metavar="SIZE", type=size, default=usual.model_bytes,
        help=f"of one model the guest brings (default: {shown_size(usual.model_bytes)})",
    )  # fmt: skip
    parser.add_argument(
        "--max-tensor-bytes", metavar="SIZE", type=size, default=usual.tensor_bytes,
        help="of one input or output, or tensor in a model the guest brings "
        f"(default: {shown_size(usual.tensor_bytes + 1)} less one byte)",
    )  # fmt: skip


def bounds_from(options: argparse.Namespace) -> Bounds:
    """Return what ends a run; UsageError for a memory that no guest can have."""
    try:
        return Bounds(options.timeout, options.max_memory, options.fuel)
    except ValueError as error:  # of time and fuel the parser lets nothing through that could be too much
        raise UsageError(f"`--max-memory`: {error}") from error


def limits_from(options: argparse.Namespace) -> Limits:
    """Return what a guest may ask of wasi-nn."""
    return Limits(
        graphs=options.max_graphs,
        contexts=options.max_contexts,
        model_bytes=options.max_model_bytes,
        tensor_bytes=options.max_tensor_bytes,
        guest_models=not options.named_graphs_only,
    )


def argument(read: Callable[[str], float]) -> Callable[[str], float]:
    """Return `read` for argparse, which passes on no other message."""

    def typed(text: str) -> float:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return typed


def whole(least: int, most: int) -> Callable[[str], float]:
    """Return what reads a whole number from `least` to `most` for argparse."""
    return argument(partial(quantities.number, least=least, most=most))


def _count(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) <= _COUNT_DIGITS:
        return int(text)
    raise ValueError(f"`{text}` is no number from 0 on")
