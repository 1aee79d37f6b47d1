"""The OpenVINO backend, on its C API: read models, compile them for a device, run them.

Only this module and its neighbours `openvino_*` know OpenVINO; whoever needs them imports them late. Neither
OpenVINO's Python package nor numpy is imported: that alone takes as long as a small run.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from host.backends import Description
from host.backends.lent_files import lent, remove_left_overs
from host.backends.openvino_c import CData, OpenVinoError, ffi, library
from host.backends.openvino_describe import names
from host.backends.openvino_devices import AS_IT_LIKES, Devices
from host.backends.openvino_graph import ELEMENTS, OpenVinoGraph, address, new_tensor, ports
from host.backends.openvino_layout import with_layout
from host.backends.tensorflow_guard import as_file
from host.errors import Condition, NnError
from host.formats import Format

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from host.backends import Device
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

    def __init__(self) -> None:
        """Load OpenVINO; OpenVinoMissingError when it cannot be had."""
        remove_left_overs()
        self._ov = library()
        self._core = self._ov.make("ov_core_t", self._ov.lib.ov_core_create, free=self._ov.lib.ov_core_free)
        # The CPU plugin gives the thread that loads it another stack for signals, and takes that away when it
        # is unloaded, wherever that is. Wasmtime's traps are signals: on a thread left without such a stack
        # the next one ends the process. So the plugins are loaded by a thread that ends with that.
        with ThreadPoolExecutor(1) as alone:
            alone.submit(self._devices).result()

    def load(self, builders: tuple[bytes, ...], format_: Format, options: ModelOptions) -> OpenVinoGraph:
        """Compile a model from bytes: never by a path of its own, and with no file beside it."""
        device = self._device(options)
        try:
            return self._compile(self._read(builders, format_), device, options)
        except OpenVinoError as error:
            raise NnError(Condition.NOT_A_MODEL, str(error)) from error

    def load_path(self, path: Path, options: ModelOptions) -> OpenVinoGraph:
        """Compile the model at `path`."""
        device = self._device(options)
        try:
            return self._compile(self._read_path(path), device, options)
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
        return self._devices().all()

    def _device(self, options: ModelOptions) -> str:
        devices = self._devices()
        device = devices.resolve(options.device)
        devices.check_precision(device, options.precision)
        return device

    def _devices(self) -> Devices:
        lib = self._ov.lib
        found = ffi.new("ov_available_devices_t *")
        self._ov.check(lib.ov_core_get_available_devices(self._core, found))
        try:
            available = tuple(ffi.string(found.devices[index]).decode() for index in range(found.size))
        finally:
            lib.ov_available_devices_free(found)
        return Devices(
            available,
            lambda name, key: self._ov.text(
                lib.ov_core_get_property, self._core, name.encode(), key.encode()
            ),
        )

    def _read(self, builders: tuple[bytes, ...], format_: Format) -> CData:
        files = _FILES.get(format_)
        if files is not None:
            if format_ is Format.TENSORFLOW:
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

    def _compile(self, model: CData, device: str, options: ModelOptions) -> OpenVinoGraph:
        ov, lib = self._ov, self._ov.lib
        if options.layout is not None:
            inputs = ports(ov, model, lib.ov_model_inputs_size, lib.ov_model_const_input_by_index)
            ranks = tuple(None if port.dimensions is None else len(port.dimensions) for port in inputs)
            model = with_layout(ov, model, ranks, options.layout)
        config = [ffi.new("char[]", text.encode()) for pair in _config(options).items() for text in pair]
        compiled = ov.make(
            "ov_compiled_model_t",
            lambda *arguments: lib.ov_core_compile_model(*arguments, *config),
            self._core,
            model,
            device.encode(),
            len(config),
            free=lib.ov_compiled_model_free,
        )
        return OpenVinoGraph(
            ports(ov, compiled, lib.ov_compiled_model_inputs_size, lib.ov_compiled_model_input_by_index),
            ports(ov, compiled, lib.ov_compiled_model_outputs_size, lib.ov_compiled_model_output_by_index),
            ov,
            compiled,
        )


def _config(options: ModelOptions) -> Mapping[str, str]:
    config = {"PERFORMANCE_HINT": "LATENCY"}
    if options.precision != AS_IT_LIKES:
        config["INFERENCE_PRECISION_HINT"] = options.precision
    if options.threads is not None:
        config["INFERENCE_NUM_THREADS"] = str(options.threads)
    return config
