"""OpenVINO's C library is what the host takes it for, and what it gives is freed, whatever happens."""

from __future__ import annotations

import re
import resource
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cffi import FFI

from host import ffi_modules
from host.backends import openvino_c
from host.backends.openvino_c import OpenVinoError, OpenVinoMissingError, find, library, load
from host.backends.openvino_cdef import CDEF
from host.backends.openvino_ffi import ffi
from host.errors import NnError
from host.formats import Format
from host.models.options import DEFAULT
from tests.host import models
from tests.host.guests import f32

if TYPE_CHECKING:
    from collections.abc import Callable

    from host.backends.openvino import OpenVino

COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
DECLARATION = re.compile(r"\b(ov_\w+)\(([^()]*)\);")


def _headers() -> str:
    folder = find().parent.parent / "include" / "openvino" / "c"
    return COMMENT.sub("", "".join(path.read_text() for path in sorted(folder.glob("*.h"))))


def _declarations(text: str) -> dict[str, str]:
    return {name: " ".join(parameters.split()) for name, parameters in DECLARATION.findall(text)}


def test_declarations_are_those_of_the_headers() -> None:
    ours, theirs = _declarations(CDEF), _declarations(_headers())
    assert len(ours) > 40
    assert ours == {name: theirs[name] for name in ours}


@pytest.mark.parametrize("name", ["ov_element_type_e", "ov_status_e"])
def test_enums_are_those_of_the_headers(name: str) -> None:
    (body,) = re.findall(rf"typedef enum \{{([^}}]*)\}} {name};", _headers())
    theirs = FFI()
    theirs.cdef(f"typedef enum {{ {body.replace('0U', '0').rstrip().rstrip(',')} }} {name};")
    assert ffi.typeof(name).elements == theirs.typeof(name).elements


@pytest.mark.parametrize("name", ["ov_shape_t", "ov_dimension_t", "ov_partial_shape_t"])
def test_structures_are_those_of_the_headers(name: str) -> None:
    (theirs,) = re.findall(rf"\{{([^{{}}]*)\}} {name};", _headers())
    (ours,) = re.findall(rf"\{{([^{{}}]*)\}} {name};", CDEF)
    assert ours.split() == theirs.split()


def test_missing_function_is_named_with_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    other: dict[str, object] = {}
    exec(ffi_modules.text("other_ffi", CDEF + "void ov_of_another_version(void);"), other)  # noqa: S102 - our own text
    monkeypatch.setattr(openvino_c, "ffi", other["ffi"])
    with pytest.raises(OpenVinoMissingError, match=r"OpenVINO \d+\.\d.* has no `ov_of_another_version`"):
        load(find())


def test_old_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_c, "OLDEST", (9999, 4))
    with pytest.raises(OpenVinoMissingError, match=r"is too old: install 9999\.4 or later"):
        load(find())


def test_other_library_is_refused() -> None:
    (other,) = find().parent.glob("libtbb.so*")
    with pytest.raises(OpenVinoMissingError, match="ov_get_openvino_version"):
        load(other)


def test_file_that_is_no_library_is_refused() -> None:
    with pytest.raises(OpenVinoMissingError, match="does not load"):
        load(Path(__file__))


def test_openvino_that_is_not_installed_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_c, "find_spec", lambda _: None)
    with pytest.raises(OpenVinoMissingError, match="install the Python package `openvino`"):
        find()


def test_failure_says_why_in_one_line() -> None:
    ov = library()
    core = ov.make("ov_core_t", ov.lib.ov_core_create, free=ov.lib.ov_core_free)
    with pytest.raises(OpenVinoError) as caught:
        ov.text(ov.lib.ov_core_get_property, core, b"NOPE", b"FULL_DEVICE_NAME")
    assert "NOPE" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "Exception from" not in str(caught.value)


def test_failure_of_the_c_layer_is_not_told_as_the_one_before() -> None:
    """It sets no message of its own."""
    ov = library()
    with pytest.raises(OpenVinoError, match="invalid c input parameters"):
        ov.number("size_t", ov.lib.ov_model_inputs_size, ffi.NULL)


def _resident() -> int:
    """Return the resident memory in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def _weights(size: int) -> models.IR:
    xml, weights = models.add_constant(1)
    return xml, weights + bytes(size)


def test_what_is_let_go_of_is_freed(backend: Callable[[], OpenVino]) -> None:
    """Weights, graphs, requests and tensors; more than 20 MB a turn."""
    ov = backend()
    big, dynamic = _weights(20_000_000), models.double([-1])

    def turn() -> None:
        ov.load(big, Format.OPENVINO, DEFAULT)
        request = ov.load(dynamic, Format.OPENVINO, DEFAULT).request()
        for length in (1, 1_000_000, 2):
            request.set_input(0, (length,), bytes(4 * length))
            request.infer()
            assert len(request.output(0)) == 4 * length

    _assert_flat(turn)


def test_what_fails_is_freed(backend: Callable[[], OpenVino]) -> None:
    """An IR that is refused after its 20 MB of weights were read, and an inference that fails."""
    ov = backend()
    xml, weights = _weights(20_000_000)
    request = ov.load(models.reshape(), Format.OPENVINO, DEFAULT).request()

    def turn() -> None:
        with pytest.raises(NnError):
            ov.load((xml.replace(b'type="Add"', b'type="Nope"'), weights), Format.OPENVINO, DEFAULT)
        request.set_input(0, (3,), bytes(12))
        with pytest.raises(NnError):
            request.infer()

    _assert_flat(turn)


def test_texts_are_freed() -> None:
    """Those of failures too, which have the name that was asked for in them."""
    ov = library()
    core = ov.make("ov_core_t", ov.lib.ov_core_create, free=ov.lib.ov_core_free)
    name = b"N" * 20_000_000

    def turn() -> None:
        with pytest.raises(OpenVinoError):
            ov.text(ov.lib.ov_core_get_property, core, name, b"FULL_DEVICE_NAME")

    _assert_flat(turn)


def _assert_flat(turn: Callable[[], None]) -> None:
    """Hold a turn that needs more than 20 MB to giving most of it back."""
    for _ in range(3):
        turn()
    before = _resident()
    for _ in range(8):
        turn()
    assert _resident() - before < 80_000_000


def test_threads_load_and_run_at_once(backend: Callable[[], OpenVino]) -> None:
    """On one backend, and on one graph; each has the answers to its own inputs."""
    shared = backend().load(models.double([-1]), Format.OPENVINO, DEFAULT)
    wrong: list[object] = []

    def work(number: int) -> None:
        try:
            own = backend().load(models.add_constant(number), Format.OPENVINO, DEFAULT).request()
            request = shared.request()
            for turn in range(50):
                length = 1 + (number + turn) % 5
                out = bytearray(4 * length)
                request.set_input(0, (length,), f32(*[number] * length))
                request.infer()
                out[:] = request.output(0)
                own.set_input(0, (2,), f32(turn, turn))
                own.infer()
                sums = bytearray(8)
                sums[:] = own.output(0)
                if out != f32(*[2 * number] * length) or sums != f32(turn + number, turn + number):
                    wrong.append((number, turn, out, sums))
        except Exception as error:  # noqa: BLE001 - told below: a thread's own is only printed
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
