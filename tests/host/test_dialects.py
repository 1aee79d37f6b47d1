"""Guests of every epoch are understood: types and encodings by `--abi` or the bytes, their errnos back."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from host import abi
from host.abi import ExecutionTarget, GraphEncoding, NnErrno, TensorType
from host.dialects import AUTO, CHOICES, ELEMENT_BYTES, Dialect
from host.errors import Condition, NnError
from host.formats import BUILDERS
from host.models.registry import Registry
from host.nn import Session
from tests.host import models
from tests.host.guests import Guest, f32

if TYPE_CHECKING:
    from collections.abc import Callable

    from host.backends.openvino import OpenVino

EPOCHS = {name: epoch for name, epoch in abi.EPOCHS.items() if epoch.module == abi.MODULE}
MODELS = {"f16": ("float16", "e"), "f32": ("float32", "f"), "f64": ("float64", "d"), "u8": ("uint8", "B"),
          "i32": ("int32", "i"), "i64": ("int64", "q")}  # fmt: skip
TYPES = [(e, name, number) for e in EPOCHS for name, number in EPOCHS[e].values["tensor_type"].items()]
ENCODINGS = [(e, name, number) for e in EPOCHS for name, number in EPOCHS[e].values["graph_encoding"].items()]
ONNX = models.onnx(models.tensor("c", f32(10, 20)))
SERVED = {format_.value for format_ in BUILDERS}
OURS = {encoding.name.lower() for encoding in GraphEncoding}


class Speaker:
    """Makes guests of a dialect, and keeps what the operator is warned of."""

    def __init__(self, backend: Callable[[], OpenVino]) -> None:
        self.backend = backend
        self.warnings: list[str] = []

    def __call__(self, choice: str) -> Guest:
        """Return a guest under `--abi choice`."""
        dialect = Dialect(choice, self.warnings.append)
        return Guest(Session(self.backend, Registry({}), lambda _: None, None, dialect))


@pytest.fixture
def speak(backend: Callable[[], OpenVino]) -> Speaker:
    """Return what makes guests."""
    return Speaker(backend)


def test_every_epoch_of_the_module_can_be_chosen() -> None:
    assert set(EPOCHS) < set(CHOICES)


@pytest.mark.parametrize("is_auto", [False, True])
@pytest.mark.parametrize(("epoch", "name", "number"), TYPES)
def test_tensor_type_of_each_epoch(
    speak: Speaker, epoch: str, name: str, number: int, *, is_auto: bool
) -> None:
    """`auto` needs no more than the bytes, and says once what it found where that is not what holds today."""
    guest = speak(AUTO if is_auto else epoch)
    if name not in MODELS:
        context = guest.context(models.double([3]))
        assert guest.set_input(context, bytes(3 * ELEMENT_BYTES[name]), (3,), number)
        assert guest.condition is Condition.BAD_TENSOR_TYPE
        assert f"`{name}`" in guest.reports[-1][1].reason
        return
    dtype, letter = MODELS[name]
    context = guest.context(models.double([3], dtype))
    for _ in range(2):
        output = guest.infer(context, struct.pack(f"<3{letter}", 1, 2, 100), (3,), number)
        assert output == struct.pack(f"<3{letter}", 2, 4, 200)
    is_today = abi.EPOCHS["current"].values["tensor_type"].get(name) == number
    assert len(speak.warnings) == (is_auto and not is_today)
    assert all(f"`{name}`" in warning and "--abi" in warning for warning in speak.warnings)


@pytest.mark.parametrize("choice", [AUTO, "current"])
@pytest.mark.parametrize("number", [3, 2])
def test_one_element_is_enough_to_tell(speak: Speaker, choice: str, number: int) -> None:
    """1 byte is u8 as 3 today and as 2 of old; only `auto` takes the latter."""
    guest = speak(choice)
    context = guest.context(models.double([1], "uint8"))
    is_taken = number == TensorType.U8 or choice == AUTO
    assert (guest.set_input(context, b"\1", (1,), number) == NnErrno.SUCCESS) is is_taken


def test_without_elements_a_number_means_what_it_does_today(speak: Speaker) -> None:
    guest = speak(AUTO)
    context = guest.context(models.double([-1], "float64"))
    assert guest.set_input(context, b"", (0,), TensorType.F64) == NnErrno.SUCCESS, guest.reports
    assert not speak.warnings


@pytest.mark.parametrize("is_auto", [False, True])
@pytest.mark.parametrize(("epoch", "name", "number"), ENCODINGS)
def test_encoding_of_each_epoch(speak: Speaker, epoch: str, name: str, number: int, *, is_auto: bool) -> None:
    """IR and ONNX load; what only other hosts have is refused by its name."""
    guest = speak(AUTO if is_auto else epoch)
    builders = {"onnx": (ONNX,), "autodetect": (ONNX,), "openvino": models.double([1, 2])}.get(name)
    if builders:
        assert guest.load(builders, number) == NnErrno.SUCCESS, guest.reports
        is_today = abi.EPOCHS["current"].values["graph_encoding"].get(name) == number
        assert len(speak.warnings) == (is_auto and not is_today)
    elif name in SERVED:
        assert guest.load((b"bytes of its own",), number) != NnErrno.SUCCESS
        assert guest.condition is Condition.NOT_A_MODEL
        assert name in guest.reports[-1][1].reason or is_auto
    elif not is_auto:
        assert guest.load((b"bytes of its own",), number) == _errno(epoch)
        assert guest.condition is Condition.ENCODING_NOT_SERVED
        assert name in guest.reports[-1][1].reason
    elif name not in OURS:
        guest.load((b"GGUF",), number)
        assert guest.condition is Condition.ENCODING_NOT_SERVED
        assert name in guest.reports[-1][1].reason


def _errno(epoch: str) -> int:
    known = EPOCHS[epoch].values["nn_errno"]
    return known.get("invalid_encoding", known["invalid_argument"])


def test_encoding_that_no_host_has(speak: Speaker) -> None:
    guest = speak(AUTO)
    assert guest.load((b"x",), 99) == NnErrno.INVALID_ENCODING
    assert guest.condition is Condition.BAD_ENCODING


def test_encodings_that_hosts_disagree_on_are_all_named(speak: Speaker) -> None:
    guest = speak(AUTO)
    assert guest.load((b"unlike any model",), 6) == NnErrno.INVALID_ENCODING
    reason = guest.reports[-1][1].reason
    assert "`autodetect` in the wit dialect" in reason
    assert "`ggml` in the wasmedge dialect" in reason


@pytest.mark.parametrize(("choice", "warned"), [("wasmedge", 0), (AUTO, 1)])
def test_target_auto_is_the_cpu(speak: Speaker, choice: str, warned: int, pair: models.IR) -> None:
    guest = speak(choice)
    number = EPOCHS["wasmedge"].values["execution_target"]["auto"]
    for _ in range(2):
        assert guest.load(pair, GraphEncoding.OPENVINO, number) == NnErrno.SUCCESS, guest.reports
    assert len(speak.warnings) == warned


def test_target_auto_is_none_of_the_current_ones(speak: Speaker, pair: models.IR) -> None:
    assert speak("current").load(pair, GraphEncoding.OPENVINO, 3) == NnErrno.INVALID_ARGUMENT


@pytest.mark.parametrize("epoch", EPOCHS)
@pytest.mark.parametrize("errno", NnErrno)
def test_errno_is_that_of_the_epoch(epoch: str, errno: NnErrno) -> None:
    """An error that an epoch lacks is a more general one, never success and never another error's number."""
    known = EPOCHS[epoch].values["nn_errno"]
    number = Dialect(epoch).nn_errno(errno)
    name = {number: name for name, number in known.items()}[number]
    assert name in {errno.name.lower(), "runtime_error", "invalid_argument"}
    assert (number == 0) is (errno is NnErrno.SUCCESS)
    if errno.name.lower() in known:
        assert number == known[errno.name.lower()]


