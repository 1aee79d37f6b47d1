"""`host replay` makes the calls of a trace again and notices every answer that is not the same."""

from __future__ import annotations

import base64
import json
import math
import os
import struct
import tempfile
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from host import abi, cli
from host.backends.openvino_c import OpenVinoMissingError
from host.bindings import LEGACY_FUNCTIONS
from host.tracing.tensor_diff import compare, tolerance_of
from tests.host import models, scripts
from tests.host.guests import DATA, DIMENSIONS, OUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from host.backends import Backend

FAR: Final = 0x7FFF_0000
ROOT: Final = Path(__file__).parents[2]
PHOTO: Final = ROOT / "build" / "guest" / "photo.wasm"
SQUEEZENET: Final = ROOT / "build" / "models" / "squeezenet"
PHOTOS: Final = ROOT / "build" / "photos"


def _model(path: Path, builders: models.IR) -> Path:
    path.write_bytes(builders[0])
    path.with_suffix(".bin").write_bytes(builders[1])
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a model, and traces of runs that got it by name and as bytes."""
    folder = tmp_path_factory.mktemp("replay")
    builders = models.add_constant(1.0)
    net = _model(folder / "net.xml", builders)
    more = [
        ("get_output", (2, 0, 0, 0, OUT)),  # asks for the size
        ("compute", (77,)),
        ("load_by_name", (FAR, 3, OUT)),
        ("finalize_execution_context", (2,)),
        ("compute", (2,)),
        ("unload", (1,)),
    ]
    load, memory = scripts.from_bytes(builders)
    for name, first in (("by_name", ()), ("by_bytes", load)):
        script, own = scripts.inference(1, 2, load=first, more=more)
        guest = folder / f"{name}.wasm"
        guest.write_bytes(scripts.command(script, {**own, **memory}))
        assert cli.main(["run", f"--trace={folder / name}", str(guest), "--graph", f"net={net}"]) == 0
    return folder


def _replay(*words: object) -> int:
    return cli.main(["replay", *map(str, words)])


def _said(capfd: pytest.CaptureFixture[str]) -> list[str]:
    """Return what was printed; but for the notes that a model is another one there is no other output."""
    out, err = capfd.readouterr()
    assert all(line.startswith("note: `net` is another model than in the trace") for line in err.splitlines())
    return out.splitlines()


@pytest.mark.parametrize("trace", ["by_name", "by_bytes"])
def test_the_same_model_gives_the_same_answers(
    folder: Path, capfd: pytest.CaptureFixture[str], trace: str
) -> None:
    """Errors are answers too; a call that was refused for its pointers is skipped and counted."""
    assert _replay(folder / trace, "--graph", f"net={folder / 'net.xml'}") == 0
    assert _said(capfd) == [
        "call 8 load_by_name: skipped: it was refused before it came to a model",
        "11 calls: 10 the same, 0 different, 1 skipped",
    ]


def test_a_guest_of_the_legacy_module_is_replayed_in_its_dialect(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its numbers are its own: `i32` is 3 there, and would not fit as what 3 is today."""
    builders = models.double([2], "int32")
    net = _model(tmp_path / "net.xml", builders)
    legacy = abi.EPOCHS["wamr-legacy"]
    (load,), memory = scripts.from_bytes(builders)
    entries, count, *how = load[1]
    at = 1536
    memory |= {
        at: legacy.structs["graph_builder_array"].pack(entries, count),
        at + 64: legacy.structs["tensor"].pack(at + 128, legacy.values["tensor_type"]["i32"], DATA),
        at + 128: abi.TENSOR_DIMENSIONS.pack(DIMENSIONS, 1),
        at + 192: struct.pack("<I", 2),
        DIMENSIONS: struct.pack("<I", 2),
        DATA: struct.pack("<ii", 3, 4),
    }
    script: list[scripts.Script] = [
        ("load", (at, *how)),
        ("init_execution_context", (1, OUT)),
        ("set_input", (2, 0, at + 64)),
        ("compute", (2,)),
        ("get_output", (2, 0, scripts.OUTPUT, at + 192)),
    ]
    guest, trace = tmp_path / "guest.wasm", tmp_path / "t"
    guest.write_bytes(scripts.command(script, memory, functions=LEGACY_FUNCTIONS))
    assert cli.main(["run", f"--trace={trace}", "--abi", "current", str(guest)]) == 0
    assert [line["error"] for line in _lines(trace)[1:-1]] == [None] * 5
    assert base64.b64decode(_lines(trace)[5]["operation"]["data"]) == struct.pack("<ii", 6, 8)
    capfd.readouterr()
    assert _replay(trace, "--graph", f"any={net}") == 0
    assert _said(capfd) == ["5 calls: 5 the same, 0 different, 0 skipped"]


