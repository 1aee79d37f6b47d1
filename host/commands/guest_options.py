"""The options for what a guest is given besides models, and how to read its numbers; no command itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from host import dialects, preopens
from host.console import UsageError
from host.job import BadGuestError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from host.console import Parser
    from host.job import Preopen


def add_to(parser: Parser) -> None:
    """Add the options to `parser`."""
    parser.add_argument(
        "--dir", metavar=preopens.SHAPE, action="append", default=[],
        help="a folder for the guest, under the name GUEST (HOST when left out); writable unless `ro`",
    )  # fmt: skip
    parser.add_argument("--env", metavar="K=V", action="append", default=[], help="a variable for the guest")
    parser.add_argument(
        "--abi", choices=dialects.CHOICES, default=dialects.AUTO, metavar="EPOCH",
        help=f"what the guest's numbers mean: {', '.join(dialects.CHOICES)} (default: auto, by the bytes)",
    )  # fmt: skip
    parser.add_argument(
        "--named-graphs-only", action="store_true",
        help="refuse models the guest brings itself: a model's code runs in the host, outside the sandbox",
    )  # fmt: skip


def check_texts(texts: Iterable[str]) -> None:
    """Raise UsageError when one is not UTF-8: a guest's arguments, variables and folders have to be."""
    for text in texts:
        if not text.isprintable() and any("\ud800" <= character <= "\udfff" for character in text):
            raise UsageError(f"argument `{text}` is not UTF-8, and a guest's arguments have to be")


def environment_from(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return the variables of `--env`; UsageError when one is none."""
    return tuple(map(_pair, texts))


def preopens_from(texts: Sequence[str]) -> tuple[Preopen, ...]:
    """Return the folders of `--dir`; UsageError when one is none."""
    try:
        return preopens.checked(map(preopens.preopen, texts))
    except BadGuestError as error:
        raise UsageError(f"`--dir`: {error}") from error


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise UsageError(f"`--env {text}` is not of the form K=V")
    return name, value
