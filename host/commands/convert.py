"""`python -m host convert`: make OpenVINO IR of a model, with the steps before and after it inside."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from host.commands.convert_options import INPUT_OPTIONS, OUTPUT_OPTIONS, add_to, asked, joined
from host.console import Parser, UsageError, printable, say, write

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from host.backends.openvino_convert import Change, Facts, PortFacts, Request

EXIT_DIFFERENT: Final = 1

_EPILOG: Final = """\
SRC is OpenVINO IR (.xml), ONNX (.onnx), TensorFlow Lite (.tflite), a frozen TensorFlow graph (.pb), a
SavedModel folder, or Paddle (.pdmodel). An option without NAME is for the only input or output. Whatever the
order of the options, an input goes through: bytes to floats, layout, size, channels, mean, scale.

examples:
  python -m host convert model.onnx -o model.xml --fp16
      the same model as OpenVINO IR, with weights of half the size

  python -m host convert net.xml -o pixels.xml --u8-input --layout nhwc --rgb2bgr --mean 104,117,123
      a guest hands over the bytes of a decoded RGB picture; the model was trained on BGR, less these means

  python -m host convert net.xml -o any.xml --u8-input --layout nhwc --resize any --softmax --top-k 5
      pictures of any size go in; the five best classes come out, as scores and indices

  python -m host convert two.onnx -o two.xml --shape left=1,3,64,64 --shape right=1,8 --u8-input=left
      a model of several inputs: say which

The result is run against SRC on random input, and not written when they differ.
exit codes: 0 converted, 1 the result differs from SRC, 2 bad usage or input; 1 and 2 write nothing.
"""

_DEFAULT_SEED: Final = 0


def main(arguments: list[str]) -> int:
    """Convert the model that `arguments` name."""
    options = _parser().parse_args(joined(arguments))
    from host.backends.openvino_convert import CheckError, convert  # noqa: PLC0415 - loads OpenVINO and numpy
    from host.backends.openvino_convert_plan import ConvertError  # noqa: PLC0415 - goes with it

    try:
        facts = convert(_request(options))
    except CheckError as error:
        say("error", str(error))
        return EXIT_DIFFERENT
    except ConvertError as error:
        raise UsageError(str(error)) from error
    if options.json:
        write(json.dumps(asdict(facts), indent=2) + "\n")
    else:
        write("".join(f"{printable(line)}\n" for line in _lines(facts)))
    return 0


def _parser() -> Parser:
    parser = Parser(
        "convert",
        "Make OpenVINO IR of a model, so that a guest may hand over raw pixels and gets a finished answer.",
        _EPILOG,
        "python -m host convert SRC -o OUT.xml [options]",
    )
    parser.add_argument("source", type=Path, metavar="SRC", help="the model's file or folder")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="OUT.xml", required=True,
        help="the result; its weights go beside it, as OUT.bin",
    )  # fmt: skip
    parser.add_argument("--fp16", action="store_true", help="keep weights as f16: half the size")
    parser.add_argument("--force", action="store_true", help="overwrite OUT.xml and OUT.bin")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--no-check", action="store_true", help="do not run the result against SRC")
    parser.add_argument(
        "--seed", type=int, metavar="N", default=_DEFAULT_SEED,
        help=f"of the random input of the check (default: {_DEFAULT_SEED})",
    )  # fmt: skip
    add_to(parser)
    return parser


def _request(options: argparse.Namespace) -> Request:
    from host.backends.openvino_convert import Request  # noqa: PLC0415 - see `main`
    from host.backends.openvino_convert_files import Target  # noqa: PLC0415 - see `main`

    if options.seed < 0:
        raise UsageError(f"`--seed {options.seed}`: a seed is not below 0")
    return Request(
        options.source,
        Target(options.output, options.force),
        asked(options, INPUT_OPTIONS),
        asked(options, OUTPUT_OPTIONS),
        options.fp16,
        None if options.no_check else options.seed,
    )


def _lines(facts: Facts) -> Iterator[str]:
    """Yield the lines for a person; what is in them from the model is not escaped yet."""
    yield f"source   {facts.source}: {facts.format} model, {facts.source_bytes:,} bytes"
    for kind, changes in (("inputs", facts.inputs), ("outputs", facts.outputs)):
        for number, change in enumerate(changes):
            yield f"{'' if number else kind:<9}{_change(change)}"
            yield from (f"{'':<13}{step}" for step in change.steps)
    yield f"weights  {facts.weights}"
    for number, file in enumerate(facts.files):
        yield f"{'' if number else 'written':<9}{file.file}: {file.size:,} bytes, sha256 {file.sha256}"
    if facts.check is None:
        yield "check    left out"
        return
    yield f"check    on random input, seed {facts.check.seed}, against the source in f32"
    for each in facts.check.differences:
        told = f"{each.output}: at most {each.absolute:.2g} apart, {each.relative:.2g} of the largest value"
        yield f"{'':<13}{told} ({facts.check.tolerance:g} is allowed)"


def _change(change: Change) -> str:
    after = _port(change.after)
    if change.before is None:
        return f"{change.index} new -> {change.after.name}: {after}"
    before = _port(change.before)
    told = f"{change.index} {change.after.name}: {before}"
    if change.before.name != change.after.name:
        told = f"{change.index} {change.before.name}: {before} -> {change.after.name}: {after}"
    elif before != after:
        told += f" -> {after}"
    return told


def _port(port: PortFacts) -> str:
    return f"{port.type} {port.shape}" + (f" {port.layout}" if port.layout else "")