def test_guest_of_2021_gets_its_own_numbers(speak: Speaker) -> None:
    """`busy` is 3 and not 4; what has no number is `invalid_argument`."""
    guest = speak("2021")
    assert guest.load((b"garbage", b""), 0) == 1
    assert guest.condition is Condition.NOT_A_MODEL
    assert Dialect("2021").nn_errno(NnErrno.BUSY) == 3


@pytest.mark.parametrize(
    ("choice", "number", "size", "says"),
    [
        ("current", 2, 150528, "type 2 = f64 needs 1204224 bytes for [1, 3, 224, 224], got 150528"),
        ("current", 2, 150528, "fits `u8` of the 2022 dialect: try `--abi 2022`"),
        ("2022", 3, 150528, "fits `u8` of the current dialect"),
        (AUTO, 2, 301056, "got 301056 = 2 an element"),
        (AUTO, 2, 150529, "got 150529"),
    ],
)  # fmt: skip
def test_bytes_that_do_not_fit_give_a_hint(
    speak: Speaker, choice: str, number: int, size: int, says: str
) -> None:
    guest = speak(choice)
    context = guest.context(models.double([-1, 3, 224, 224], "uint8"))
    for _ in range(4):
        guest.call("grow")
    assert guest.set_input(context, bytes(size), (1, 3, 224, 224), number) == NnErrno.INVALID_ARGUMENT
    assert says in guest.reports[-1][1].reason


