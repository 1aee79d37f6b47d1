"""What the examples' model recipes share: make a folder whole or not at all, and only when something changed.

It knows no model and downloads nothing; `examples.packages` does that.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from examples.packages import PackageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from openvino import Model  # type: ignore[import-untyped]  # the wheel has stubs but no py.typed

Port = tuple[str, str, tuple[int, ...]]
"""A port's name, element type and shape."""

MODELS = Path(__file__).resolve().parents[1] / "build" / "models"
_STAMP = "recipe.json"


class ModelError(Exception):
    """A package's content is not what its recipe expects."""


def make(out: Path, number: int, fill: Callable[[Path], None]) -> bool:
    """Make the files of a folder, unless they are there already; tell whether there was anything to do.

    `number` counts the recipe's changes: files of another number are made again. `fill` writes the files into
    an empty folder; when it raises, `out` has not changed. Other files in `out` stay.
    """
    if _is_made(out, number):
        return False
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as name:
        folder = Path(name)
        fill(folder)
        made = {path.name: _sha256(path) for path in sorted(folder.iterdir())}
        (folder / _STAMP).write_text(json.dumps({"recipe": number, "files": made}, indent=2) + "\n")
        _move(folder, out)
    return True


def save(model: Model, xml: Path, ports: tuple[Port, ...], *, compress_to_fp16: bool = False) -> None:
    """Save a model as OpenVINO IR and see that it compiles, with the ports that the guest counts on.

    Raises:
        ModelError: it does not compile, or a port's name, type or shape is another.
    """
    import openvino  # noqa: PLC0415 - half a second, not needed when everything is made already

    openvino.save_model(model, xml, compress_to_fp16=compress_to_fp16)
    verify(xml, ports)


def verify(model: Path, ports: tuple[Port, ...]) -> None:
    """Compile a saved model, and compare its ports, inputs first, with those expected.

    Raises:
        ModelError: it does not compile, or a port's name, type or shape is another.
    """
    import openvino  # noqa: PLC0415 - half a second, not needed when everything is made already

    core = openvino.Core()
    try:
        read = core.read_model(model)
        core.compile_model(read, "CPU")
    except RuntimeError as error:
        raise ModelError(f"the converted model does not compile: {error}") from error
    found = tuple(
        (port.get_any_name(), port.element_type.to_string(), tuple(port.shape))
        for port in (*read.inputs, *read.outputs)
    )
    if found != ports:
        raise ModelError(f"the converted model has other ports than expected: {found}")


def main(what: str, name: str, number: int, fill: Callable[[Path], None]) -> int:
    """Be the command of a recipe that makes one folder, `build/models/NAME`; return the exit code."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--out", type=Path, default=MODELS / name)
    options = parser.parse_args()
    return report(lambda: make(options.out, number, fill), f"{name} in {options.out}")


def report(work: Callable[[], bool], result: str) -> int:
    """Do the work of a recipe, say how it went, and return the exit code."""
    try:
        worked = work()
    except (PackageError, ModelError, OSError) as error:
        say(f"error: {error}")
        return 1
    say(f"    {result}{'' if worked else ' (already)'}")
    return 0


def say(text: str) -> None:
    """Print a line of progress."""
    sys.stderr.write(f"{text}\n")


def _move(folder: Path, out: Path) -> None:
    """Put finished files in place; the stamp goes first out and last in, so a half-done move is redone."""
    out.mkdir(exist_ok=True)
    (out / _STAMP).unlink(missing_ok=True)
    for path in sorted(folder.iterdir(), key=lambda path: path.name == _STAMP):
        path.replace(out / path.name)


def _is_made(out: Path, number: int) -> bool:
    try:
        record: Mapping[str, Any] = json.loads((out / _STAMP).read_text(encoding="utf-8"))
        return record["recipe"] == number and all(
            _sha256(out / name) == digest for name, digest in record["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
