"""Every format runs from a guest's bytes, is told by them alone, and holds nothing that a guest may not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from host.abi import GraphEncoding, NnErrno
from host.backends import lent_files, protobuf, tensorflow_guard, tflite_guard
from host.backends.lent_files import PREFIX, lent, remove_left_overs
from host.errors import Condition, NnError
from host.formats import BUILDERS, Format, recognise, sniff
from host.models.options import ModelOptions
from tests.host import models
from tests.host.guests import f32
from tests.host.models import field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from host.backends.openvino import OpenVino
    from tests.host.guests import Guest

CAP = 1 << 20
IR = models.double([2])
XML = IR[0][IR[0].index(b"<net") :]
"""The XML of an IR of y = x + x, without its declaration."""
ONNX = models.onnx(models.tensor("c", f32(10, 20)))
GRAPH_DEF, TFLITE, PADDLE = models.tensorflow(), models.tflite(), models.paddle()

MODELS: dict[Format, tuple[bytes, ...]] = {
    Format.OPENVINO: IR,
    Format.ONNX: (ONNX,),
    Format.TENSORFLOW: (GRAPH_DEF,),
    Format.TENSORFLOWLITE: (TFLITE,),
    Format.PADDLE: PADDLE,
}
ENCODINGS = {each: GraphEncoding[each.name] for each in Format if each.name in GraphEncoding.__members__}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Lend files in a folder of the test's own, where nothing may be left."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    assert not list(tmp_path.glob(f"{PREFIX}*"))


def _refused(
    guest: Guest, builders: tuple[bytes, ...], encoding: int = GraphEncoding.AUTODETECT
) -> Condition:
    errno = guest.load(builders, encoding)
    assert errno == guest.condition.errno
    assert errno != NnErrno.SUCCESS
    return guest.condition


def test_every_format_that_is_served_is_tested() -> None:
    assert set(MODELS) == set(BUILDERS)


@pytest.mark.parametrize("format_", MODELS)
def test_each_format_runs_by_autodetect(guest: Guest, format_: Format) -> None:
    expected = f32(2, 4) if format_ is Format.OPENVINO else f32(11, 22)
    context = guest.context(MODELS[format_], GraphEncoding.AUTODETECT)
    assert guest.infer(context, f32(1, 2), (2,)) == expected


@pytest.mark.parametrize("format_", [Format.TENSORFLOW, Format.TENSORFLOWLITE])
def test_each_format_runs_by_its_encoding(guest: Guest, format_: Format) -> None:
    context = guest.context(MODELS[format_], ENCODINGS[format_])
    assert guest.infer(context, f32(1, 2), (2,)) == f32(11, 22)


@pytest.mark.parametrize("format_", MODELS)
@pytest.mark.parametrize("claimed", ENCODINGS.values())
def test_bytes_of_another_format_are_refused(format_: Format, claimed: GraphEncoding) -> None:
    if claimed.name == format_.name:
        return
    with pytest.raises(NnError) as caught:
        recognise(MODELS[format_], claimed, CAP)
    assert caught.value.condition in {
        Condition.NOT_A_MODEL,
        Condition.BUILDER_COUNT,
        Condition.ENCODING_NOT_SERVED,
    }


@pytest.mark.parametrize("format_", MODELS)
@pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: (*b, b"")])
def test_builders_are_counted(
    guest: Guest, format_: Format, change: Callable[[tuple[bytes, ...]], tuple[bytes, ...]]
) -> None:
    assert _refused(guest, change(MODELS[format_])) is Condition.BUILDER_COUNT


@pytest.mark.parametrize("builder", [IR[0], models.add_constant(1)[0] + models.add_constant(1)[1]])
def test_ir_in_one_builder_is_refused_with_what_it_takes(guest: Guest, builder: bytes) -> None:
    """Also with the weights behind the XML."""
    assert _refused(guest, (builder,), GraphEncoding.OPENVINO) is Condition.BUILDER_COUNT
    assert "the XML, the weights" in guest.reports[-1][1].reason


@pytest.mark.parametrize(("data", "says"), [(b"PK\x03\x04", "ovc"), (b"GGUF\3\0\0\0", "IR or ONNX")])
def test_formats_that_are_not_served_say_what_would_help(guest: Guest, data: bytes, says: str) -> None:
    assert _refused(guest, (data,)) is Condition.ENCODING_NOT_SERVED
    assert says in guest.reports[-1][1].reason


@pytest.mark.parametrize("format_", [f for f in MODELS if f is not Format.OPENVINO])
def test_truncated_model_is_none(guest: Guest, format_: Format) -> None:
    first, *rest = MODELS[format_]
    for length in (len(first) // 2, len(first) - 1):
        errno = guest.load((first[:length], *rest), GraphEncoding.AUTODETECT)
        assert errno in {NnErrno.RUNTIME_ERROR, NnErrno.SUCCESS}
        if errno == NnErrno.RUNTIME_ERROR:
            assert guest.condition is Condition.NOT_A_MODEL


@pytest.mark.parametrize("name", [b"/etc/passwd", b"model.xml", b"model.pb", b"../model.tflite", b"\0", b""])
@pytest.mark.parametrize("encoding", GraphEncoding)
def test_name_of_a_file_is_no_model(
    guest: Guest, name: bytes, encoding: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even when there is such a file, with a model in it."""
    (tmp_path / "model.xml").write_bytes(IR[0])
    (tmp_path / "model.pb").write_bytes(GRAPH_DEF)
    monkeypatch.chdir(tmp_path)
    for count in (1, 2):
        assert _refused(guest, (name,) * count, encoding) in {
            Condition.NOT_A_MODEL,
            Condition.BUILDER_COUNT,
            Condition.ENCODING_NOT_SERVED,
        }