def test_mismatch_is_told_unasked_and_once(speak: Speaker) -> None:
    guest = speak("current")
    context = guest.context(models.double([-1], "uint8"))
    for size in (3, 3, 5):
        assert guest.set_input(context, bytes(size), (size,), 2) == NnErrno.INVALID_ARGUMENT
    (hint,) = speak.warnings
    assert hint.startswith("hint: type 2 = f64 needs 24 bytes for [3], got 3")
    assert "`--abi 2022`" in hint


@pytest.mark.parametrize("numbers", [(9, 0, 0), (0, 9, 0), (0, 0, 9)])
def test_number_of_nothing_is_told_unasked_and_once(
    speak: Speaker, numbers: tuple[int, int, int], pair: models.IR
) -> None:
    guest = speak(AUTO)
    encoding, target, kind = numbers
    for _ in range(2):
        if guest.load(pair, encoding, target) == NnErrno.SUCCESS:
            assert guest.set_input(guest.context_of(guest.u32()), b"", (1,), kind)
    (hint,) = (warning for warning in speak.warnings if " 9 is none of " in warning)
    assert hint.startswith("hint: ")


def test_guest_cannot_fill_the_screen_with_ever_new_numbers(speak: Speaker, pair: models.IR) -> None:
    guest = speak(AUTO)
    for encoding in range(1000, 1100):
        assert guest.load(pair, encoding) == NnErrno.INVALID_ENCODING
    assert 1 < len(speak.warnings) < 50


def test_call_that_is_wrong_in_another_way_gives_no_hint(speak: Speaker, pair: models.IR) -> None:
    guest = speak(AUTO)
    context = guest.context(pair)
    assert guest.set_input(context, bytes(8), (2, 1)) == NnErrno.INVALID_ARGUMENT
    assert guest.set_input(context, bytes(8), (1, 2), TensorType.I32) == NnErrno.INVALID_ARGUMENT
    assert not speak.warnings


def test_encoding_that_only_2021_had_brings_its_errnos(speak: Speaker) -> None:
    """ONNX was 2 in 2021 and never again; `busy` is 3 to that guest, which is another error today."""
    guest = speak(AUTO)
    number = EPOCHS["2021-12"].values["graph_encoding"]["onnx"]
    assert guest.load((ONNX,), number) == NnErrno.SUCCESS, guest.reports
    (warning,) = speak.warnings
    assert "2021-12" in warning
    assert "errors too" in warning
    dialect = guest.session.dialect
    assert dialect.nn_errno(NnErrno.BUSY) == EPOCHS["2021-12"].values["nn_errno"]["busy"]
    assert dialect.nn_errno(NnErrno.NOT_FOUND) == NnErrno.INVALID_ARGUMENT


def test_encoding_of_two_dialects_proves_no_table_of_errors(speak: Speaker) -> None:
    """`autodetect` is 6 in two dialects, one with today's errors and one without."""
    guest = speak(AUTO)
    number = EPOCHS["wit"].values["graph_encoding"]["autodetect"]
    assert guest.load((ONNX,), number) == NnErrno.SUCCESS, guest.reports
    assert "errors too" not in speak.warnings[0]
    assert [guest.session.dialect.nn_errno(errno) for errno in NnErrno] == list(NnErrno)


def test_tensor_type_proves_no_table_of_errors(speak: Speaker) -> None:
    """`u8` was 2 in epochs with three tables of errors: which one the guest has cannot be known."""
    guest = speak(AUTO)
    context = guest.context(models.double([3], "uint8"))
    assert guest.set_input(context, bytes(3), (3,), 2) == NnErrno.SUCCESS
    assert "errors too" not in speak.warnings[0]
    assert [guest.session.dialect.nn_errno(errno) for errno in NnErrno] == list(NnErrno)


@pytest.mark.parametrize("choice", [choice for choice in CHOICES if choice != AUTO])
def test_errnos_of_a_chosen_dialect_stay(speak: Speaker, choice: str) -> None:
    guest = speak(choice)
    before = [guest.session.dialect.nn_errno(errno) for errno in NnErrno]
    guest.load((ONNX,), EPOCHS["2021-12"].values["graph_encoding"]["onnx"])
    assert [guest.session.dialect.nn_errno(errno) for errno in NnErrno] == before


def test_number_of_no_type_names_those_there_are() -> None:
    with pytest.raises(NnError) as caught:
        Dialect("2021").tensor_type(9, (1,), 1)
    assert "2 u8" in caught.value.reason


def test_target_of_the_current_epoch() -> None:
    assert Dialect().execution_target(ExecutionTarget.GPU) is ExecutionTarget.GPU
