"""The speech guest hears in a real recording what the model hears natively; a WAV's every length may lie."""

from __future__ import annotations

import shutil
import struct
import wave
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.guest.example_guests import LEFT_ALONE, UNSAFE, Done, Guest, assert_refused, c_guest, model
from tests.guest.stand_in import StandIn

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tests.guest.conftest import Compiler, Need, Runtime

RATE = 16_000
SPOKEN = "   1.184     1.696\n   3.104     3.584\n"
BY_NAME = ("--name", "silero")


@pytest.fixture(scope="module")
def guest(wasi_sdk: Compiler, need: Need, tmp_path_factory: pytest.TempPathFactory) -> Guest:
    folder, files = model(need, "silero", "silero.onnx", "word.wav"), tmp_path_factory.mktemp("speech")
    shutil.copy(folder / "word.wav", files)
    return Guest(c_guest(wasi_sdk, "speech", files / "speech.wasm"), folder, files)


def chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def pcm(channels: int = 1, rate: int = RATE, bits: int = 16, kind: int = 1) -> bytes:
    """Return a `fmt ` chunk."""
    width = channels * bits // 8 & 0xFFFF
    return chunk(b"fmt ", struct.pack("<HHIIHH", kind, channels, rate, rate * width, width, bits))


def wav(*chunks: bytes) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def word(guest: Guest) -> NDArray[np.int16]:
    """Return the samples of the recording."""
    with wave.open(str(guest.model / "word.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def native(folder: Path, samples: NDArray[np.int16]) -> list[float]:
    """Return the model's answers in OpenVINO, its memory handed from each to the next."""
    import openvino  # type: ignore[import-untyped]  # noqa: PLC0415 - half a second; no py.typed

    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = openvino.Core().compile_model(folder / "silero.onnx", "CPU", options)
    sound = np.pad(samples / np.float32(32768), (64, -len(samples) % 512)).astype(np.float32)
    state, found = np.zeros((2, 1, 128), np.float32), []
    for at in range(0, len(sound) - 64, 512):
        answer, state = (np.array(out) for out in compiled([sound[None, at : at + 576], state]).values())
        found.append(float(answer[0, 0]))
    return found


def answers(done: Done) -> list[float]:
    assert (done.returncode, done.stderr) == (0, "")
    return [float(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("by", [("/model",), BY_NAME], ids=["by bytes", "by name"])
def test_each_answer_is_the_model_s_own(host: Runtime, guest: Guest, by: tuple[str, ...]) -> None:
    """After 150 answers, each from the memory of the one before: a state that got lost would show."""
    found = answers(guest.run(host, "--frames", *by, "/files/word.wav"))
    expected = native(guest.model, word(guest))
    assert len(found) == len(expected) > 140
    np.testing.assert_allclose(found, expected, atol=0.0011)
    assert [answer > 0.5 for answer in found] == [answer > 0.5 for answer in expected]


def test_the_two_words_are_found_on_both_runtimes(runtime: Runtime, guest: Guest) -> None:
    done = guest.run(runtime, *BY_NAME, "/files/word.wav")
    assert (done.returncode, done.stdout) == (0, SPOKEN)


@pytest.mark.parametrize("kind", ["silence", "tone", "noise", "one sample"])
def test_what_is_no_speech_is_told_so(host: Runtime, guest: Guest, tmp_path: Path, kind: str) -> None:
    at = np.arange(2 * RATE)
    samples = {
        "silence": np.zeros(2 * RATE),
        "tone": 9000 * np.sin(2 * np.pi * 440 * at / RATE),
        "noise": np.random.default_rng(0).normal(0, 3000, 2 * RATE),
        "one sample": np.ones(1),
    }[kind]
    (tmp_path / "a.wav").write_bytes(wav(pcm(), chunk(b"data", samples.astype("<i2").tobytes())))
    done = guest.run(host, *BY_NAME, "/files/a.wav", files=tmp_path)
    assert (done.returncode, done.stdout) == (0, "no speech\n")


def heard(guest: Guest, folder: Path, file: bytes) -> NDArray[np.float32]:
    """Return the 512 samples of the guest's first question, the only one: its answer is no proper one."""
    (folder / "a.wav").write_bytes(file)
    seen = StandIn(output=b"")
    assert guest.run_alone("--name", "net", "/files/a.wav", files=folder, host=seen).returncode == 1
    sound, state = seen.tensors
    assert (sound.dimensions, state.dimensions) == ((1, 576), (2, 1, 128))
    assert not any(sound.data[: 4 * 64] + state.data)
    return np.frombuffer(sound.data, "<f4")[64:]


SAMPLES = np.arange(-500, 12, dtype="<i2") * 60
EXTENSIBLE = chunk(
    b"fmt ", struct.pack("<HHIIHHHHIH", 0xFFFE, 1, RATE, 2 * RATE, 2, 16, 22, 16, 0, 1) + b"\0" * 14
)


@pytest.mark.parametrize(
    "file",
    [
        wav(pcm(), chunk(b"data", SAMPLES.tobytes())),
        wav(EXTENSIBLE, chunk(b"data", SAMPLES.tobytes())),
        wav(chunk(b"LIST", b"odd"), pcm(), chunk(b"bext", b""), chunk(b"data", SAMPLES.tobytes())),
        wav(pcm(), chunk(b"data", SAMPLES.tobytes()), b"trailing"),
        b"RIFF\xff\xff\xff\xff" + wav(pcm(), b"data\xff\xff\xff\xff", SAMPLES.tobytes())[8:],
        wav(pcm(2), chunk(b"data", np.repeat(SAMPLES, 2).tobytes())),
        wav(pcm(2), chunk(b"data", np.stack([SAMPLES + 9, SAMPLES - 9], 1).astype("<i2").tobytes())),
    ],
    ids=["plain", "extensible", "other chunks", "more behind", "streamed", "two channels", "two that differ"],
)
def test_the_samples_are_read_out_of_any_proper_file(guest: Guest, tmp_path: Path, file: bytes) -> None:
    np.testing.assert_array_equal(heard(guest, tmp_path, file), SAMPLES / np.float32(32768))


WHOLE = wav(pcm(), chunk(b"data", SAMPLES.tobytes()))


@pytest.mark.parametrize(
    ("file", "why"),
    [
        *((WHOLE[:cut], "it is no WAV file") for cut in (0, 1, 4, 11)),
        *((WHOLE[:cut], "it ends early") for cut in (12, 19, 20, 35, 36, 43, 44, 45, len(WHOLE) - 1)),
        (b"RIFX" + WHOLE[4:], "it is no WAV file"),
        (b"fLaC" + bytes(100), "it is no WAV file"),
        (wav(pcm()), "it ends early"),
        (wav(pcm(), chunk(b"data", b"")), "it has no samples"),
        (wav(pcm(), chunk(b"data", b"\1")), "it has no samples"),
        (wav(pcm(2), chunk(b"data", b"\1\2\3")), "it has no samples"),
        (wav(chunk(b"data", b"ab"), pcm()), "its samples come before their format"),
        (wav(chunk(b"fmt ", b"\1\0\1\0"), chunk(b"data", b"ab")), "its format is cut short"),
        (wav(pcm(0), chunk(b"data", b"ab")), "it has no channels"),
        (wav(pcm(rate=44_100), chunk(b"data", b"ab")), "it does not have 16000 samples a second"),
        (wav(pcm(bits=24), chunk(b"data", b"ab")), "its samples are not 16-bit PCM"),
        (wav(pcm(kind=3), chunk(b"data", b"ab")), "its samples are not 16-bit PCM"),
        (wav(pcm(kind=0xFFFE), chunk(b"data", b"ab")), "its samples are not 16-bit PCM"),
        (wav(pcm(), b"data\xfe\xff\xff\xff", b"ab"), "it ends early"),
        (wav(pcm(), b"data\xff\xff\xff\xff"), "it has no samples"),
        (wav(b"data\xff\xff\xff\xff", b"ab"), "its samples come before their format"),
        (wav(pcm(), b"LIST\xff\xff\xff\xff", b"ab"), "it ends early"),
        (wav(pcm(), b"LIST\xf8\xff\xff\xff", b"ab"), "it ends early"),
    ],
)
def test_what_is_no_proper_recording_is_refused(guest: Guest, tmp_path: Path, file: bytes, why: str) -> None:
    (tmp_path / "a.wav").write_bytes(file)
    done = guest.run_alone("--name", "net", "/files/a.wav", files=tmp_path)
    assert_refused(done, "speech", f"cannot use recording /files/a.wav: {why}")


def test_as_many_channels_as_a_file_can_claim_are_mixed(guest: Guest, tmp_path: Path) -> None:
    """65,535 samples of the lowest value: their sum needs 32 bits."""
    file = wav(pcm(0xFFFF), chunk(b"data", np.full(0xFFFF, -32768, "<i2").tobytes()))
    assert heard(guest, tmp_path, file)[0] == -1


@pytest.mark.parametrize("path", ["none.wav", f"{UNSAFE}{LEFT_ALONE}", ""])
def test_a_recording_that_is_not_there_is_named(guest: Guest, path: str) -> None:
    shown = path.replace(UNSAFE, "?" * len(UNSAFE))
    assert_refused(guest.run_alone(*BY_NAME, f"/files/{path}"), "speech", f"recording /files/{shown}: ")


def test_a_recording_outside_the_guest_s_folders_is_named(runtime: Runtime, guest: Guest) -> None:
    done = guest.run(runtime, *BY_NAME, "/elsewhere/a.wav")
    assert_refused(done, "speech", "/elsewhere/a.wav: the guest was given no folder with this path")


def test_a_missing_model_is_named(guest: Guest, tmp_path: Path) -> None:
    done = guest.run_alone("/model", "/files/word.wav", model=tmp_path)
    assert_refused(done, "speech", "cannot read model /model/silero.onnx: No such file or directory")


@pytest.mark.parametrize("damage", [b"", b"garbage"])
def test_a_damaged_model_is_refused(host: Runtime, guest: Guest, tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "silero.onnx").write_bytes(damage)
    done = guest.run(host, "/model", "/files/word.wav", model=tmp_path)
    assert_refused(done, "speech", "cannot load model /model: ")


def test_an_unknown_name_is_refused(runtime: Runtime, guest: Guest) -> None:
    done = guest.run(runtime, "--name", "nobody", "/files/word.wav")
    assert_refused(done, "speech", "cannot load model nobody: ")


@pytest.mark.parametrize("output", [b"", b"\0", bytes(4), bytes(8), bytes(1024)])
def test_a_model_with_other_outputs_is_refused(guest: Guest, output: bytes) -> None:
    done = guest.run_alone(*BY_NAME, "/files/word.wav", host=StandIn(output=output))
    assert_refused(done, "speech", "cannot run model silero: ")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "MODEL_DIR and WAV are needed"),
        (("/model",), "MODEL_DIR and WAV are needed"),
        (("--name", "net"), "WAV is missing"),
        (("--name",), "a value is missing after --name"),
        (("/model", "a.wav", "b.wav"), "one word too many: b.wav"),
        (("--name", "net", "/model", "a.wav"), "MODEL_DIR and --name exclude each other"),
        (("--loud", "/model", "a.wav"), "there is no option --loud"),
        (("--\x1b[31m", "/model", "a.wav"), "there is no option --?[31m"),
    ],
)
def test_bad_usage_says_what_is_wrong(guest: Guest, words: tuple[str, ...], why: str) -> None:
    assert_refused(guest.run_alone(*words), "speech", why, "`speech --help` shows the usage", code=2)


def test_help_goes_to_stdout(guest: Guest) -> None:
    done = guest.run_alone("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: speech ")