@pytest.mark.parametrize("name", [b"model.xml", b"model.pb", b"model.pdmodel", b"model.tflite"])
@pytest.mark.parametrize("format_", MODELS)
def test_backend_itself_takes_no_bytes_for_a_path(
    backend: Callable[[], OpenVino],
    name: bytes,
    format_: Format,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for each, format_of_it in zip(MODELS, ("xml", "onnx", "pb", "tflite", "pdmodel"), strict=True):
        (tmp_path / f"model.{format_of_it}").write_bytes(MODELS[each][0])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NnError) as caught:
        backend().load((name,) * len(MODELS[format_]), format_, ModelOptions())
    assert caught.value.condition is Condition.NOT_A_MODEL


# Bytes that are of two formats: what is run must be what was checked.

BAD_NAME = field(1, field(1, b"\xff") + field(2, "NoOp"))
"""A node whose name is not UTF-8: the reader of binary GraphDefs gives up, and OpenVINO tries another."""

TEXT = b'node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }\n'
NODE_OF_TEXT = field(1, field(1, b"\n" + TEXT) + field(2, "NoOp"))
AS_XML = {
    "an element": XML,
    "in any case": XML.replace(b"<net", b"<NET").replace(b"</net", b"</NET"),
    "after text": b"text " + XML,
    "after a comment": b"<!-- " + b"-" * 5000 + b" x -->" + XML,
    "after a processing instruction": b"<?a b?>" + XML,
}


@pytest.mark.parametrize("how", AS_XML)
def test_onnx_that_reads_as_ir_is_refused(guest: Guest, backend: Callable[[], OpenVino], how: str) -> None:
    """OpenVINO would run the IR in the producer's name, which nobody has looked at."""
    model = field(1, 8) + field(2, AS_XML[how]) + ONNX[2:]
    assert sniff((model,)) == Format.ONNX.value
    assert _refused(guest, (model,), GraphEncoding.ONNX) is Condition.NOT_A_MODEL
    graph = backend().load((model,), Format.ONNX, ModelOptions())  # else this guard is needed no more
    assert len(graph.inputs) == 1


def test_onnx_may_hold_brackets(guest: Guest) -> None:
    for producer in (b"<nothing>", b"a < b", b"<!", b"<?>"):
        model = field(1, 8) + field(2, producer) + ONNX[2:]
        context = guest.context((model,), GraphEncoding.ONNX)
        assert guest.infer(context, f32(1, 2), (2,)) == f32(11, 22)


