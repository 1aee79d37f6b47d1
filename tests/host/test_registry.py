"""Named models: compiled once for all, the very files that were meant, nothing outside of their folder."""

from __future__ import annotations

import gc
import hashlib
from dataclasses import dataclass, replace
from threading import Barrier, Event, Thread
from time import sleep
from typing import TYPE_CHECKING

import pytest
from wasmtime import wat2wasm

from host import Graphs, Host
from host.abi import NnErrno
from host.errors import Condition, NnError
from host.models.files import RegistrationError, files_of, find_model
from host.models.options import ModelOptions
from host.models.registry import CONFIGURATIONS, NamedModel, Registry
from host.nn import Session
from tests.host import models
from tests.host.guests import Guest, f32
from tests.host.test_onnx_guard import PLACES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from host.backends import Backend, Device, Graph
    from host.backends.openvino import OpenVino
    from host.formats import Format

THREE, FIVE = models.add_constant(3), models.add_constant(5)
MISSING_DEVICE = "GPU.9"


@dataclass
class Watched:
    """OpenVINO, and something that happens right before it compiles; `how` tells what it compiles from."""

    real: OpenVino
    before: Callable[[str], object]

    def load(self, builders: tuple[bytes, ...], format_: Format, options: ModelOptions) -> Graph:
        """Compile from bytes."""
        self.before("bytes")
        return self.real.load(builders, format_, options)

    def load_path(self, path: Path, files: tuple[Path, ...], options: ModelOptions) -> Graph:
        """Compile from a path."""
        self.before(str(path))
        return self.real.load_path(path, files, options)

    def devices(self) -> tuple[Device, ...]:
        """Return what devices there are."""
        return self.real.devices()


def _write(path: Path, model: models.IR) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(model[0])
    path.with_suffix(".bin").write_bytes(model[1])
    return path


def _silent(_: str) -> None:
    """Hear nothing."""


def _session(backend: Callable[[], OpenVino], registry: Registry) -> Session:
    return Session(backend, registry, _silent)


