"""`python -m host replay`: make the calls of a trace again, without its guest, and compare the answers."""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, assert_never

from host.commands import graph_options, limit_options
from host.console import EXIT_USAGE, Parser, UsageError, printable, say, write
from host.dialects import Dialect
from host.nn import Limits, Session
from host.tracing import trace_reader
from host.tracing.members import TraceError
from host.tracing.replay import (
    Differs,
    Failed,
    MissingModelsError,
    ModelFiles,
    Player,
    Same,
    Skipped,
    check_models,
    differences,
)

if TYPE_CHECKING:
    from host.backends import Backend
    from host.tracing.replay import Outcome
    from host.tracing.trace_reader import Recorded

EXIT_DIFFERENT: Final = 1

_USAGE: Final = (
    "python -m host replay TRACE.jsonl [--graph NAME=MODEL]... [--tolerance PART] [--json] [model options]"
)

_EPILOG: Final = """\
A trace is what `python -m host run --trace=FILE` wrote. Models that its guest loaded from bytes are found by
their hash among the models given here, under whatever name.

examples:
  python -m host replay run.jsonl --graph squeezenet=model.xml
      does this machine, or this version, give the same answers?

  python -m host replay run.jsonl --graph net=smaller.xml --tolerance 0.01
      how far off is another model, on the same inputs?

exit codes: 0 the answers are the same, or as near as rounding is; 1 they are not; 2 bad usage, a bad trace,
or nothing that could be compared.
"""


def main(arguments: list[str]) -> int:
    """Replay the trace that `arguments` name; return 0 when the answers are the same, 1 when not, else 2."""
    options = _parser().parse_args(arguments)
    path = Path(options.trace)
    registry = graph_options.registry_from(options, _note)
    serving = graph_options.serving_from(options)
    report = _Report(is_json=options.json)
    try:
        header = trace_reader.header(path)
        files = ModelFiles.of(registry)
        check_models(trace_reader.calls(path, lambda _: None), registry, files)
        for difference in differences(header, registry, serving):
            _note(difference)
        session = Session(
            cache(_openvino),
            registry,
            _note if options.verbose else lambda _: None,
            _capped(header.limits, limit_options.limits_from(options)),
            Dialect(header.abi),
            serving,
        )
        player = Player(session, files, options.tolerance)
        for call in trace_reader.calls(path, _note):
            report.add(call, player.play(call))
    except TraceError as error:
        raise UsageError(f"`{path}`: {error}") from error
    except (MissingModelsError, OSError) as error:
        raise UsageError(str(error)) from error
    report.end()
    return report.code()


def _note(text: str) -> None:
    say("note", text)


def _capped(of_trace: Limits, most: Limits) -> Limits:
    """Return the caps of the trace, none above `most`: a trace may come from anywhere."""
    wanted, allowed = asdict(of_trace), asdict(most)
    for name in (name for name in wanted if wanted[name] > allowed[name]):
        option = limit_options.OPTIONS.get(name)
        raises = f"; `{option}` raises it" if option else ""
        _note(f"the trace's cap `{name}` of {wanted[name]} is {allowed[name]} here{raises}")
    return Limits(**{name: min(value, allowed[name]) for name, value in wanted.items()})


def _openvino() -> Backend:
    from host.backends.openvino import OpenVino  # noqa: PLC0415 - takes 0.3 s: a bad trace is told before it

    return OpenVino()


def _parser() -> Parser:
    description = "Make the wasi-nn calls of a trace again, without the guest, and compare the answers."
    parser = Parser("replay", description, _EPILOG, _USAGE)
    parser.add_argument("trace", metavar="TRACE.jsonl", help="the trace")
    parser.add_argument(
        "--tolerance", metavar="PART", type=_tolerance,
        help="how far an element of a float output may be off, as a part of the largest in that output "
        "(default: f16 0.002, f32 0.00001, f64 1e-10); 0 wants equal numbers",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON, with an entry for every call")
    parser.add_argument("-v", "--verbose", action="store_true", help="say what takes long")
    graph_options.add_to(parser)
    limit_options.add_caps_to(parser)
    parser.set_defaults(named_graphs_only=False)
    return parser


def _tolerance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"`{text}` is not a number from 0")
    return value


@dataclass(slots=True)
class _Report:
    """Prints what differs as it comes, and the sum of it; with `is_json` everything at the end."""

    is_json: bool
    counts: Counter[type[Outcome]] = field(default_factory=Counter)
    near: int = 0
    entries: list[dict[str, object]] = field(default_factory=list)

    def add(self, call: Recorded, outcome: Outcome) -> None:
        self.counts[type(outcome)] += 1
        self.near += isinstance(outcome, Same) and outcome.difference is not None
        if self.is_json:
            self.entries.append(_entry(call, outcome))
        elif text := _text(outcome):
            write(printable(f"call {call.number} {call.function}: {text}") + "\n")

    def end(self) -> None:
        same, different, skipped, failed = (self.counts[kind] for kind in (Same, Differs, Skipped, Failed))
        if self.is_json:
            found = {"same": same, "near": self.near, "different": different, "skipped": skipped}
            write(json.dumps(found | {"failed": failed, "calls": self.entries}, indent=2) + "\n")
            return
        near = f" ({self.near} but for rounding)" if self.near else ""
        said = f"{same} the same{near}, {different} different, {skipped} skipped"
        write(f"{self.counts.total()} calls: {said}{f', {failed} failed' if failed else ''}\n")

    def code(self) -> int:
        """Return the exit code; what keeps the answers from having been compared is told."""
        if self.counts[Failed]:
            say("error", "the host itself failed, so that not all of the answers could be compared")
            return EXIT_USAGE
        if not self.counts[Same] + self.counts[Differs]:
            say("error", "nothing was compared: the trace has no call that could be made again")
            return EXIT_USAGE
        return EXIT_DIFFERENT if self.counts[Differs] else 0


def _text(outcome: Outcome) -> str:
    match outcome:
        case Same(None):
            return ""
        case Same(difference):
            return f"within the tolerance: {difference}"
        case Differs(what, difference):
            return what if difference is None else f"{what}: {difference}"
        case Skipped(why):
            return f"skipped: {why}"
        case Failed(why):
            return f"the host failed: {why}"
        case _:
            assert_never(outcome)


def _entry(call: Recorded, outcome: Outcome) -> dict[str, object]:
    head: dict[str, object] = {"call": call.number, "function": call.function}
    return head | {"outcome": type(outcome).__name__.lower()} | asdict(outcome)