@pytest.mark.parametrize(
    "more", [field(1, b""), field(1, field(1, 0) + field(2, 0)), field(7, 1), field(2, 1)]
)
def test_onnx_with_fields_of_another_type_is_refused(guest: Guest, more: bytes) -> None:
    """A Paddle program begins with a field 1 of bytes; in ONNX that is a number."""
    assert _refused(guest, (ONNX + more,), GraphEncoding.ONNX) is Condition.NOT_A_MODEL


def test_graph_def_that_reads_as_ir_runs_as_neither(guest: Guest) -> None:
    node = field(1, field(1, XML) + field(2, "NoOp"))
    assert guest.load((node + GRAPH_DEF,), GraphEncoding.TENSORFLOW) == NnErrno.SUCCESS
    assert _refused(guest, (node + BAD_NAME + GRAPH_DEF,), GraphEncoding.TENSORFLOW) is Condition.NOT_A_MODEL


@pytest.mark.parametrize("first", [TEXT, b"#" + GRAPH_DEF[1:], b'"\x1b[31m' + TEXT])
def test_graph_def_as_text_is_refused(guest: Guest, first: bytes) -> None:
    assert _refused(guest, (first,), GraphEncoding.TENSORFLOW) is Condition.NOT_A_MODEL


def test_graph_def_that_also_reads_as_text_is_not_read_as_text(
    guest: Guest, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its reader would print the guest's bytes too, as they are."""
    graph = field(1, field(1, b'\x20"\x1b[31mred"' + b" " * 20) + field(2, "NoOp")) + NODE_OF_TEXT
    assert _refused(guest, (graph + BAD_NAME + GRAPH_DEF,), GraphEncoding.TENSORFLOW) is Condition.NOT_A_MODEL
    assert "\x1b" not in capfd.readouterr().err


@pytest.mark.parametrize("more", [field(7, b""), field(2, field(1, field(2, "GatherNd"))), field(3, b"")])
def test_graph_def_with_fields_of_other_messages_is_refused(guest: Guest, more: bytes) -> None:
    """Those of an ONNX model, or of a MetaGraphDef, of which OpenVINO would run the graph in field 2."""
    assert _refused(guest, (GRAPH_DEF + more,), GraphEncoding.TENSORFLOW) is Condition.NOT_A_MODEL


TFLITE_AND = {
    "IR": b"aaa TFL3" + XML,
    "GraphDef as text": b"#   TFL3\n" + TEXT,
    "ONNX": field(1, 8) + field(2, "TFL3") + ONNX[2:],
    "GraphDef": field(1, field(1, "TFL3"))[:8] + GRAPH_DEF,
}


@pytest.mark.parametrize("other", TFLITE_AND)
def test_marked_as_tflite_is_read_as_nothing_else(
    guest: Guest, backend: Callable[[], OpenVino], other: str
) -> None:
    """Neither past the guard nor, should that be wrong, in OpenVINO."""
    data = TFLITE_AND[other]
    assert data[4:8] == b"TFL3"
    assert _refused(guest, (data,)) is Condition.NOT_A_MODEL
    with pytest.raises(NnError):
        backend().load((data,), Format.TENSORFLOWLITE, ModelOptions())


# What a model may not hold.

UNSAFE: dict[str, bytes] = {
    "TensorFlow": models.tensorflow(models.tf_node("z", "GatherNd")),
    "TensorFlow, on a resource": models.tensorflow(models.tf_node("z", "ResourceGatherNd")),
    "TensorFlow, in a function": models.tensorflow(
        more=field(2, field(1, field(1, field(1, "f")) + field(3, models.tf_node("z", "GatherNd"))))
    ),
    "TFLite": models.tflite(models.tflite_operator(models.TFLITE_GATHER_ND)),
    "TFLite, custom": models.tflite(models.tflite_operator(models.TFLITE_CUSTOM, "FlexGatherNd")),
}


@pytest.mark.parametrize("place", UNSAFE)
def test_unsafe_operation_is_found(guest: Guest, place: str) -> None:
    assert _refused(guest, (UNSAFE[place],)) is Condition.MODEL_UNSAFE


@pytest.mark.parametrize("where", ["block", "another block"])
def test_unsafe_operation_of_paddle_is_found(guest: Guest, where: str) -> None:
    gather = field(4, models.paddle_op("gather_nd", {"X": "x"}, {"Out": "y"}))
    other = field(1, field(1, 1) + field(2, 0) + gather)
    program, parameters = models.paddle(gather) if where == "block" else models.paddle(program_more=other)
    assert _refused(guest, (program, parameters)) is Condition.MODEL_UNSAFE


FILE_OPS = [
    "ReadFile",
    "WholeFileReaderV2",
    "RestoreV2",
    "Restore",
    "SaveV2",
    "MergeV2Checkpoints",
    "InitializeTableFromTextFileV2",
    "TextLineDataset",
    "TFRecordReaderV2",
    "LoadAndRemapMatrix",
    "VarHandleOp",
]


@pytest.mark.parametrize("op", FILE_OPS)
def test_operation_that_names_files_is_found(guest: Guest, op: str) -> None:
    node = models.tf_node("z", op, "c")
    assert _refused(guest, (models.tensorflow(node),)) is Condition.MODEL_REFERS_TO_FILES
    function = field(2, field(1, field(1, field(1, "f")) + field(3, node)))
    assert _refused(guest, (models.tensorflow(more=function),)) is Condition.MODEL_REFERS_TO_FILES


HUGE = 1 << 40
ABSURD: dict[str, tuple[bytes, ...]] = {
    "TensorFlow, constant": (
        models.tensorflow(models.tf_node("z", "Const", value=models.tf_tensor(b"\0" * 4, HUGE))),
    ),
    "TensorFlow, product": (
        models.tensorflow(models.tf_node("z", "Const", value=models.tf_tensor(b"", 1 << 20, 0, 1 << 20))),
    ),
    "TensorFlow, placeholder": (
        models.tensorflow(models.tf_node("z", "Placeholder", shape=field(7, models.tf_shape(HUGE)))),
    ),
    "Paddle": (models.paddle(field(3, models.paddle_variable("z", HUGE)))[0], PADDLE[1]),
    "Paddle, packed": (
        models.paddle(field(3, field(1, "z") + field(2, field(3, field(1, field(2, models.varint(HUGE)))))))[
            0
        ],
        PADDLE[1],
    ),
    "TFLite": (
        models.flatbuffer(
            models.Table(
                {2: (models.Table({0: (models.Table({0: [1 << 20, 1 << 20]}),)}),)},
            )
        ),
    ),
}


@pytest.mark.parametrize("place", ABSURD)
def test_absurd_size_is_found(guest: Guest, place: str) -> None:
    assert _refused(guest, ABSURD[place]) is Condition.ABSURD_SIZE


@pytest.mark.parametrize("lengths", [(-1 % (1 << 64), 2), (0, 3)])
def test_any_length_and_none_pass(lengths: tuple[int, ...]) -> None:
    node = models.tf_node("z", "Placeholder", shape=field(7, models.tf_shape(*lengths)))
    recognise((models.tensorflow(node),), GraphEncoding.TENSORFLOW, CAP)
    variable = field(3, models.paddle_variable("z", *lengths))
    recognise((models.paddle(variable)[0], b""), GraphEncoding.AUTODETECT, CAP)


def test_floods_are_cut_off(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorflow_guard, "MOST_FIELDS", 1000)
    assert _refused(guest, (GRAPH_DEF + field(1, b"") * 1000,)) is Condition.ABSURD_SIZE
    monkeypatch.setattr(tflite_guard, "_MOST_OBJECTS", 3)
    assert _refused(guest, (TFLITE,)) is Condition.ABSURD_SIZE
    assert protobuf.MOST_FIELDS > 1000


def test_tflite_outside_of_its_flatbuffer_is_refused(guest: Guest) -> None:
    model = models.tflite(buffer={1: ("Q", 1 << 20), 2: ("Q", 8)})
    assert _refused(guest, (model,)) is Condition.NOT_A_MODEL


@pytest.mark.parametrize("at", range(0, len(TFLITE) - 4, 4))
def test_malformed_flatbuffer_is_refused_or_read_in_bounds(at: int) -> None:
    """Whatever number is wrong, the guard ends with an answer."""
    for wrong in (0xFFFF_FFFF, 0x7FFF_FFFF, len(TFLITE), 0):
        data = bytearray(TFLITE)
        data[at : at + 4] = wrong.to_bytes(4, "little")
        try:
            recognise((bytes(data),), GraphEncoding.TENSORFLOWLITE, CAP)
        except NnError as error:
            assert error.condition in {  # noqa: PT017 - or none: some numbers do not matter
                Condition.NOT_A_MODEL,
                Condition.ABSURD_SIZE,
                Condition.MODEL_UNSAFE,
            }


def test_paddle_reads_constants_from_its_parameters_only(guest: Guest, tmp_path: Path) -> None:
    """Not from files that the program names, which is how some programs keep them."""
    program, parameters = models.paddle(constant=str(tmp_path / "constant"))
    (tmp_path / "constant").write_bytes(parameters)
    assert guest.load((program, parameters), GraphEncoding.AUTODETECT) == NnErrno.SUCCESS
    assert _refused(guest, (program, b"")) is Condition.NOT_A_MODEL


# The files that are lent to OpenVINO.


def test_lent_files_are_the_users_alone_and_go(folder: Path) -> None:
    with lent({"a": b"1", "b": b"2"}) as path:
        assert path.parent == folder
        assert (path.stat().st_mode & 0o777, (path / "a").stat().st_mode & 0o777) == (0o700, 0o600)
        assert {file.name: file.read_bytes() for file in path.iterdir()} == {"a": b"1", "b": b"2"}
    assert not path.exists()


def test_lent_files_go_after_a_failure() -> None:
    with pytest.raises(KeyError), lent({"a": b""}):
        raise KeyError


def test_lent_files_go_when_one_cannot_be_written(folder: Path) -> None:
    with pytest.raises(OSError, match="absent"), lent({"a": b"", "absent/b": b""}):
        pytest.fail("lent")
    assert not list(folder.iterdir())


def test_lent_folders_are_all_different() -> None:
    with lent({}) as first, lent({}) as second:
        assert first != second


def test_folder_in_use_is_no_left_over() -> None:
    with lent({"a": b""}) as path:
        remove_left_overs()
        assert path.is_dir()


KILLED = """
import os, signal, sys, tempfile
from host.backends.lent_files import lent
tempfile.tempdir = sys.argv[1]
with lent({"model.pb": b"x"}):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_left_overs_of_a_killed_process_go_at_the_next_time(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert [path.name for left in folder.iterdir() for path in left.iterdir()] == ["model.pb"]
    with lent({}):
        assert len(list(folder.iterdir())) == 1
    assert not list(folder.iterdir())


def test_links_and_files_of_that_name_are_left_alone(folder: Path) -> None:
    """Whoever may write to the folder for temporary files could put them there."""
    target = folder / "target"
    target.mkdir()
    (target / "precious").touch()
    link, file = folder / f"{PREFIX}link", folder / f"{PREFIX}file"
    link.symlink_to(target)
    file.touch()
    remove_left_overs()
    assert link.is_symlink()
    assert file.exists()
    assert (target / "precious").exists()
    link.unlink()
    file.unlink()


def test_folders_of_other_users_are_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = folder / f"{PREFIX}other"
    left.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    remove_left_overs()
    assert left.is_dir()
    left.rmdir()


def test_folder_taken_for_a_left_over_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process may remove a folder in the moment before it is locked."""
    answers = iter([False, True, True])
    monkeypatch.setattr(lent_files, "_is_at", lambda *_: next(answers))
    monkeypatch.setattr(lent_files, "remove_left_overs", lambda: None)
    make = tempfile.mkdtemp
    first, second = make(prefix=PREFIX), make(prefix=PREFIX)
    folders = iter([first, second])
    monkeypatch.setattr(tempfile, "mkdtemp", lambda **_: next(folders))
    with lent({}) as path:
        assert str(path) == second
    Path(first).rmdir()