def _threads(count: int, work: Callable[[int], object]) -> None:
    together = Barrier(count)

    def run(number: int) -> None:
        together.wait(30)
        work(number)

    threads = [Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def test_model_is_compiled_once_however_many_ask_at_once(
    backend: Callable[[], OpenVino], tmp_path: Path
) -> None:
    registry = Registry({"m": NamedModel(_write(tmp_path / "m.xml", THREE))})
    compiled: list[str] = []
    graphs: list[Graph] = []
    watched = Watched(backend(), compiled.append)
    _threads(8, lambda _: graphs.append(registry.graph("m", lambda: watched, _silent)))
    assert len(compiled) == 1
    assert len(graphs) == 8
    assert {id(graph) for graph in graphs} == {id(graphs[0])}


def test_compiling_one_model_does_not_hold_up_another(
    backend: Callable[[], OpenVino], tmp_path: Path
) -> None:
    paths = [_write(tmp_path / name, THREE) for name in ("a.xml", "b.xml")]
    registry = Registry({path.stem: NamedModel(path) for path in paths})
    second_began = Event()
    seen: list[bool] = []

    def before(path: str) -> None:
        if path.endswith("b.xml"):
            second_began.set()
        else:
            seen.append(second_began.wait(20))

    watched = Watched(backend(), before)
    _threads(2, lambda number: registry.graph("ab"[number], lambda: watched, _silent))
    assert seen == [True]


def test_guests_share_what_is_compiled(backend: Callable[[], OpenVino], tmp_path: Path) -> None:
    """The second guest needs neither the file nor a backend."""
    path = _write(tmp_path / "m.xml", THREE)
    registry = Registry({"m": NamedModel(path)})
    assert Guest(_session(backend, registry)).load_by_name(b"m") == NnErrno.SUCCESS
    path.unlink()

    def none_needed() -> OpenVino:
        raise AssertionError

    guest = Guest(_session(none_needed, registry))
    assert guest.load_by_name(b"m") == NnErrno.SUCCESS
    assert guest.infer(guest.context_of(guest.u32()), f32(1, 2), (2,)) == f32(4, 5)


def test_failure_is_not_remembered(backend: Callable[[], OpenVino], tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"junk")
    guest = Guest(_session(backend, Registry({"m": NamedModel(path)})))
    assert guest.load_by_name(b"m") == NnErrno.RUNTIME_ERROR
    path.write_bytes(models.onnx(models.tensor("c", f32(1, 2))))
    assert guest.load_by_name(b"m") == NnErrno.SUCCESS, guest.reports


def _ask(registry: Registry, backend: Callable[[], Backend], **options: int | str) -> Graph:
    return registry.graph(
        "m", backend, _silent, lambda model: replace(model.options, **options)  # type: ignore[arg-type]
    )  # fmt: skip


def test_configurations_of_guests_are_few_and_do_not_cost_the_operator_its_own(
    backend: Callable[[], OpenVino], tmp_path: Path
) -> None:
    registry = Registry({"m": NamedModel(_write(tmp_path / "m.xml", THREE))})
    held = [_ask(registry, backend, threads=threads) for threads in range(1, CONFIGURATIONS + 1)]
    with pytest.raises(NnError) as caught:
        _ask(registry, backend, threads=CONFIGURATIONS + 1)
    assert caught.value.condition is Condition.OUT_OF_CONFIGURATIONS
    assert [_ask(registry, backend, threads=threads) for threads in range(1, CONFIGURATIONS + 1)] == held
    assert registry.graph("m", backend, _silent) not in held


def test_configuration_that_no_guest_has_makes_room_for_another(
    backend: Callable[[], OpenVino], tmp_path: Path
) -> None:
    """Only then, and the oldest first: until room is needed the next guest finds what the last one left."""
    registry = Registry({"m": NamedModel(_write(tmp_path / "m.xml", THREE))})
    compiled: list[str] = []
    watched = Watched(backend(), compiled.append)
    held = _ask(registry, lambda: watched, threads=1)
    for threads in range(2, CONFIGURATIONS + 1):
        _ask(registry, lambda: watched, threads=threads)
    _ask(registry, lambda: watched, threads=2)
    assert len(compiled) == CONFIGURATIONS
    _ask(registry, lambda: watched, threads=CONFIGURATIONS + 1)
    assert _ask(registry, lambda: watched, threads=1) is held
    _ask(registry, lambda: watched, threads=3)
    assert len(compiled) == CONFIGURATIONS + 1
    _ask(registry, lambda: watched, threads=2)
    assert len(compiled) == CONFIGURATIONS + 2


CONFIGURING = """(module
  (import "wasi_ephemeral_nn" "load_by_name_with_config"
    (func $load (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "m{{\\"threads\\":\\"{0:02}\\"}}")
  (func (export "_start")
    (call $exit (call $load (i32.const 0) (i32.const 1) (i32.const 1) (i32.const 16) (i32.const 64)))))"""


def test_guests_that_have_ended_have_no_configuration(tmp_path: Path) -> None:
    """However they end, and with no help of the garbage collector."""
    graphs = Graphs().add("m", _write(tmp_path / "m.xml", THREE))
    # The operator's own number, though not fixed for the model, so that guests may have as many.
    (entry,) = graphs.registry().models.values()
    registry = Registry({"m": replace(entry, options=replace(entry.options, threads=64), fixed=frozenset())})
    host = Host()
    host._registry = registry  # noqa: SLF001 - such a model cannot be asked for otherwise
    gc.disable()
    try:
        for threads in range(1, CONFIGURATIONS + 3):
            result = host.run(bytes(wat2wasm(CONFIGURING.format(threads))))
            assert result.exit_code == NnErrno.SUCCESS, result.notes
    finally:
        gc.enable()


def test_who_waits_for_what_fails_compiles_it_for_all(
    backend: Callable[[], OpenVino], tmp_path: Path
) -> None:
    registry = Registry({"m": NamedModel(_write(tmp_path / "m.xml", THREE))})
    began, waits = Event(), Event()
    calls: list[str] = []
    graphs: list[Graph] = []

    def before(what: str) -> None:
        calls.append(what)
        if len(calls) == 1:
            began.set()
            assert waits.wait(20)
            sleep(0.2)  # all that is left is for the other to come to the lock
            raise NnError(Condition.NOT_A_MODEL, "for the moment")

    def ask(model: NamedModel) -> ModelOptions:
        waits.set()
        return model.options

    watched = Watched(backend(), before)

    def work(number: int) -> None:
        if number == 0:
            with pytest.raises(NnError, match="for the moment"):
                registry.graph("m", lambda: watched, _silent)
        elif began.wait(20):
            graphs.append(registry.graph("m", lambda: watched, _silent, ask))

    _threads(2, work)
    assert registry.graph("m", lambda: watched, _silent) is graphs[0]
    assert len(calls) == 2


def test_configuration_that_fails_takes_no_room(backend: Callable[[], OpenVino], tmp_path: Path) -> None:
    """A guest that asks for a device that is not there gets the errno of that, each time."""
    registry = Registry({"m": NamedModel(_write(tmp_path / "m.xml", THREE))})
    for threads in range(1, CONFIGURATIONS + 3):
        with pytest.raises(NnError) as caught:
            _ask(registry, backend, device=MISSING_DEVICE, threads=threads)
        assert caught.value.condition is Condition.DEVICE_NOT_AVAILABLE
    _ask(registry, backend, threads=1)


def test_operator_hears_of_a_device_that_is_not_there(
    backend: Callable[[], OpenVino], tmp_path: Path
) -> None:
    model = NamedModel(_write(tmp_path / "m.xml", THREE), ModelOptions(device=MISSING_DEVICE))
    guest = Guest(_session(backend, Registry({"m": model})))
    assert guest.load_by_name(b"m") == NnErrno.UNSUPPORTED_OPERATION
    assert guest.condition.concerns_operator
    assert MISSING_DEVICE in guest.reports[-1][1].reason


def test_notices_say_what_compiles_and_how_long_it_took(
    backend: Callable[[], OpenVino], tmp_path: Path
) -> None:
    path = _write(tmp_path / "m.xml", THREE)
    notices: list[str] = []
    registry = Registry({"m": NamedModel(path)})
    for _ in range(2):
        registry.graph("m", backend, notices.append)
    before, after = notices
    assert before == f"loading `m` from {path} for CPU"
    assert after.startswith("loaded `m` in 0.")


@pytest.mark.parametrize(
    "name",
    ["model.xml", "./m", "m/", "M", "m.xml", "../m.xml", "{0}/m.xml", "{0}/m", "/etc/passwd", "", "m ", "."],
)
def test_guest_never_names_a_path(backend: Callable[[], OpenVino], tmp_path: Path, name: str) -> None:
    path = _write(tmp_path / "m.xml", THREE)
    guest = Guest(_session(backend, Registry({"m": NamedModel(path)})))
    assert guest.load_by_name(name.format(tmp_path).encode()) == NnErrno.NOT_FOUND
    assert guest.load_by_name(b"m") == NnErrno.SUCCESS


def _sha256(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _onnx(folder: Path, value: float) -> Path:
    path = folder / "m.onnx"
    path.write_bytes(models.onnx(models.tensor("c", f32(value, value))))
    return path


def _onnx_with_data(folder: Path, value: float) -> Path:
    (folder / "c.data").write_bytes(f32(value, value))
    path = folder / "m.onnx"
    path.write_bytes(models.onnx(models.external("c", "c.data")))
    return path


def _one_file(name: str, model: bytes) -> Callable[[Path, float], Path]:
    """Return what writes `model`, and with any value but 3 another file."""

    def write(folder: Path, value: float) -> Path:
        path = folder / name
        path.write_bytes(model if value == 3 else b"changed")
        return path

    return write


def _paddle(folder: Path, value: float) -> Path:
    program, parameters = models.paddle()
    (folder / "m.pdiparams").write_bytes(parameters if value == 3 else b"changed")
    return _one_file("m.pdmodel", program)(folder, value)


HASHED: dict[str, tuple[Callable[[Path, float], Path], tuple[str, ...]]] = {
    "IR": (lambda folder, value: _write(folder / "m.xml", models.add_constant(value)), ("m.xml", "m.bin")),
    "ONNX": (_onnx, ("m.onnx",)),
    "TensorFlow": (_one_file("m.pb", models.tensorflow()), ("m.pb",)),
    "TensorFlow Lite": (_one_file("m.tflite", models.tflite()), ("m.tflite",)),
    "Paddle": (_paddle, ("m.pdmodel", "m.pdiparams")),
    "ONNX with data in a file": (_onnx_with_data, ("m.onnx", "c.data")),
}


def _answer(kind: str) -> bytes:
    """Return what the model written with the value 3 makes of [1, 2]."""
    return f32(4, 5) if "IR" in kind or "ONNX" in kind else f32(11, 22)


@pytest.mark.parametrize("kind", HASHED)
def test_model_has_the_hash_of_its_files_one_after_the_other(
    backend: Callable[[], OpenVino], tmp_path: Path, kind: str
) -> None:
    write, parts = HASHED[kind]
    path = write(tmp_path, 3)
    sha256 = _sha256(*(tmp_path.joinpath(part).read_bytes() for part in parts))
    guest = Guest(_session(backend, Registry({"m": NamedModel(path, sha256=sha256)})))
    assert guest.load_by_name(b"m") == NnErrno.SUCCESS, guest.reports
    assert guest.infer(guest.context_of(guest.u32()), f32(1, 2), (2,)) == _answer(kind)


@pytest.mark.parametrize(("kind", "part"), [(kind, part) for kind in HASHED for part in HASHED[kind][1]])
def test_any_changed_byte_is_found(
    backend: Callable[[], OpenVino], tmp_path: Path, kind: str, part: str
) -> None:
    """Also one of the weights; the operator is told the hash that the files have now."""
    write, parts = HASHED[kind]
    path = write(tmp_path, 3)
    sha256 = _sha256(*(tmp_path.joinpath(part).read_bytes() for part in parts))
    changed = tmp_path / part
    changed.write_bytes(changed.read_bytes()[:-1] + b"\x7f")
    guest = Guest(_session(backend, Registry({"m": NamedModel(path, sha256=sha256)})))
    assert guest.load_by_name(b"m") == NnErrno.RUNTIME_ERROR
    assert guest.condition is Condition.NAMED_MODEL_FAILED
    now = _sha256(*(tmp_path.joinpath(part).read_bytes() for part in parts))
    assert f"its sha256 is {now}, not {sha256}" in guest.reports[-1][1].reason


@pytest.mark.parametrize("kind", [kind for kind in HASHED if "data in a file" not in kind])
def test_what_has_the_hash_is_what_is_compiled(
    backend: Callable[[], OpenVino], tmp_path: Path, kind: str
) -> None:
    """Files that change after they were checked change nothing."""
    write, parts = HASHED[kind]
    path = write(tmp_path, 3)
    sha256 = _sha256(*(tmp_path.joinpath(part).read_bytes() for part in parts))
    swapping = Watched(backend(), lambda _: write(tmp_path, 5))
    registry = Registry({"m": NamedModel(path, sha256=sha256)})
    registry.graph("m", lambda: swapping, _silent)
    guest = Guest(_session(backend, registry))
    assert guest.load_by_name(b"m") == NnErrno.SUCCESS
    assert guest.infer(guest.context_of(guest.u32()), f32(1, 2), (2,)) == _answer(kind)


def test_model_without_its_files_is_told(backend: Callable[[], OpenVino], tmp_path: Path) -> None:
    """They were there when it was registered."""
    for path, sha256 in [(tmp_path / "m.onnx", None), (tmp_path / "m.xml", "0" * 64)]:
        guest = Guest(_session(backend, Registry({"m": NamedModel(path, sha256=sha256)})))
        assert guest.load_by_name(b"m") == NnErrno.RUNTIME_ERROR
        assert "cannot be read" in guest.reports[-1][1].reason


@pytest.mark.parametrize("place", [place for place in PLACES if "needless" not in place])
def test_named_onnx_reaches_nothing_outside_wherever_it_names_it(
    backend: Callable[[], OpenVino], tmp_path: Path, place: str
) -> None:
    """In subgraphs, functions, sparse tensors: found before OpenVINO sees the model."""
    _expect_outside(backend, tmp_path, PLACES[place])


@pytest.mark.parametrize(
    "location",
    [
        "../secret", "{0}/secret", "link", "linked/secret", "linked/../secret", "./../secret",
        "in/../../secret", "/dev/zero", "in", ".",
    ],
)  # fmt: skip
def test_named_onnx_reaches_nothing_outside_however_it_spells_it(
    backend: Callable[[], OpenVino], tmp_path: Path, location: str
) -> None:
    """Neither by a path nor by a link: a model may come in an archive with links in it."""
    if location == "in":
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "in").symlink_to("/")
    _expect_outside(backend, tmp_path, models.onnx(models.external("c", location.format(tmp_path))))


@pytest.mark.parametrize("suffix", [".xml", ".pb", ".tflite", ".pdmodel"])
@pytest.mark.parametrize("has_hash", [True, False])
def test_onnx_under_another_suffix_is_not_given_to_the_backend(
    backend: Callable[[], OpenVino],
    tmp_path: Path,
    suffix: str,
    has_hash: bool,  # noqa: FBT001 - a case
) -> None:
    """It goes by the bytes, and would read the files that they name."""
    model = models.onnx(models.external("c", "../secret"))
    path = tmp_path / f"m{suffix}"
    path.write_bytes(model)
    (tmp_path / "m.pdiparams").write_bytes(b"")
    seen: list[str] = []
    watched = Watched(backend(), seen.append)
    named = NamedModel(path, sha256=_sha256(model) if has_hash else None)
    with pytest.raises(NnError, match=r"looks like onnx: give it a name that ends in `\.onnx`"):
        Registry({"m": named}).graph("m", lambda: watched, _silent)
    assert not seen


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"\r\n\t ", b"\n<!-- from the zoo -->"])
def test_named_ir_may_have_something_before_its_xml(
    backend: Callable[[], OpenVino], tmp_path: Path, before: bytes
) -> None:
    xml, weights = THREE
    path = _write(tmp_path / "m.xml", (before + xml.partition(b"?>")[2].lstrip(), weights))
    Registry({"m": NamedModel(path)}).graph("m", backend, _silent)