def test_bytes_are_found_under_any_name(folder: Path) -> None:
    assert _replay(folder / "by_bytes", "--graph", f"other={folder / 'net.xml'}") == 0


def test_a_changed_model_is_noticed_by_its_answers(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other = _model(tmp_path / "net.xml", models.add_constant(1.5))
    assert _replay(folder / "by_name", "--graph", f"net={other}") == 1
    first, *_, last = _said(capfd)
    assert first == (
        "call 5 get_output: output 0 has other values: "
        "2 of 2 elements differ, at most by 0.5, 0.167 of the largest, 2097152 ulp"
    )
    assert last == "11 calls: 9 the same, 1 different, 1 skipped"


def test_a_changed_model_is_noticed_by_its_hash(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other = _model(tmp_path / "net.xml", models.add_constant(1.5))
    assert _replay(folder / "by_bytes", "--graph", f"net={other}") == 2
    assert "8 bytes of SHA-256 " in capfd.readouterr().err


def test_a_tolerance_takes_it_for_the_same(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """And says how far off it is."""
    other = _model(tmp_path / "net.xml", models.add_constant(1.5))
    assert _replay(folder / "by_name", "--graph", f"net={other}", "--tolerance", "0.2") == 0
    assert "within the tolerance: 2 of 2 elements differ" in capfd.readouterr().out
    assert _replay(folder / "by_name", "--graph", f"net={other}", "--tolerance", "0.1") == 1


def test_rounding_is_the_same_unless_it_must_not_be(folder: Path, tmp_path: Path) -> None:
    other = _model(tmp_path / "net.xml", models.add_constant(1 + 2**-20))
    assert _replay(folder / "by_name", "--graph", f"net={other}") == 0
    assert _replay(folder / "by_name", "--graph", f"net={other}", "--tolerance", "0") == 1


def test_a_model_of_another_size_is_noticed(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its input does not fit, and nothing after that is what it was."""
    other = _model(tmp_path / "net.xml", models.double([3]))
    assert _replay(folder / "by_name", "--graph", f"net={other}") == 1
    assert "call 3 set_input: was success; is invalid_argument: input 0 is [3], got [2]" in _said(capfd)


def test_an_output_of_another_size_is_noticed(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other = _model(tmp_path / "net.xml", models.repeat(3))
    assert _replay(folder / "by_name", "--graph", f"net={other}") == 1
    assert [line for line in _said(capfd) if "bytes" in line] == [
        "call 5 get_output: was 8 bytes; is 24 bytes",
        "call 6 get_output: was 8 bytes; is 24 bytes",
    ]


@pytest.mark.parametrize(
    ("trace", "wants"), [("by_name", "--graph net=MODEL"), ("by_bytes", "--graph any=MODEL")]
)
def test_a_model_that_is_not_given_is_asked_for(
    folder: Path, capfd: pytest.CaptureFixture[str], trace: str, wants: str
) -> None:
    assert _replay(folder / trace) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert wants in err


def test_a_paddle_model_from_bytes_is_found(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Its parameters lie beside it under a suffix of their own."""
    builders = models.paddle()
    net = tmp_path / "net.pdmodel"
    net.write_bytes(builders[0])
    net.with_suffix(".pdiparams").write_bytes(builders[1])
    [(name, (at, count, _, *more))], memory = scripts.from_bytes(builders)
    load = [(name, (at, count, abi.GraphEncoding.AUTODETECT, *more))]
    script, own = scripts.inference(1, 2, load=load)
    guest, trace = tmp_path / "guest.wasm", tmp_path / "t"
    guest.write_bytes(scripts.command(script, {**own, **memory}))
    assert cli.main(["run", f"--trace={trace}", str(guest)]) == 0
    assert [line["error"] for line in _lines(trace)[1:-1]] == [None] * 5
    capfd.readouterr()
    assert _replay(trace, "--graph", f"any={net}") == 0
    assert _said(capfd) == ["5 calls: 5 the same, 0 different, 0 skipped"]


@pytest.mark.parametrize(
    ("option", "says"),
    [
        (",threads=2", "note: `net` ran with `threads` None in the trace, and 2 now"),
        (",precision=auto", "note: `net` ran with `precision` f32 in the trace, and auto now"),
    ],
)
def test_another_way_to_run_a_model_is_noted(
    folder: Path, capfd: pytest.CaptureFixture[str], option: str, says: str
) -> None:
    assert _replay(folder / "by_name", "--graph", f"net={folder / 'net.xml'}{option}") == 0
    assert capfd.readouterr().err.splitlines() == [says]


def test_another_device_for_models_from_bytes_is_noted(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["--graph", f"net={folder / 'net.xml'}", "--device-map", "gpu=AUTO", "--precision", "auto"]
    assert _replay(folder / "by_bytes", *words) == 0
    assert capfd.readouterr().err.splitlines() == [
        "note: `net` ran with `precision` f32 in the trace, and auto now",
        "note: models from bytes ran with `precision` f32 in the trace, and auto now",
        "note: models from bytes ran with `gpu` GPU in the trace, and AUTO now",
    ]


def test_another_model_is_noted(folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    other = _model(tmp_path / "net.xml", models.add_constant(1.5))
    assert _replay(folder / "by_name", "--graph", f"net={other}") == 1
    (note,) = capfd.readouterr().err.splitlines()
    assert note.startswith("note: `net` is another model than in the trace: SHA-256 ")


def test_what_needs_a_model_that_does_not_load_is_skipped(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """One cause is one difference; calls that fail without it are the same as ever."""
    other = _model(tmp_path / "net.xml", (b"<net/>", b""))
    assert _replay(folder / "by_name", "--graph", f"net={other}") == 1
    first, *others, last = capfd.readouterr().out.splitlines()
    assert first.startswith("call 1 load_by_name: was success; is ")
    assert others[0] == "call 2 init_execution_context: skipped: it needs what call 1 did not make this time"
    assert others[1] == "call 3 set_input: skipped: it needs what call 1 did not make this time"
    assert last == "11 calls: 1 the same, 1 different, 9 skipped"


def test_a_host_that_fails_is_no_answer(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without OpenVINO there is nothing to say about the model."""

    def missing() -> Backend:
        raise OpenVinoMissingError("OpenVINO is not installed")

    monkeypatch.setattr("host.commands.replay._openvino", missing)
    assert _replay(folder / "by_name", "--graph", f"net={folder / 'net.xml'}") == 2
    out, err = capfd.readouterr()
    assert "call 1 load_by_name: the host failed: OpenVinoMissingError: OpenVINO is not installed\n" in out
    assert out.endswith("11 calls: 1 the same, 0 different, 9 skipped, 1 failed\n")
    assert err.startswith("error: the host itself failed")


def test_a_trace_with_nothing_to_compare_is_no_success(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lines = (folder / "by_name").read_text().splitlines()
    (tmp_path / "t").write_text(f"{lines[0]}\n{lines[-1]}\n")
    assert _replay(tmp_path / "t") == 2
    assert capfd.readouterr().err.startswith("error: nothing was compared")


def test_a_pipe_is_no_trace(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Refused, and not waited for: it could be read once only."""
    os.mkfifo(tmp_path / "t")
    both_ends = os.open(tmp_path / "t", os.O_RDWR)
    os.write(both_ends, b"[]\n")  # for who would read it all the same
    try:
        assert _replay(tmp_path / "t") == 2
    finally:
        os.close(both_ends)
    assert capfd.readouterr().err == (
        f"error: `{tmp_path / 't'}`: cannot read trace: it is no regular file, and it is read several times\n"
    )


def test_caps_above_those_of_the_operator_are_not_taken_from_a_trace(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    caps = {"graphs": 1 << 40, "rank": 1 << 40}
    trace = _changed(folder, tmp_path / "t", lambda lines: lines[0]["limits"].update(caps))
    words = [trace, "--graph", f"net={folder / 'net.xml'}"]
    assert _replay(*words) == 0
    assert capfd.readouterr().err.splitlines() == [
        f"note: the trace's cap `graphs` of {1 << 40} is 256 here; `--max-graphs` raises it",
        f"note: the trace's cap `rank` of {1 << 40} is 32 here",
    ]
    assert _replay(*words, "--max-graphs", "0") == 1
    assert "call 1 load_by_name: was success; is busy" in capfd.readouterr().out


def test_caps_below_those_of_the_operator_are(folder: Path, tmp_path: Path) -> None:
    trace = _changed(folder, tmp_path / "t", lambda lines: lines[0]["limits"].update(graphs=0))
    assert _replay(trace, "--graph", f"net={folder / 'net.xml'}") == 1


def test_a_line_costs_no_more_than_it_has(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Of nothing but brackets JSON makes many times their size: they are counted before it is read."""
    (tmp_path / "t").write_bytes(b'{"trace":[' + b"[]," * 1_000_000 + b"[]]}\n")
    tracemalloc.start()
    try:
        assert _replay(tmp_path / "t") == 2
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "line 1 has more than 262144 parts" in capfd.readouterr().err
    assert peak < 10_000_000


def test_a_line_has_a_most(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("host.tracing.trace_reader._LINE_BYTES", 100)
    assert _replay(folder / "by_name") == 2
    assert "line 1 is longer than 100 bytes" in capfd.readouterr().err


def test_json_has_an_entry_for_every_call(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other = _model(tmp_path / "net.xml", models.add_constant(1.5))
    assert _replay("--json", folder / "by_name", "--graph", f"net={other}") == 1
    found = json.loads(capfd.readouterr().out)
    assert (found["same"], found["different"], found["skipped"]) == (9, 1, 1)
    assert [entry["call"] for entry in found["calls"]] == list(range(1, 12))
    assert found["calls"][4]["outcome"] == "differs"
    assert found["calls"][4]["difference"]["absolute"] == 0.5


def _lines(trace: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in trace.read_text().splitlines()]


def _changed(folder: Path, to: Path, change: Callable[[list[dict[str, Any]]], object]) -> Path:
    """Return a trace at `to` that is the one by name after `change`."""
    lines = _lines(folder / "by_name")
    change(lines)
    to.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return to


def test_handles_may_be_other_numbers(folder: Path, tmp_path: Path) -> None:
    """Those of a trace are what its run gave out; a session of this host has its own."""

    def shift(lines: list[dict[str, Any]]) -> None:
        for line in lines[1:-1]:
            line["handle"] = line["handle"] and line["handle"] + 1000
            for key in ("handle", "context"):
                if line["operation"] and key in line["operation"]:
                    line["operation"][key] += 1000

    trace = _changed(folder, tmp_path / "t", shift)
    assert _replay(trace, "--graph", f"net={folder / 'net.xml'}") == 0


@pytest.mark.parametrize(
    ("key", "value"),
    [("error", "busy"), ("error", None)],
)
def test_another_error_is_noticed(folder: Path, tmp_path: Path, key: str, value: object) -> None:
    trace = _changed(folder, tmp_path / "t", lambda lines: lines[7].update({key: value}))
    assert _replay(trace, "--graph", f"net={folder / 'net.xml'}") == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda lines: lines[0].update(trace=2), "line 1: `trace` is not 1"),
        (lambda lines: lines[0].pop("trace"), "is not a trace"),
        (lambda lines: lines[0].update(abi="3000"), "line 1: `abi`"),
        (lambda lines: lines[0].update(limits=[]), "line 1: `limits`"),
        (lambda lines: lines[0]["limits"].update(graphs=True), "line 1: `graphs`"),
        (lambda lines: lines[0]["limits"].update(graphs=-1), "line 1: `graphs`"),
        (lambda lines: lines[0]["limits"].update(rank=1 << 99), "line 1: `rank`"),
        (lambda lines: lines[0].update(graphs=["net"]), "line 1: `graphs`"),
        (lambda lines: lines[0]["graphs"]["net"].update(sha256="\x1b"), "line 1: `sha256`"),
        (lambda lines: lines[0]["graphs"]["net"]["options"].update(device="\x1b"), "line 1: `options`"),
        (lambda lines: lines[0]["graphs"]["net"]["options"].update(x=1), "line 1: `options`"),
        (lambda lines: lines[0]["devices"].update(cpu=1), "line 1: `cpu`"),
        (lambda lines: lines.pop(2), "line 3: `call` is not 2"),
        (lambda lines: lines.reverse(), "is not a trace"),
        (lambda lines: lines.append(lines[2]), "line 14: there is something after the end"),
        (lambda lines: lines[1].update(module="x"), "line 2: `module`"),
        (lambda lines: lines[1].update(function=1), "line 2: `function`"),
        (lambda lines: lines[1].update(handle=None), "line 2: `handle`"),
        (lambda lines: lines[1].update(operation=None), "line 2: `operation`"),
        (lambda lines: lines[1].update(operation="x"), "line 2: `operation`"),
        (lambda lines: lines[1]["operation"].update(method="__init__"), "line 2: `method`"),
        (lambda lines: lines[1]["operation"].update(name="\ud800"), "line 2: `name`"),
        (lambda lines: lines[3]["operation"].update(data="AAA"), "line 4: `data`"),
        (lambda lines: lines[3]["operation"].update(data="AAAA!!!!AAAAAAA="), "line 4: `data`"),
        (lambda lines: lines[3]["operation"].update(data=None), "line 4: `data`"),
        (lambda lines: lines[3]["operation"].update(index=1 << 32), "line 4: `index`"),
        (lambda lines: lines[3]["operation"].update(index=-1), "line 4: `index`"),
        (lambda lines: lines[3]["operation"].update(index=1.0), "line 4: `index`"),
        (lambda lines: lines[3]["operation"].update(type=True), "line 4: `type`"),
        (lambda lines: lines[3]["operation"].update(dimensions=[1] * 5000), "line 4: `dimensions`"),
        (lambda lines: lines[4].update(handle=3), "line 5: `handle`"),
        (lambda lines: lines[5]["operation"].update(data=None), "line 6: `data`"),
        (lambda lines: lines[7].update(error="success"), "line 8: `error`"),
        (lambda lines: lines[12].update(end=None), "line 13: `end`"),
    ],
)
def test_a_line_that_is_not_right_is_told(
    folder: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    change: Callable[[list[dict[str, Any]]], object],
    says: str,
) -> None:
    trace = _changed(folder, tmp_path / "t", change)
    assert _replay(trace, "--graph", f"net={folder / 'net.xml'}") == 2
    err = capfd.readouterr().err
    assert err.startswith(f"error: `{trace}`: ")
    assert says in err


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"\xff\n",
        b"[" * 100_000 + b"\n",
        b"9" * 10_000 + b"\n",
        b"[]\n",
        b'"trace"\n',
        b'{"trace":"\xc3\xa9"}\n',
    ],
)
def test_other_files_are_no_traces(tmp_path: Path, capfd: pytest.CaptureFixture[str], data: bytes) -> None:
    (tmp_path / "t").write_bytes(data)
    assert _replay(tmp_path / "t") == 2
    assert capfd.readouterr().err.startswith("error: ")


@pytest.mark.parametrize("what", ["missing", "."])
def test_a_trace_that_cannot_be_read_is_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], what: str
) -> None:
    assert _replay(tmp_path / what) == 2
    assert "cannot read trace" in capfd.readouterr().err


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "x", ""])
def test_a_tolerance_is_a_number_from_0(folder: Path, capfd: pytest.CaptureFixture[str], text: str) -> None:
    assert _replay(folder / "by_name", f"--tolerance={text}") == 2
    assert "--tolerance" in capfd.readouterr().err


@pytest.mark.parametrize(("cut", "calls"), [(1, 11), (60, 10), (500, 9)])
def test_a_trace_that_was_cut_off_is_replayed_as_far_as_it_goes(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], cut: int, calls: int
) -> None:
    (tmp_path / "t").write_bytes((folder / "by_name").read_bytes()[:-cut])
    assert _replay(tmp_path / "t", "--graph", f"net={folder / 'net.xml'}") == 0
    out, err = capfd.readouterr()
    assert f"\n{calls} calls: " in out
    assert err == (f"note: the trace has no end: it was cut off, or its run was killed, after call {calls}\n")


@given(st.data())
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_trace_does_harm(folder: Path, capfd: pytest.CaptureFixture[str], data: st.DataObject) -> None:
    """Whatever is in the file: an answer, or one line that says what is wrong with it."""
    content = bytearray((folder / data.draw(st.sampled_from(["by_name", "by_bytes"]))).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 8))] = data.draw(
            st.binary(max_size=4) | st.sampled_from([b"null", b"{}", b"[]", b"-1", b"4294967295", b"\n"])
        )
    with tempfile.TemporaryDirectory() as temporary:
        trace = Path(temporary, "t")
        trace.write_bytes(content)
        assert _replay(trace, "--graph", f"net={folder / 'net.xml'}") in {0, 1, 2}
    err = capfd.readouterr().err
    assert "Traceback" not in err
    assert all(line.startswith(("error: ", "note: ")) for line in err.splitlines())


@pytest.mark.parametrize(("code", "name"), [("e", "f16"), ("f", "f32"), ("d", "f64")])
def test_floats_are_told_apart_in_steps(code: str, name: str) -> None:
    """One step up at 1 is one ulp, and so is one from the smallest negative number to 0."""
    width = struct.calcsize(code) * 8
    one = int.from_bytes(struct.pack(f"<{code}", 1.0), "little")
    was, now = (value.to_bytes(width // 8, "little") for value in (one, one + 1))
    found = compare(was, now, name)
    assert found is not None
    assert (found.elements, found.of, found.ulp) == (1, 1, 1)
    assert found.is_within(tolerance_of(name))
    smallest = compare(((1 << width - 1) + 1).to_bytes(width // 8, "little"), bytes(width // 8), name)
    assert smallest is not None
    assert smallest.ulp == 1


def _f32(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ((1.0, math.nan), (1.0, 2.0)),
        ((math.nan, 1.0), (2.0, 1.0)),
        ((1.0, 1.0), (math.nan, 1.1)),
        ((1.0, 1.0), (1.0000001, math.nan)),
        ((1.0, math.inf), (1.0, 1.0)),
        ((math.inf,), (-math.inf,)),
        ((0.0, 0.0), (0.0, 1e-30)),
        ((1.0, 0.0), (1.0, 2e-5)),
    ],
)
def test_what_is_no_rounding_is_a_difference(was: tuple[float, ...], now: tuple[float, ...]) -> None:
    found = compare(_f32(*was), _f32(*now), "f32")
    assert found is not None
    assert not found.is_within(tolerance_of("f32"))


@pytest.mark.parametrize(
    ("was", "now"),
    [(_f32(0.0), _f32(-0.0)), (b"\1\0\xc0\x7f", b"\2\0\xc0\x7f"), (_f32(1e3, 0.0), _f32(1e3, 1e-3))],
)
def test_what_is_equal_or_rounding_is_within(was: bytes, now: bytes) -> None:
    """Zeros of both signs, NaN of any payload, and what is small beside the largest element."""
    found = compare(was, now, "f32")
    assert found is not None
    assert found.is_within(tolerance_of("f32"))


def test_a_comparison_takes_no_memory_for_its_elements() -> None:
    count = 20_000
    was, now = bytes(4 * count), b"\0\0\x80\x3f" * count
    tracemalloc.start()
    try:
        found = compare(was, now, "f32")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found is not None
    assert (found.elements, found.absolute) == (count, 1.0)
    assert peak < 40_000


@pytest.mark.parametrize("name", ["u8", "i32", "i64", None, "boolean"])
def test_integers_have_no_tolerance(name: str | None) -> None:
    found = compare(bytes(16), bytes(15) + b"\1", name)
    assert found is not None
    assert found.elements == 1
    assert not found.is_within(1.0)
    assert compare(bytes(16), bytes(16), name) is None


@pytest.mark.parametrize(
    "words",
    [
        ["/model", "/photos/coffee.png"],
        ["--", "--name", "squeezenet", "--labels", "/model/labels.txt", "/photos/chelsea.png"],
    ],
)
def test_a_real_classifier_answers_the_same_without_its_guest(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], words: list[str]
) -> None:
    if not (PHOTO.exists() and SQUEEZENET.exists() and PHOTOS.exists()):
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no photo guest: run `make demo`")
    graph = f"squeezenet={SQUEEZENET}"
    folders = ["--dir", f"{SQUEEZENET}::/model", "--dir", f"{PHOTOS}::/photos"]
    trace = tmp_path / "t"
    assert cli.main(["run", f"--trace={trace}", "--graph", graph, *folders, str(PHOTO), *words]) == 0
    capfd.readouterr()
    assert _replay(trace, "--graph", graph) == 0
    assert _said(capfd) == ["5 calls: 5 the same, 0 different, 0 skipped"]
