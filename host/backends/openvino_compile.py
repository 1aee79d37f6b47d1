"""Compile a model for a device or take it from the cache, on as many threads as suit it best; reads no model.

OpenVINO's own cache is not used: its keys are 64 bits that a guest's model could be made to share.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from math import prod
from threading import Lock, Thread
from time import perf_counter
from typing import TYPE_CHECKING, Final

from host import cache
from host.backends.openvino_c import CData, Library, OpenVinoError, ffi
from host.backends.openvino_devices import AS_IT_LIKES, CPU, OVER_DEVICES
from host.backends.openvino_graph import OpenVinoGraph, ports
from host.backends.openvino_layout import with_layout
from host.errors import NnError
from host.models.options import LATENCY
from host.processors import usable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from host.cache import Cache
    from host.models.options import ModelOptions

_CORES: Final = 8
"""How many cores are kept, each with properties of its own; the oldest goes first."""

_SLOW: Final = 0.002
"""Seconds of an inference on all threads from which it is not tried on one: it would take longer."""

_FIRST: Final = 0.01
"""The same for the first inference, which also prepares the others: it takes 1 to 4 ms of a quick model."""

_TRIES: Final = 25
_TRIED_ELEMENTS: Final = 1 << 22
"""Elements of an input up to which inferences are tried at all."""

_TIE: Final = 1.2
"""How much longer it may take on one thread: that leaves the other processors to other guests, and needs no
others to wake up, as they must when a guest does something in between."""

_ONE: Final = b"one"
_ALL: Final = b"all"
_CHOICES: Final = frozenset({_ONE, _ALL})


@dataclass(frozen=True, slots=True)
class Source:
    """A model to be had: `read` gives an `ov_model_t *`, `identity` all that it is made of, as a key.

    `size` is that of all this in bytes. `is_same` says, after reading, whether it is still what `identity`
    has seen.
    """

    read: Callable[[], CData]
    identity: Callable[[], str]
    size: int
    is_same: Callable[[], bool] = lambda: True


@dataclass(frozen=True, slots=True)
class Compiler:
    """Makes graphs, for any number of threads; `kept` is where from and to, None for nowhere."""

    ov: Library
    kept: Cache | None
    _cores: dict[tuple[str, ...], CData] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def core(self, device: str = CPU, config: Mapping[str, str] | None = None) -> CData:
        """Return a core, with the properties in `config` for `device`: an import takes them from its core.

        The CPU plugin gives the thread that loads it another stack for signals, and takes that away when it
        is unloaded, wherever that is. Wasmtime's traps are signals: on a thread left without such a stack the
        next one ends the process. So a plugin is loaded by a thread that ends with that.
        """
        properties = _texts(config or {})
        key = device, *properties
        with self._lock:
            if key not in self._cores:
                core = _alone(lambda: self._new_core(device, properties))
                if len(self._cores) >= _CORES:
                    del self._cores[next(iter(self._cores))]
                self._cores[key] = core
            return self._cores[key]

    def graph(self, source: Source, device: str, options: ModelOptions) -> OpenVinoGraph:
        """Return the model compiled; OpenVinoError when it cannot be, NnError when a layout does not fit."""
        is_plain = device.partition(":")[0] not in OVER_DEVICES
        is_kept = self.kept is not None and is_plain and source.size <= self.kept.most
        identity = source.identity() if is_kept else None
        making = _Making(self, source, device, identity)
        is_open = options.threads is None and options.hint == LATENCY and device == CPU and usable() > 1
        return making.fastest(options) if is_open else making.one(options)

    def _new_core(self, device: str, properties: list[str]) -> CData:
        lib = self.ov.lib
        core = self.ov.make("ov_core_t", lib.ov_core_create, free=lib.ov_core_free)
        for name, value in zip(properties[::2], properties[1::2], strict=True):
            texts = [ffi.new("char[]", text.encode()) for text in (name, value)]
            self.ov.check(lib.ov_core_set_property(core, device.encode(), *texts))
        if device == CPU:
            self.ov.text(lib.ov_core_get_property, core, device.encode(), b"FULL_DEVICE_NAME")  # loads it
        return core


@dataclass(frozen=True, slots=True)
class _Making:
    """One model on its way to a graph; without `identity` nothing is kept of it."""

    compiler: Compiler
    source: Source
    device: str
    identity: str | None

    def fastest(self, options: ModelOptions) -> OpenVinoGraph:
        """Return the graph on one thread or on all, whichever is quicker here; the choice is kept."""
        key = self._key(options, f"threads of {usable()}", *_texts(_config(options, self.device)))
        alone = replace(options, threads=1)
        choice = self._recalled(key)
        if choice in _CHOICES:
            return self.one(alone if choice == _ONE else options)
        model = self._model(options)
        chosen, graph = options, self._compiled(options, model)
        with suppress(NnError, OpenVinoError):  # zeros need not make sense to a model
            if _is_quick(graph):
                other = self._compiled(alone, model)
                on_one, on_all = _seconds(other, graph)
                if on_one < on_all * _TIE:
                    chosen, graph = alone, other
                times = f"{on_one * 1e6:.0f} us on one thread, {on_all * 1e6:.0f} on all"
                graph = replace(graph, remark=f"{graph.remark}: {times}")
        self._keep(key, lambda file: file.write_bytes(_ALL if chosen is options else _ONE))
        self._keep_graph(graph, chosen)
        return graph

    def one(self, options: ModelOptions) -> OpenVinoGraph:
        """Return the graph for `options`, from the cache or compiled."""
        key = self._graph_key(options)
        content = self.compiler.kept.get(key) if self.compiler.kept and key else None
        if content is not None:
            try:
                return self._imported(options, content)
            except OpenVinoError:
                self._forget(key)
        graph = self._compiled(options, self._model(options))
        self._keep_graph(graph, options)
        return graph

    def _model(self, options: ModelOptions) -> CData:
        ov, lib = self.compiler.ov, self.compiler.ov.lib
        model = self.source.read()
        if options.layout is None:
            return model
        inputs = ports(ov, model, lib.ov_model_inputs_size, lib.ov_model_const_input_by_index)
        ranks = tuple(None if port.dimensions is None else len(port.dimensions) for port in inputs)
        return with_layout(ov, model, ranks, options.layout)

    def _compiled(self, options: ModelOptions, model: CData) -> OpenVinoGraph:
        config = [ffi.new("char[]", each.encode()) for each in _texts(_config(options, self.device))]
        lib = self.compiler.ov.lib
        return self._graph(
            f"compiled for {_threads(options)}",
            lambda *arguments: lib.ov_core_compile_model(*arguments, *config),
            self.compiler.core(),
            model,
            self.device.encode(),
            len(config),
        )

    def _imported(self, options: ModelOptions, content: memoryview) -> OpenVinoGraph:
        core = self.compiler.core(self.device, _config(options, self.device))
        data = ffi.from_buffer(content)
        lib = self.compiler.ov.lib
        remark = f"from the cache, for {_threads(options)}"
        return self._graph(remark, lib.ov_core_import_model, core, data, len(content), self.device.encode())

    def _graph(self, remark: str, function: Callable[..., int], *arguments: object) -> OpenVinoGraph:
        ov, lib = self.compiler.ov, self.compiler.ov.lib

        def free(compiled: CData, _held: object = arguments) -> None:  # the weights of what is imported
            lib.ov_compiled_model_free(compiled)

        compiled = ov.make("ov_compiled_model_t", function, *arguments, free=free)
        return OpenVinoGraph(
            ports(ov, compiled, lib.ov_compiled_model_inputs_size, lib.ov_compiled_model_input_by_index),
            ports(ov, compiled, lib.ov_compiled_model_outputs_size, lib.ov_compiled_model_output_by_index),
            ov,
            compiled,
            remark,
        )

    def _keep_graph(self, graph: OpenVinoGraph, options: ModelOptions) -> None:
        ov = self.compiler.ov

        def export(path: Path) -> None:
            try:
                ov.check(ov.lib.ov_compiled_model_export_model(graph.compiled, os.fsencode(path)))
            except OpenVinoError as error:  # not every device can: there is no entry then
                raise OSError(str(error)) from error

        self._keep(self._graph_key(options), export)

    def _keep(self, key: str, write: Callable[[Path], object]) -> None:
        if self.compiler.kept is not None and key and self.source.is_same():
            self.compiler.kept.put(key, write)

    def _forget(self, key: str) -> None:
        if self.compiler.kept is not None:
            self.compiler.kept.drop(key)

    def _recalled(self, key: str) -> bytes:
        found = self.compiler.kept.get(key) if self.compiler.kept and key else None
        return bytes(found or b"")

    def _graph_key(self, options: ModelOptions) -> str:
        return self._key(options, *_texts(_config(options, self.device)))

    def _key(self, options: ModelOptions, *more: str) -> str:
        """Return the key of what is made of this model; `""` when nothing is kept."""
        if self.identity is None:
            return ""
        version = self.compiler.ov.version
        return cache.key("model", version, self.identity, self.device, options.layout or "", *more)


def _alone(make: Callable[[], CData]) -> CData:
    """Return what `make` returns, or raise what it raises, in a thread that ends with that."""
    made: list[CData] = []
    raised: list[BaseException] = []

    def work() -> None:
        try:
            made.append(make())
        except BaseException as error:  # noqa: BLE001 - raised below
            raised.append(error)

    thread = Thread(target=work, name="OpenVINO start")
    thread.start()
    thread.join()
    for error in raised:
        raise error
    return made[0]


def _config(options: ModelOptions, device: str) -> Mapping[str, str]:
    config = {"PERFORMANCE_HINT": options.hint.upper()}
    if options.precision != AS_IT_LIKES:
        config["INFERENCE_PRECISION_HINT"] = options.precision
    if options.threads is not None:
        config["INFERENCE_NUM_THREADS"] = str(options.threads)
    if device == CPU:  # pinned, the threads of two models wait for the same processors while others are idle
        config["ENABLE_CPU_PINNING"] = "NO"
    return config


def _threads(options: ModelOptions) -> str:
    return {None: "all threads", 1: "one thread"}.get(options.threads, f"{options.threads} threads")


def _texts(config: Mapping[str, str]) -> list[str]:
    return [text for pair in config.items() for text in pair]


def _is_quick(graph: OpenVinoGraph) -> bool:
    """Return whether inferences on zeros take so little that it is worth trying; raises as they do."""
    shapes = [port.static_shape for port in graph.inputs]
    if any(shape is None or prod(shape) > _TRIED_ELEMENTS for shape in shapes):
        return False
    times = _times(graph)
    return next(times) < _FIRST and next(times) < _SLOW


def _seconds(*graphs: OpenVinoGraph) -> list[float]:
    """Return the median time of an inference of each; they take turns, and so suffer alike what disturbs."""
    turns = list(islice(zip(*map(_times, graphs), strict=True), _TRIES))
    return [sorted(times)[_TRIES // 2] for times in zip(*turns, strict=True)]


def _times(graph: OpenVinoGraph) -> Iterator[float]:
    """Yield what an inference takes, again and again."""
    request = graph.request()
    for index, port in enumerate(graph.inputs):
        request.clear_input(index, port.static_shape or ())
    while True:
        before = perf_counter()
        request.infer()
        yield perf_counter() - before
