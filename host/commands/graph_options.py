"""The options with which commands are given models and told how to run them; no command itself."""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from host.abi import ExecutionTarget
from host.backends.remote_address import FORM, OPTIONS
from host.cache import CacheUnusableError, user_cache
from host.console import UsageError, say
from host.models import graphs
from host.models.files import FOLDER_MODELS, SUFFIXES, RegistrationError
from host.models.options import DEVICES, HINTS, LATENCY, PRECISIONS, OptionsError, options_from
from host.nn import Serving

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from host.cache import Cache
    from host.console import Parser
    from host.models.registry import Registry

_TARGETS: Final[Mapping[str, ExecutionTarget]] = MappingProxyType(
    {target.name.lower(): target for target in ExecutionTarget}
)
_BEFORE_A_TARGET: Final = re.compile(r",(?=[^,=]*=)")


def add_to(parser: Parser, threads: str = "auto") -> None:
    """Add the options to `parser`; `threads` is the default of `--threads`, for people to read."""
    parser.add_argument(
        "--graph", metavar="NAME=MODEL[,option=value]...", action="append", default=[],
        help="a model the guest may load by name: a file "
        f"({', '.join(SUFFIXES)}) or a folder with one of {', '.join(FOLDER_MODELS)} in it; options are "
        f"{', '.join(graphs.OPTIONS)}; or one on a server, {FORM}, with {', '.join(OPTIONS)}",
    )  # fmt: skip
    parser.add_argument(
        "--graph-dir", metavar="DIR", action="append", default=[],
        help="models by name: each model file and each model folder in DIR, as it is called there",
    )  # fmt: skip
    parser.add_argument(
        "--nn-graph", metavar="ENCODING::DIR", action="append", default=[],
        help="a model as Wasmtime takes it: named like DIR, in which it is called `model`",
    )  # fmt: skip
    parser.add_argument(
        "--graphs", metavar="FILE.toml", action="append", default=[],
        help="models by name: a table [graphs.NAME] each, with its `path` and options",
    )  # fmt: skip
    parser.add_argument(
        "--device-map", metavar="TARGET=DEVICE[,...]", action="append", default=[],
        help=f"the device that a guest's target ({', '.join(_TARGETS)}) stands for, such as gpu=AUTO",
    )  # fmt: skip
    parser.add_argument(
        "--precision", choices=PRECISIONS, default=PRECISIONS[0],
        help="what to calculate in, where a model does not say (default: f32, the same on every machine)",
    )  # fmt: skip
    parser.add_argument(
        "--threads", metavar="auto|N", default=threads,
        help="threads of an inference, where a model does not say; auto is one or all of them, whichever a "
        f"short try at the first load finds quicker (default: {threads})",
    )  # fmt: skip
    parser.add_argument(
        "--hint", choices=HINTS, default=LATENCY,
        help="what is to be quick, where a model does not say: each inference, or many at once "
        f"(default: {LATENCY})",
    )  # fmt: skip
    parser.add_argument(
        "--no-cache", action="store_true",
        help="compile the guest and the models anew, and keep nothing of them for later runs",
    )  # fmt: skip


def cache_from(options: argparse.Namespace) -> Cache | None:
    """Return where compiled guests and models are kept, or None; the operator hears when they cannot be."""
    if options.no_cache:
        return None
    try:
        return user_cache()
    except CacheUnusableError as error:
        say("note", str(error))
        return None


def registry_from(options: argparse.Namespace, notice: Callable[[str], None]) -> Registry:
    """Return the models that `options` name; `notice` hears of what is passed over. Raises UsageError."""
    serving = serving_from(options)
    base = serving.options_for(ExecutionTarget.CPU)
    try:
        return graphs.register(
            [
                *(graphs.from_text(text, base) for text in options.graph),
                *(
                    found
                    for each in options.graph_dir
                    for found in graphs.from_folder(Path(each), base, notice)
                ),
                *(graphs.from_wasmtime(text, base) for text in options.nn_graph),
                *(found for each in options.graphs for found in graphs.from_manifest(Path(each), base)),
            ]
        )
    except RegistrationError as error:
        raise UsageError(str(error)) from error


def serving_from(options: argparse.Namespace) -> Serving:
    """Return how models are run for which nothing else was said; UsageError for a map that cannot be."""
    devices: dict[ExecutionTarget, str] = {}
    for text in options.device_map:
        for pair in _BEFORE_A_TARGET.split(text):
            target, device = _mapped(text, pair)
            if target in devices:
                raise UsageError(f"`--device-map {text}`: `{target.name.lower()}` is mapped already")
            devices[target] = device
    asked = {"precision": options.precision, "threads": options.threads, "hint": options.hint}
    try:
        return Serving(options_from(asked), MappingProxyType({**DEVICES, **devices}))
    except OptionsError as error:
        raise UsageError(f"`--threads {options.threads}`: {error}") from error


def _mapped(text: str, pair: str) -> tuple[ExecutionTarget, str]:
    spelled, separator, device = pair.partition("=")
    if not separator:
        raise UsageError(f"`--device-map {text}` is not of the form TARGET=DEVICE[,TARGET=DEVICE]...")
    if spelled not in _TARGETS:
        raise UsageError(f"`--device-map {text}`: there is no target `{spelled}`, only {', '.join(_TARGETS)}")
    try:
        return _TARGETS[spelled], options_from({"device": device}).device
    except OptionsError as error:
        raise UsageError(f"`--device-map {text}`: {error}") from error
