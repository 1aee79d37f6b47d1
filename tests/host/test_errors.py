"""Every condition of the host's table, brought about by a guest, gives its errno; the walk is complete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from host.abi import ExecutionTarget, GraphEncoding, NnErrno, TensorType
from host.backends.remote_address import remote
from host.errors import Condition
from host.models.options import ModelOptions
from host.models.registry import CONFIGURATIONS, NamedModel, Registry
from host.nn import Limits, Serving, Session
from tests.host import models
from tests.host.guests import CANARY, DATA, OUT, Guest, wat
from tests.servers import wrong

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from host.backends.openvino import OpenVino

NONE = 77
"""A handle, an index, an enum value that is not there."""
ENCODING, TARGET = GraphEncoding.OPENVINO, ExecutionTarget.CPU


@dataclass
class Scene:
    """A guest with one loaded model (f32 [1, 2]) and a context, and what makes others."""

    guest: Guest
    pair: models.IR
    backend: Callable[[], OpenVino]
    folder: Path

    def __post_init__(self) -> None:
        self.context = self.guest.context(self.pair)
        self.guest.put_u32(OUT, CANARY)

    def with_limits(self, limits: Limits) -> Guest:
        """Return another guest under `limits`."""
        self.guest = Guest(Session(self.backend, Registry({}), lambda _: None, limits))
        return self.guest

    def load_with(self, options: ModelOptions) -> int:
        """Load the model into another guest, whose models run with `options`."""
        serving = Serving(options)
        self.guest = Guest(Session(self.backend, Registry({}), lambda _: None, serving=serving))
        return self.guest.load(self.pair)

    def set(
        self, data: bytes, dimensions: tuple[int, ...], kind: int = TensorType.F32, index: int = 0
    ) -> int:
        """Set an input of the loaded model."""
        return self.guest.set_input(self.context, data, dimensions, kind, index)


def _named_model_that_is_none(scene: Scene) -> int:
    path = scene.folder / "m.xml"
    path.write_text("<net></net>")
    scene.guest = Guest(Session(scene.backend, Registry({"m": NamedModel(path)}), lambda _: None))
    return scene.guest.load_by_name(b"m")


def _named_model_on_a_device_that_is_not_there(scene: Scene) -> int:
    path = scene.folder / "m.xml"
    path.write_bytes(scene.pair[0])
    model = NamedModel(path, ModelOptions(device="GPU.9"))
    scene.guest = Guest(Session(scene.backend, Registry({"m": model}), lambda _: None))
    return scene.guest.load_by_name(b"m")


def _option_that_is_the_operators(scene: Scene) -> int:
    model = NamedModel(scene.folder / "m.xml", fixed=frozenset({"device"}))
    scene.guest = Guest(Session(scene.backend, Registry({"m": model}), lambda _: None))
    return scene.guest.load_by_name_with_config(b"m", b'{"device": "NPU"}')


def _ever_new_configurations(scene: Scene) -> int:
    path = scene.folder / "m.xml"
    path.write_bytes(scene.pair[0])
    path.with_suffix(".bin").write_bytes(scene.pair[1])
    model = NamedModel(path, ModelOptions(threads=64))  # so that a guest may have as many
    scene.guest = Guest(Session(scene.backend, Registry({"m": model}), lambda _: None))
    for threads in range(1, CONFIGURATIONS + 1):
        assert scene.guest.load_by_name_with_config(b"m", b'{"threads": %d}' % threads) == 0
    return scene.guest.load_by_name_with_config(b"m", b'{"threads": 63}')


def _too_many_graphs(scene: Scene) -> int:
    guest = scene.with_limits(Limits(graphs=1))
    assert guest.load(scene.pair) == 0
    return guest.load(scene.pair)


def _too_many_contexts(scene: Scene) -> int:
    guest = scene.with_limits(Limits(contexts=1))
    guest.context(scene.pair)
    return guest.call("init_execution_context", 1, OUT)


def _compute_that_fails(scene: Scene) -> int:
    context = scene.guest.context(models.reshape())
    assert scene.guest.set_input(context, bytes(12), (3,)) == 0
    return scene.guest.call("compute", context)


def _output_too_large(scene: Scene) -> int:
    scene.guest.infer(scene.context, bytes(8), (1, 2))
    return scene.guest.call("get_output", scene.context, 0, DATA, 7, OUT)


def _no_memory(scene: Scene) -> int:
    scene.guest = Guest(scene.guest.session, wat(memory=""))
    return scene.guest.call("compute", 1)


def _something_unforeseen(scene: Scene) -> int:
    def broken() -> OpenVino:
        raise KeyError("a bug")

    scene.guest = Guest(Session(broken, Registry({}), lambda _: None))
    return scene.guest.load(scene.pair)


def _after_failed_compute(scene: Scene) -> int:
    context = scene.guest.context(models.reshape())
    scene.guest.infer(context, bytes(8), (2,))
    assert scene.guest.set_input(context, bytes(12), (3,)) == 0
    assert scene.guest.call("compute", context) == NnErrno.RUNTIME_ERROR
    return scene.guest.call("get_output", context, 0, DATA, 64, OUT)


def _guest_models_off(scene: Scene) -> int:
    return scene.with_limits(Limits(guest_models=False)).load(scene.pair)


def _output_over_the_cap(scene: Scene) -> int:
    guest = scene.with_limits(Limits(tensor_bytes=64))
    context = guest.context(models.repeat(9))
    assert guest.set_input(context, bytes(8), (2,)) == 0, guest.reports
    assert guest.call("compute", context) == 0
    return guest.call("get_output", context, 0, DATA, 4096, OUT)


def _remote_compute(scene: Scene, answer: bytes) -> int:
    with wrong.http(wrong.model(lambda _: answer)) as server:
        path = remote(f"v2+http://127.0.0.1:{server.port}/m", {})
        scene.guest = Guest(Session(scene.backend, Registry({"m": NamedModel(path)}), lambda _: None))
        assert scene.guest.load_by_name(b"m") == 0, scene.guest.reports
        context = scene.guest.context_of(scene.guest.u32())
        assert scene.guest.set_input(context, bytes(8), (2,)) == 0
        return scene.guest.call("compute", context)


EXTERNAL = models.onnx(models.external("c", "/etc/hostname"))

C = Condition
CASES: list[tuple[str, Condition, Callable[[Scene], int]]] = [
    ("unknown encoding", C.BAD_ENCODING, lambda s: s.guest.load(s.pair, NONE)),
    ("encoding 256 is not encoding 0", C.BAD_ENCODING, lambda s: s.guest.load(s.pair, 256)),
    ("negative encoding", C.BAD_ENCODING, lambda s: s.guest.load(s.pair, -1)),
    ("unknown target", C.BAD_TARGET, lambda s: s.guest.load(s.pair, ENCODING, NONE)),
    ("pytorch", C.ENCODING_NOT_SERVED, lambda s: s.guest.load(s.pair, GraphEncoding.PYTORCH)),
    (
        "autodetect finds a zip",
        C.ENCODING_NOT_SERVED,
        lambda s: s.guest.load((b"PK\x03\x04",), GraphEncoding.AUTODETECT),
    ),
    (
        "precision of no device",
        C.PRECISION_NOT_AVAILABLE,
        lambda s: s.load_with(ModelOptions(precision="f8")),
    ),
    ("layout without a picture", C.LAYOUT_DOES_NOT_FIT, lambda s: s.load_with(ModelOptions(layout="nhwc"))),
    ("no builders", C.BUILDER_COUNT, lambda s: s.guest.load(())),
    ("no builders, autodetect", C.BUILDER_COUNT, lambda s: s.guest.load((), GraphEncoding.AUTODETECT)),
    ("IR without weights", C.BUILDER_COUNT, lambda s: s.guest.load(s.pair[:1])),
    ("three builders", C.BUILDER_COUNT, lambda s: s.guest.load((*s.pair, b""))),
    ("ONNX in two builders", C.BUILDER_COUNT, lambda s: s.guest.load((EXTERNAL, b""), GraphEncoding.ONNX)),
    ("garbage as IR", C.NOT_A_MODEL, lambda s: s.guest.load((b"garbage", b""))),
    ("empty IR", C.NOT_A_MODEL, lambda s: s.guest.load((b"", b""))),
    ("a path as IR", C.NOT_A_MODEL, lambda s: s.guest.load((b"/etc/hostname", b""))),
    ("truncated XML", C.NOT_A_MODEL, lambda s: s.guest.load((s.pair[0][:300], b""))),
    ("XML after blanks", C.NOT_A_MODEL, lambda s: s.guest.load((b"\n" + s.pair[0], b""))),
    ("weights too short", C.NOT_A_MODEL, lambda s: s.guest.load((models.add_constant(1)[0], b"\0"))),
    ("ONNX as IR", C.NOT_A_MODEL, lambda s: s.guest.load((EXTERNAL, b""))),
    ("IR as ONNX", C.NOT_A_MODEL, lambda s: s.guest.load(s.pair[:1], GraphEncoding.ONNX)),
    ("truncated ONNX", C.NOT_A_MODEL, lambda s: s.guest.load((EXTERNAL[:-3],), GraphEncoding.ONNX)),
    (
        "ONNX with a broken graph",
        C.NOT_A_MODEL,
        lambda s: s.guest.load((models.field(1, 8) + models.field(7, b"\xff"),), GraphEncoding.ONNX),
    ),
    ("garbage, autodetect", C.NOT_A_MODEL, lambda s: s.guest.load((b"garbage",), GraphEncoding.AUTODETECT)),
    ("ONNX names a file", C.MODEL_REFERS_TO_FILES, lambda s: s.guest.load((EXTERNAL,), GraphEncoding.ONNX)),
    (
        "ONNX names a file, autodetect",
        C.MODEL_REFERS_TO_FILES,
        lambda s: s.guest.load((EXTERNAL,), GraphEncoding.AUTODETECT),
    ),
    ("ggml", C.ENCODING_NOT_SERVED, lambda s: s.guest.load((b"GGUF",), GraphEncoding.AUTODETECT)),
    ("IR with an unsafe operation", C.MODEL_UNSAFE, lambda s: s.guest.load(models.gather_nd())),
    (
        "ONNX with an unsafe operation",
        C.MODEL_UNSAFE,
        lambda s: s.guest.load((models.onnx_of("GatherND"),), GraphEncoding.ONNX),
    ),
    ("models by name only", C.GUEST_MODELS_OFF, _guest_models_off),
    ("compute_single", C.NOT_PROVIDED, lambda s: s.guest.call("compute_single", s.context)),
    ("fini_single", C.NOT_PROVIDED, lambda s: s.guest.call("fini_single", s.context)),
    (
        "get_output_single",
        C.NOT_PROVIDED,
        lambda s: s.guest.call("get_output_single", s.context, 0, DATA, 8, OUT),
    ),
    (
        "configuration is not JSON",
        C.BAD_CONFIGURATION,
        lambda s: s.guest.load_by_name_with_config(b"m", b"threads=1"),
    ),
    ("configuration against the operator", C.OPTION_FIXED, _option_that_is_the_operators),
    ("ever new configurations", C.OUT_OF_CONFIGURATIONS, _ever_new_configurations),
    ("unload, unknown graph", C.HANDLE_NOT_LIVE, lambda s: s.guest.call("unload", NONE)),
    ("unload, a context", C.HANDLE_NOT_LIVE, lambda s: s.guest.call("unload", s.context)),
    (
        "finalize, unknown context",
        C.HANDLE_NOT_LIVE,
        lambda s: s.guest.call("finalize_execution_context", NONE),
    ),
    ("output over the cap", C.ABSURD_SIZE, _output_over_the_cap),
    ("tpu", C.DEVICE_NOT_AVAILABLE, lambda s: s.guest.load(s.pair, ENCODING, ExecutionTarget.TPU)),
    ("unknown name", C.UNKNOWN_NAME, lambda s: s.guest.load_by_name(b"nope")),
    ("a path as a name", C.UNKNOWN_NAME, lambda s: s.guest.load_by_name(b"/etc/hostname")),
    ("empty name", C.UNKNOWN_NAME, lambda s: s.guest.load_by_name(b"")),
    ("name not UTF-8", C.BAD_NAME, lambda s: s.guest.load_by_name(b"\xff\xfe")),
    ("name with NUL", C.BAD_NAME, lambda s: s.guest.load_by_name(b"a\0b")),
    ("name far too long", C.ABSURD_SIZE, lambda s: s.guest.load_by_name(bytes(5000))),
    ("named model is none", C.NAMED_MODEL_FAILED, _named_model_that_is_none),
    ("named model without its device", C.NAMED_MODEL_OPTIONS, _named_model_on_a_device_that_is_not_there),
    ("unknown graph", C.HANDLE_NOT_LIVE, lambda s: s.guest.call("init_execution_context", NONE, OUT)),
    (
        "a context as graph",
        C.HANDLE_NOT_LIVE,
        lambda s: s.guest.call("init_execution_context", s.context, OUT),
    ),
    ("graph 0", C.HANDLE_NOT_LIVE, lambda s: s.guest.call("init_execution_context", 0, OUT)),
    ("set_input, unknown context", C.HANDLE_NOT_LIVE, lambda s: s.guest.set_input(NONE, bytes(8), (1, 2))),
    ("compute, unknown context", C.HANDLE_NOT_LIVE, lambda s: s.guest.call("compute", NONE)),
    ("compute, context -1", C.HANDLE_NOT_LIVE, lambda s: s.guest.call("compute", -1)),
    ("get_output, unknown", C.HANDLE_NOT_LIVE, lambda s: s.guest.call("get_output", NONE, 0, DATA, 8, OUT)),
    ("input index", C.INDEX_OUT_OF_RANGE, lambda s: s.set(bytes(8), (1, 2), index=1)),
    ("input index -1", C.INDEX_OUT_OF_RANGE, lambda s: s.set(bytes(8), (1, 2), index=-1)),
    ("output index", C.INDEX_OUT_OF_RANGE, lambda s: s.guest.call("get_output", s.context, 1, DATA, 8, OUT)),
    ("rank too low", C.DIMENSIONS_DO_NOT_FIT, lambda s: s.set(bytes(8), (2,))),
    ("rank too high", C.DIMENSIONS_DO_NOT_FIT, lambda s: s.set(bytes(8), (1, 1, 2))),
    ("rank 0", C.DIMENSIONS_DO_NOT_FIT, lambda s: s.set(bytes(4), ())),
    ("transposed", C.DIMENSIONS_DO_NOT_FIT, lambda s: s.set(bytes(8), (2, 1))),
    ("no elements", C.DIMENSIONS_DO_NOT_FIT, lambda s: s.set(b"", (0, 2))),
    ("data one byte short", C.DATA_LENGTH, lambda s: s.set(bytes(7), (1, 2))),
    ("data one byte long", C.DATA_LENGTH, lambda s: s.set(bytes(9), (1, 2))),
    ("no data", C.DATA_LENGTH, lambda s: s.set(b"", (1, 2))),
    ("product wraps at 32 bits", C.ABSURD_SIZE, lambda s: s.set(bytes(8), (1 << 31, 1 << 31, 2))),
    ("rank 33", C.ABSURD_SIZE, lambda s: s.set(bytes(4), (1,) * 33)),
    ("17 builders", C.ABSURD_SIZE, lambda s: s.guest.load((b"",) * 17)),
    ("unknown type", C.BAD_TENSOR_TYPE, lambda s: s.set(bytes(8), (1, 2), kind=NONE)),
    ("i32 for f32", C.TYPE_DIFFERS, lambda s: s.set(bytes(8), (1, 2), kind=TensorType.I32)),
    ("input not set", C.INPUT_NOT_SET, lambda s: s.guest.call("compute", s.context)),
    ("output first", C.NOT_COMPUTED, lambda s: s.guest.call("get_output", s.context, 0, DATA, 8, OUT)),
    ("output after failure", C.NOT_COMPUTED, _after_failed_compute),
    ("compute fails", C.COMPUTE_FAILED, _compute_that_fails),
    ("server answers garbage", C.REMOTE_FAILED, lambda s: _remote_compute(s, wrong.reply(b"garbage"))),
    ("server is busy", C.REMOTE_BUSY, lambda s: _remote_compute(s, wrong.reply({}, 429))),
    ("output too large", C.BUFFER_TOO_SMALL, _output_too_large),
    ("no memory", C.NO_MEMORY, _no_memory),
    ("pointer outside", C.OUTSIDE_MEMORY, lambda s: s.guest.call("load_by_name", -1, 8, OUT)),
    ("graphs used up", C.OUT_OF_HANDLES, _too_many_graphs),
    ("contexts used up", C.OUT_OF_HANDLES, _too_many_contexts),
    ("unforeseen", C.UNFORESEEN, _something_unforeseen),
]


@pytest.fixture
def scene(guest: Guest, pair: models.IR, backend: Callable[[], OpenVino], tmp_path: Path) -> Scene:
    """Return a new scene."""
    return Scene(guest, pair, backend, tmp_path)


@pytest.mark.parametrize(("condition", "act"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_condition_gives_its_errno(scene: Scene, condition: Condition, act: Callable[[Scene], int]) -> None:
    """The guest gets the errno of the table, and the operator a reason of one condition."""
    errno = act(scene)
    assert (scene.guest.condition, errno) == (condition, condition.errno)
    assert scene.guest.reports[-1][1].reason


def test_every_condition_is_brought_about() -> None:
    """No condition of the table is without a case here."""
    assert {case[1] for case in CASES} == set(Condition)


def test_errnos_of_the_documented_table() -> None:
    """The answers are those documented: a change of one is a change of the interface."""
    n = NnErrno
    expected = {
        n.INVALID_ENCODING: {C.BAD_ENCODING, C.ENCODING_NOT_SERVED},
        n.UNSUPPORTED_OPERATION: {
            C.DEVICE_NOT_AVAILABLE, C.MODEL_REFERS_TO_FILES, C.MODEL_UNSAFE,
            C.GUEST_MODELS_OFF, C.NOT_PROVIDED, C.NAMED_MODEL_OPTIONS, C.OPTION_FIXED,
            C.PRECISION_NOT_AVAILABLE, C.LAYOUT_DOES_NOT_FIT,
        },
        n.NOT_FOUND: {C.UNKNOWN_NAME},
        n.TOO_LARGE: {C.BUFFER_TOO_SMALL, C.ABSURD_SIZE},
        n.MISSING_MEMORY: {C.NO_MEMORY},
        n.BUSY: {C.OUT_OF_HANDLES, C.OUT_OF_CONFIGURATIONS, C.REMOTE_BUSY},
        n.RUNTIME_ERROR: {
            C.NOT_A_MODEL, C.NAMED_MODEL_FAILED, C.INPUT_NOT_SET,
            C.NOT_COMPUTED, C.COMPUTE_FAILED, C.REMOTE_FAILED, C.UNFORESEEN,
        },
    }  # fmt: skip
    expected[n.INVALID_ARGUMENT] = set(C) - set().union(*expected.values())
    assert {errno: {c for c in C if c.errno is errno} for errno in expected} == expected


def test_failed_load_leaves_no_graph(scene: Scene) -> None:
    """Handles are given out only by calls that succeed."""
    assert scene.guest.load((b"garbage", b"")) != NnErrno.SUCCESS
    assert scene.guest.u32() == CANARY
    assert scene.guest.context(scene.pair) == scene.context + 2
