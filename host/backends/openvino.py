"""The OpenVINO backend, on its C API: read models, compile them for a device, run them.

Only this module and its neighbours `openvino_*` know OpenVINO; whoever needs them imports them late. Neither
OpenVINO's Python package nor numpy is imported: that alone takes as long as a small run.
"""

from __future__ import annotations

import os
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from host.backends import Description
from host.backends.openvino_c import CData, OpenVinoError, ffi, library
from host.backends.openvino_compile import Compiler, Source
from host.backends.openvino_describe import names
from host.backends.openvino_devices import Devices
from host.backends.openvino_graph import ELEMENTS, OpenVinoGraph, address, new_tensor, ports
from host.cache import Contents, key
from host.errors import Condition, NnError
from host.formats import Format

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from host.backends import Device
    from host.cache import Cache
    from host.models.options import ModelOptions

_FILES: Final[Mapping[Format, tuple[str, ...]]] = MappingProxyType(
    {
        Format.TENSORFLOW: ("model.pb",),
        Format.TENSORFLOWLITE: ("model.tflite",),
        Format.PADDLE: ("model.pdmodel", "model.pdiparams"),
    }
)
"""The formats that OpenVINO reads from files only, and the names by which it tells them."""


class OpenVino:
    """A backend on one OpenVINO core, for any number of threads."""

    def __init__(self, kept: Cache | None = None) -> None:
        """Load OpenVINO; OpenVinoMissingError when it cannot be had.

        Args:
            kept: Where compiled models are taken from and put; None when they are not kept.
        """
        self._ov = library()
        self._compiler = Compiler(self._ov, kept)
        self._core = self._compiler.core()
        self._devices = Devices(cache(self._available), self._property)

    def load(self, builders: tuple[bytes, ...], format_: Format, options: ModelOptions) -> OpenVinoGraph:
        """Compile a model from bytes: never by a path of its own, and with no file beside it."""
        size = sum(map(len, builders))
        source = Source(lambda: self._read(builders, format_), lambda: key(format_.value, *builders), size)
        return self._loaded(source, options)

    def load_path(self, path: Path, files: tuple[Path, ...], options: ModelOptions) -> OpenVinoGraph:
        """Compile the model at `path`, which consists of `files`."""
        contents = Contents(files)
        source = Source(lambda: self._read_path(path), contents.identity, contents.size(), contents.are_same)
        return self._loaded(source, options)

    def _loaded(self, source: Source, options: ModelOptions) -> OpenVinoGraph:
        device = self._devices.resolve(options.device)
        self._devices.check_precision(device, options.precision)
        try:
            return self._compiler.graph(source, device, options)
        except OpenVinoError as error:
            raise NnError(Condition.NOT_A_MODEL, str(error)) from error

    def describe(self, path: Path) -> Description:
        """Return what the model at `path` takes and gives; it is read and not compiled."""
        ov, lib = self._ov, self._ov.lib
        try:
            model = self._read_path(path)
            inputs = ov, model, lib.ov_model_inputs_size, lib.ov_model_const_input_by_index
            outputs = ov, model, lib.ov_model_outputs_size, lib.ov_model_const_output_by_index
            return Description(ports(*inputs), names(*inputs), ports(*outputs), names(*outputs))
        except OpenVinoError as error:
            raise NnError(Condition.NOT_A_MODEL, str(error)) from error

    def devices(self) -> tuple[Device, ...]:
        """Return every device there is, and why those of the usual kinds that are not there are not."""
        return self._devices.all()

    def _available(self) -> tuple[str, ...]:
        lib = self._ov.lib
        found = ffi.new("ov_available_devices_t *")
        self._ov.check(lib.ov_core_get_available_devices(self._core, found))
        try:
            return tuple(ffi.string(found.devices[index]).decode() for index in range(found.size))
        finally:
            lib.ov_available_devices_free(found)

    def _property(self, name: str, which: str) -> str:
        return self._ov.text(self._ov.lib.ov_core_get_property, self._core, name.encode(), which.encode())

    def _read(self, builders: tuple[bytes, ...], format_: Format) -> CData:
        files = _FILES.get(format_)
        if files is not None:
            from host.backends.lent_files import lent  # noqa: PLC0415 - few models need it

            if format_ is Format.TENSORFLOW:
                from host.backends.tensorflow_guard import as_file  # noqa: PLC0415 - see above

                builders = (as_file(builders[0]),)
            with lent(dict(zip(files, builders, strict=True))) as folder:
                return self._read_path(*(folder / name for name in files))
        model, weights = builders if len(builders) > 1 else (builders[0], None)
        lib = self._ov.lib
        return self._ov.make(
            "ov_model_t",
            lib.ov_core_read_model_from_memory_buffer,
            self._core,
            model,
            len(model),
            ffi.NULL if weights is None else self._weights(weights),
            free=lib.ov_model_free,
        )

    def _weights(self, data: bytes) -> CData:
        """Return a tensor of a copy of `data`, which the model then keeps for as long as it needs it."""
        tensor = new_tensor(self._ov, ELEMENTS["u8"], (len(data),))
        if data:
            ffi.memmove(address(self._ov, tensor), data, len(data))
        return tensor

    def _read_path(self, path: Path, weights: Path | None = None) -> CData:
        lib = self._ov.lib
        return self._ov.make(
            "ov_model_t",
            lib.ov_core_read_model,
            self._core,
            os.fsencode(path),
            ffi.NULL if weights is None else os.fsencode(weights),
            free=lib.ov_model_free,
        )