def test_folder_that_is_a_link_is_the_one_it_leads_to(
    backend: Callable[[], OpenVino], tmp_path: Path
) -> None:
    """Data in it is in the model's folder, whichever name the operator gave of that."""
    (tmp_path / "real").mkdir()
    _onnx_with_data(tmp_path / "real", 3)
    (tmp_path / "link").symlink_to("real")
    model = NamedModel(find_model(tmp_path / "link" / "m.onnx"))
    guest = Guest(_session(backend, Registry({"m": model})))
    assert guest.load_by_name(b"m") == NnErrno.SUCCESS, guest.reports


def _linked_weights(folder: Path, to: str) -> Path:
    (folder / "net").mkdir()
    path = _write(folder / "net" / "m.xml", THREE)
    path.with_suffix(".bin").rename(folder / "secret")
    (folder / "net" / "sub").mkdir()
    (folder / "net" / "sub" / "secret").write_bytes(THREE[1])
    path.with_suffix(".bin").symlink_to(to.format(folder))
    return path


@pytest.mark.parametrize("to", ["../secret", "{0}/secret", "/dev/zero", "sub/../../secret"])
@pytest.mark.parametrize("has_hash", [True, False])
def test_weights_are_not_read_outside_of_the_folder(
    backend: Callable[[], OpenVino],
    tmp_path: Path,
    to: str,
    has_hash: bool,  # noqa: FBT001 - a case
) -> None:
    """Whoever packed the model may have made the link: not when registered, and not when it came later."""
    path = _linked_weights(tmp_path, to)
    with pytest.raises(RegistrationError, match="outside of the model's folder"):
        find_model(path)
    seen: list[str] = []
    watched = Watched(backend(), seen.append)
    with pytest.raises(NnError, match="outside of the model's folder"):
        Registry({"m": NamedModel(path, sha256=_sha256(*THREE) if has_hash else None)}).graph(
            "m", lambda: watched, _silent
        )
    with pytest.raises(NnError, match="outside of the model's folder"):
        files_of(path)
    assert not seen


