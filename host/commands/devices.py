"""`python -m host devices`: list the devices that models can run on, and why one cannot be used."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from host.console import Parser, UsageError, printable, write

if TYPE_CHECKING:
    from host.backends import Device

_EPILOG: Final = """\
A device is chosen by its name; a guest's targets cpu, gpu and tpu stand for CPU, GPU and NPU.
AUTO:GPU,CPU is the first of these that is there.

examples:
  python -m host devices
      a table: name, full name, capabilities (FP32: it computes in f32), or why it cannot be used

  python -m host devices --json
      the same for programs

exit codes: 0 listed, 2 bad usage, or OpenVINO cannot be loaded.
"""

_HEADS: Final = ("name", "full name", "capabilities")
_GAP: Final = "  "


def main(arguments: list[str]) -> int:
    """Print the devices."""
    parser = Parser("devices", "List the devices that models can run on.", _EPILOG)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    found = _devices()
    if options.json:
        write(json.dumps([asdict(device) for device in found], indent=2) + "\n")
    else:
        write("".join(f"{line}\n" for line in _lines(found)))
    return 0


def _devices() -> tuple[Device, ...]:
    from host.backends.openvino import OpenVino  # noqa: PLC0415 - help and usage errors come without it
    from host.backends.openvino_c import OpenVinoMissingError  # noqa: PLC0415 - see above

    try:
        return OpenVino().devices()
    except OpenVinoMissingError as error:
        raise UsageError(str(error)) from error


def _lines(devices: tuple[Device, ...]) -> tuple[str, ...]:
    rows = [_HEADS, *(_row(device) for device in devices)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    return tuple(
        _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _row(device: Device) -> tuple[str, ...]:
    told = f"not available: {device.problem}" if device.problem else " ".join(device.capabilities)
    return tuple(printable(cell) for cell in (device.name, device.full_name or "-", told))