def test_weights_may_be_a_link_in_the_folder(backend: Callable[[], OpenVino], tmp_path: Path) -> None:
    path = _linked_weights(tmp_path, "sub/secret")
    Registry({"m": NamedModel(find_model(path))}).graph("m", backend, _silent)


def test_model_and_weights_may_be_links_to_a_store(backend: Callable[[], OpenVino], tmp_path: Path) -> None:
    path = _linked_weights(tmp_path, "../secret")
    path.rename(tmp_path / "3f2a")
    path.symlink_to("../3f2a")
    Registry({"m": NamedModel(find_model(path))}).graph("m", backend, _silent)


def test_weights_that_are_a_link_in_a_circle_are_missing(tmp_path: Path) -> None:
    path = _write(tmp_path / "m.xml", THREE)
    path.with_suffix(".bin").unlink()
    path.with_suffix(".bin").symlink_to("m.bin")
    with pytest.raises(RegistrationError, match=r"`m\.bin` is missing"):
        find_model(path)


def _expect_outside(backend: Callable[[], OpenVino], tmp_path: Path, model: bytes) -> None:
    folder = tmp_path / "model"
    folder.mkdir(exist_ok=True)
    (tmp_path / "secret").write_bytes(bytes(8))
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "elsewhere" / "secret").write_bytes(bytes(8))
    (tmp_path / "elsewhere" / "deep" / "secret").write_bytes(bytes(8))
    (folder / "link").symlink_to("../secret")
    (folder / "linked").symlink_to("../elsewhere/deep")
    (folder / "m.onnx").write_bytes(model)
    seen: list[str] = []
    watched = Watched(backend(), seen.append)
    with pytest.raises(NnError) as caught:
        Registry({"m": NamedModel(folder / "m.onnx")}).graph("m", lambda: watched, _silent)
    assert caught.value.condition is Condition.NAMED_MODEL_FAILED
    assert "outside of the model's folder" in caught.value.reason
    assert not seen


@pytest.mark.parametrize("location", ["nope", "in\0side", "circle", "x" * 5000])
def test_data_that_is_no_file_is_told(backend: Callable[[], OpenVino], tmp_path: Path, location: str) -> None:
    """With a NUL in it OpenVINO would read the file called what comes before."""
    (tmp_path / "in").write_bytes(bytes(8))
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "m.onnx").write_bytes(models.onnx(models.external("c", location)))
    seen: list[str] = []
    watched = Watched(backend(), seen.append)
    with pytest.raises(NnError, match="tensors in"):
        Registry({"m": NamedModel(tmp_path / "m.onnx")}).graph("m", lambda: watched, _silent)
    assert not seen


@pytest.mark.parametrize("location", ["c.data", "./c.data", "sub/c.data", "link"])
def test_named_onnx_may_keep_data_in_its_folder(
    backend: Callable[[], OpenVino], tmp_path: Path, location: str
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "link").symlink_to("c.data")
    for path in (tmp_path / "c.data", tmp_path / "sub" / "c.data"):
        path.write_bytes(f32(3, 3))
    (tmp_path / "m.onnx").write_bytes(models.onnx(models.external("c", location)))
    guest = Guest(_session(backend, Registry({"m": NamedModel(tmp_path / "m.onnx")})))
    assert guest.load_by_name(b"m") == NnErrno.SUCCESS, guest.reports
    assert guest.infer(guest.context_of(guest.u32()), f32(1, 2), (2,)) == f32(4, 5)
