"""`convert` makes models that take raw pixels and give finished answers, or writes nothing and says why."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino  # type: ignore[import-untyped]  # the wheel has stubs but no py.typed
import pytest
from openvino import opset13 as ops

from host import cli
from host.abi import TensorType
from host.backends.openvino_convert_check import TOLERANCE, compare, prepared
from host.backends.openvino_convert_files import Target, made_beside
from host.backends.openvino_convert_plan import ConvertError, InputPlan, OutputPlan, Port
from host.models.registry import NamedModel, Registry
from host.nn import Session
from tests.host import models
from tests.host.guests import Guest, f32, wat
from tests.host.models import field

if TYPE_CHECKING:
    from collections.abc import Callable

    from _pytest.capture import CaptureFixture
    from numpy.typing import NDArray

    from host.backends.openvino import OpenVino

ROOT = Path(__file__).parents[2]
SQUEEZENET = ROOT / "build" / "models" / "squeezenet" / "model.xml"
PHOTOS = ROOT / "build" / "photos"
ESPRESSO = 967


@dataclass
class Convert:
    """Converts what is in a folder, into it."""

    folder: Path
    capfd: CaptureFixture[str]
    """All of it: OpenVINO's readers print, too."""

    def put(self, name: str, *builders: bytes) -> Path:
        """Write a model: its file, and its weights where it has any."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(builders[0])
        for weights in builders[1:]:
            path.with_suffix(".pdiparams" if path.suffix == ".pdmodel" else ".bin").write_bytes(weights)
        return path

    def put_model(self, name: str, outputs: list[Any], inputs: list[Any]) -> Path:
        """Write the IR of a graph of OpenVINO's."""
        return self.put(name, *models.ir(openvino.Model(outputs, inputs, "made")))

    def picture(self, shape: tuple[int, ...] = (1, 3, 2, 2), kind: type[Any] = np.float32) -> Path:
        """Write a model `net.xml` of a picture `x` that gives it back."""
        x = ops.parameter(shape, kind)
        x.output(0).set_names({"x"})
        return self.put_model("net.xml", [ops.reshape(x, np.array([-1]), special_zero=False)], [x])

    def __call__(self, source: Path, *words: str, code: int = 0) -> str:
        """Convert to `out.xml`; return what is printed."""
        out = () if "-o" in words else ("-o", str(self.folder / "out.xml"))
        assert cli.main(["convert", str(source), *out, *words]) == code, self.capfd.readouterr().err
        return self.capfd.readouterr().out

    def error(self, source: Path, *words: str, code: int = 2) -> str:
        """Return the one line of complaint; nothing may be written, nor anything be changed."""
        before = self.contents()
        out = () if "-o" in words else ("-o", str(self.folder / "out.xml"))
        assert cli.main(["convert", str(source), *out, *words]) == code
        said, complaint = self.capfd.readouterr()
        assert said == ""
        assert complaint.startswith("error: ")
        assert complaint.count("\n") == 1
        assert self.contents() == before
        return complaint

    def contents(self) -> dict[Path, bytes | None]:
        """Return all that is in the folder."""
        return {path: path.read_bytes() if path.is_file() else None for path in self.folder.rglob("*")}

    def run(self, *arrays: NDArray[Any], name: str = "out.xml") -> list[NDArray[Any]]:
        """Return the outputs of a model in the folder."""
        return run(self.folder / name, *arrays)


def run(path: Path, *arrays: NDArray[Any]) -> list[NDArray[Any]]:
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return [np.array(each) for each in compiled(list(arrays)).values()]


@pytest.fixture
def convert(tmp_path: Path, capfd: CaptureFixture[str]) -> Convert:
    """Return what converts."""
    return Convert(tmp_path, capfd)


# Real pictures, a real model, a real guest.


def _photo(name: str, height: int, width: int) -> NDArray[np.uint8]:
    """Return a photo as [1, height, width, 3], its nearest pixels taken."""
    if not SQUEEZENET.exists() or not (PHOTOS / f"{name}.ppm").exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no example model or photos: run `make demo`")
    head, _, pixels = (PHOTOS / f"{name}.ppm").read_bytes().partition(b"\n")
    _, across, down, _ = head.split()
    array = np.frombuffer(pixels, np.uint8).reshape(int(down), int(across), 3)
    rows, columns = np.arange(height) * int(down) // height, np.arange(width) * int(across) // width
    return np.ascontiguousarray(array[rows][:, columns])[None]


def _by_hand(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the input of SqueezeNet for pixels of its size, as a guest has to make it of a plain model."""
    planes = pixels[..., ::-1].astype(np.float32) - np.array([104, 117, 123], np.float32)
    return np.ascontiguousarray(planes.transpose(0, 3, 1, 2))


SQUEEZENET_PIXELS = ("--u8-input", "--layout", "nhwc", "--rgb2bgr", "--mean", "104,117,123")


@pytest.fixture(scope="module")
def squeezenets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with SqueezeNet for raw pixels, and one for any size and the five best classes."""
    folder = tmp_path_factory.mktemp("squeezenets")
    _photo("coffee", 1, 1)
    for name, more in (("pixels", ()), ("any", ("--resize", "any", "--top-k", "5", "--fp16"))):
        words = ["convert", str(SQUEEZENET), "-o", str(folder / f"{name}.xml"), *SQUEEZENET_PIXELS, *more]
        assert cli.main(words) == 0
    return folder


@pytest.mark.parametrize("photo", ["coffee", "chelsea"])
def test_guest_hands_over_raw_pixels_and_gets_the_same_answer(
    photo: str, squeezenets: Path, backend: Callable[[], OpenVino]
) -> None:
    """As the plain model gives for pixels prepared by hand: class for class."""
    pixels = _photo(photo, 227, 227)
    registry = Registry({"net": NamedModel(squeezenets / "pixels.xml")})
    guest = Guest(Session(backend, registry, lambda _: None))
    assert guest.load_by_name(b"net") == 0
    found = _infer(guest, pixels)
    (expected,) = run(SQUEEZENET, _by_hand(pixels))
    scores = np.frombuffer(found, np.float32)
    assert np.allclose(scores, expected[0], rtol=0, atol=1e-5)
    assert np.argsort(-scores)[:5].tolist() == np.argsort(-expected[0])[:5].tolist()
    if photo == "coffee":
        assert scores.argmax() == ESPRESSO


def _infer(guest: Guest, pixels: NDArray[np.uint8]) -> bytes:
    context = guest.context_of(guest.u32())
    assert guest.set_input(context, pixels.tobytes(), pixels.shape, TensorType.U8) == 0, guest.reports
    assert guest.call("compute", context) == 0, guest.reports
    return guest.output(context)


def test_guest_hands_over_a_picture_of_another_size_and_gets_the_best_classes(
    squeezenets: Path, backend: Callable[[], OpenVino]
) -> None:
    pixels = _photo("coffee", 300, 400)
    registry = Registry({"net": NamedModel(squeezenets / "any.xml")})
    guest = Guest(Session(backend, registry, lambda _: None), wat(pages=8))
    assert guest.load_by_name(b"net") == 0
    context = guest.context_of(guest.u32())
    assert guest.set_input(context, pixels.tobytes(), pixels.shape, TensorType.U8) == 0, guest.reports
    assert guest.call("compute", context) == 0, guest.reports
    scores = np.frombuffer(guest.output(context), np.float32)
    classes = np.frombuffer(guest.output(context, 1), np.int32)
    assert (len(scores), classes[0]) == (5, ESPRESSO)
    assert (np.diff(scores) <= 0).all()


# What each step means, by hand on a model that gives back what it is given.

PIXELS = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
"""Four pixels: (0, 1, 2), (3, 4, 5), (6, 7, 8), (9, 10, 11)."""


@pytest.mark.parametrize(
    ("words", "planes"),
    [
        ((), [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]),
        (("--rgb2bgr",), [[2, 5, 8, 11], [1, 4, 7, 10], [0, 3, 6, 9]]),
        (("--mean", "1"), [[-1, 2, 5, 8], [0, 3, 6, 9], [1, 4, 7, 10]]),
        (("--mean", "-1,0,2"), [[1, 4, 7, 10], [1, 4, 7, 10], [0, 3, 6, 9]]),
        (("--mean=-1,0,2",), [[1, 4, 7, 10], [1, 4, 7, 10], [0, 3, 6, 9]]),
        (("--scale", "2"), [[0, 1.5, 3, 4.5], [0.5, 2, 3.5, 5], [1, 2.5, 4, 5.5]]),
        (
            ("--scale", "1,1,2", "--mean", "2,0,0", "--rgb2bgr"),
            [[0, 3, 6, 9], [1, 4, 7, 10], [0, 1.5, 3, 4.5]],
        ),
    ],
)
def test_steps_are_in_one_order_whatever_that_of_the_options(
    words: tuple[str, ...], planes: list[list[float]], convert: Convert
) -> None:
    """Layout, channels, mean, scale: the last two for the channels in the model's own order."""
    convert(convert.picture(), "--u8-input", "--layout", "nhwc", *words)
    (found,) = convert.run(PIXELS)
    assert found.tolist() == np.ravel(planes).tolist()


def test_a_larger_picture_is_resized_bilinearly(convert: Convert) -> None:
    convert(convert.picture((1, 1, 1, 2)), "--layout", "nhwc:nchw", "--resize", "2,4")
    (found,) = convert.run(np.array([[0, 1, 2, 3], [4, 5, 6, 7]], np.float32).reshape(1, 2, 4, 1))
    assert found.tolist() == [2.5, 4.5]


def test_a_model_with_its_own_nhwc_is_not_transposed(convert: Convert) -> None:
    """What is asked for is the guest's layout; what the model has its shape tells."""
    said = convert(convert.picture((1, 2, 2, 3)), "--layout", "nhwc", "--u8-input", "--mean", "0,1,2")
    assert "nchw" not in said
    assert convert.run(PIXELS)[0].tolist() == [0, 0, 0, 3, 3, 3, 6, 6, 6, 9, 9, 9]


def test_a_layout_that_the_model_says_counts_more_than_its_lengths(convert: Convert) -> None:
    """A model that was converted is converted again, without saying it again."""
    first = convert(convert.picture((1, 3, 3, 3)), "--layout", "nchw:nhwc")
    assert "from nchw to nhwc" in first
    out = str(convert.folder / "again.xml")
    assert "from nhwc to nchw" in convert(convert.folder / "out.xml", "--layout", "nhwc", "-o", out)
    pixels = np.arange(27, dtype=np.float32).reshape(1, 3, 3, 3)
    assert convert.run(pixels, name="again.xml")[0].tolist() == list(range(27))


@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_arithmetic_is_in_f32_before_a_model_of_another_type(kind: type[Any], convert: Convert) -> None:
    convert(convert.picture(kind=kind), "--u8-input", "--mean", "0.1", "--scale", "3")
    (found,) = convert.run(PIXELS.reshape(1, 3, 2, 2))
    expected = (np.arange(12, dtype=np.float32) - np.float32(0.1)) / np.float32(3)
    assert found.dtype == kind
    assert np.allclose(found, expected.astype(kind), rtol=1e-3 if kind is np.float16 else 1e-6)


def _scores(convert: Convert, *shape: int) -> Path:
    """Write a model of two outputs: the scores `a`, which are its input, and `b`, their double."""
    x = ops.parameter(shape, np.float32)
    a, b = ops.multiply(x, np.float32(1)), ops.multiply(x, np.float32(2))
    for name, node in (("x", x), ("a", a), ("b", b)):
        node.output(0).set_names({name})
    return convert.put_model("scores.xml", [a, b], [x])


def test_top_k_gives_the_best_first_and_of_equals_the_first(convert: Convert) -> None:
    """The indices come last: the other outputs stay at the index that a guest knows them by."""
    convert(_scores(convert, 1, 5), "--top-k", "a=3")
    values, doubles, indices = convert.run(np.array([[1, 7, 3, 7, 5]], np.float32))
    assert (values.tolist(), indices.tolist()) == ([[7, 7, 5]], [[1, 3, 4]])
    assert indices.dtype == np.int32
    assert 'stable="true"' in (convert.folder / "out.xml").read_text()
    assert doubles.tolist() == [[2, 14, 6, 14, 10]]


@pytest.mark.parametrize("shape", [(1, 4), (1, 4, 1, 1), (2, 4)])
def test_softmax_is_along_the_last_axis_with_more_than_one_score(
    shape: tuple[int, ...], convert: Convert
) -> None:
    convert(_scores(convert, *shape), "--softmax=b")
    plain, made = convert.run(np.log(np.ones(shape, np.float32) * 3))
    assert np.allclose(plain, np.log(3))
    assert np.allclose(made, 0.25)
    assert made.shape == shape


def test_softmax_leaves_the_pictures_of_a_batch_apart(convert: Convert) -> None:
    convert(_scores(convert, -1, 2, 1), "--softmax=a")
    made, _ = convert.run(np.log(np.array([[[1], [3]], [[9], [1]]], np.float32)))
    assert np.allclose(made[..., 0], [[0.25, 0.75], [0.9, 0.1]])


@pytest.mark.parametrize("shape", [(-1, 1), (-1,), (-1, 1, 1)])
@pytest.mark.parametrize("option", ["--softmax=a", "--top-k a=1"])
def test_a_batch_of_any_size_is_no_scores(shape: tuple[int, ...], option: str, convert: Convert) -> None:
    """Else each answer would depend on the others of its batch."""
    told = convert.error(_scores(convert, *shape), *option.split())
    assert "is one number, not many scores, for each of a batch" in told
    assert "give a `--shape`" in told


def test_scores_along_the_first_dimension_have_a_length(convert: Convert) -> None:
    convert(_scores(convert, -1, 1), "--shape", "2,1", "--softmax=a")
    made, _ = convert.run(np.log(np.array([[1], [3]], np.float32)))
    assert np.allclose(made, [[0.25], [0.75]])


def _ending_in(convert: Convert, x: Any, *nodes: Any) -> Path:  # noqa: ANN401 - untyped, as all of OpenVINO
    """Write a model of the parameter `x` whose outputs are `nodes`, named `y0`, `y1`, ..."""
    for index, node in enumerate(nodes):
        node.output(0).set_names({f"y{index}"})
    return convert.put_model("ending.xml", list(nodes), [x])


@pytest.mark.parametrize("last", ["softmax", "reshape", "squeeze", "transpose", "convert"])
def test_softmax_is_not_applied_twice(last: str, convert: Convert) -> None:
    x = ops.parameter([1, 4, 1, 1], np.float32)
    made = ops.softmax(x, 1)
    source = _ending_in(
        convert,
        x,
        {
            "softmax": lambda: made,
            "reshape": lambda: ops.reshape(made, np.array([1, 4]), special_zero=False),
            "squeeze": lambda: ops.squeeze(made, np.array([2, 3])),
            "transpose": lambda: ops.transpose(made, np.array([0, 2, 3, 1])),
            "convert": lambda: ops.convert(made, "f64"),
        }[last](),
    )
    assert "`--softmax`: the output `y0` is a softmax already" in convert.error(source, "--softmax")
    convert(source, "--top-k", "2")


def test_what_is_computed_of_a_softmax_is_none(convert: Convert) -> None:
    """Nor is what is left of a logarithm of one."""
    x = ops.parameter([1, 4], np.float32)
    made = ops.softmax(x, 1)
    source = _ending_in(convert, x, ops.multiply(made, np.float32(3)), ops.log_softmax(x, 1), made)
    convert(source, "--softmax=y0", "--softmax=y1")
    assert "`y2` is a softmax already" in convert.error(source, "--softmax=y2", "--force")


@pytest.mark.parametrize("text", ["0.00392156862745098", "1e-3", "1.5E+2", "-.5", "12345678901", "1e38"])
def test_every_number_of_f32_is_taken(text: str, convert: Convert) -> None:
    convert(convert.picture((1, 1, 1, 1)), f"--mean={text}")
    assert convert.run(np.zeros([1, 1, 1, 1], np.float32))[0].tolist() == [-np.float32(text)]


def test_softmax_and_top_k_of_an_output_that_is_the_input_keep_the_inputs_name(convert: Convert) -> None:
    x = ops.parameter([1, 3], np.float32)
    x.output(0).set_names({"x"})
    source = convert.put_model("through.xml", [ops.result(x), ops.result(ops.add(x, x))], [x])
    facts = json.loads(convert(source, "--softmax=0", "--top-k", "0=1", "--json"))
    assert facts["inputs"][0]["after"]["name"] == "x"
    assert [facts["outputs"][at]["after"]["name"] for at in (0, 2)] == ["x_changed", "x_changed_indices"]
    best, doubles, index = convert.run(np.array([[0, 100, 0]], np.float32))
    assert (best.tolist(), doubles.tolist(), index.tolist()) == ([[1]], [[0, 200, 0]], [[1]])


# Formats.


def _saved_model() -> bytes:
    """Return a SavedModel without variables: the tag `serve` and the graph of y = x + [10, 20]."""
    return field(1, 1) + field(2, field(1, field(4, "serve")) + field(2, models.tensorflow()))


FORMATS: dict[str, tuple[bytes, ...]] = {
    "m.xml": models.ir(openvino.Model([ops.add(p := ops.parameter([2], np.float32),
                       ops.constant(np.array([10, 20], np.float32)))], [p], "add")),
    "m.onnx": (models.onnx(models.tensor("c", f32(10, 20))),),
    "m.tflite": (models.tflite(),),
    "m.pb": (models.tensorflow(),),
    "m.pdmodel": models.paddle(),
    "saved/saved_model.pb": (_saved_model(),),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("is_folder", [False, True])
def test_every_format_is_converted(name: str, is_folder: bool, convert: Convert) -> None:  # noqa: FBT001 - a case
    path = convert.put(name if "/" in name else f"model{Path(name).suffix}", *FORMATS[name])
    out = convert.folder / "results" / "out.xml"
    out.parent.mkdir()
    said = json.loads(convert(path.parent if is_folder else path, "-o", str(out), "--json"))
    assert said["check"]["differences"][0]["relative"] <= TOLERANCE
    assert run(out, np.array([1, 2], np.float32))[0].tolist() == [11, 22]


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("none.onnx", None, "`{}` does not exist"),
        ("empty.onnx", b"", "no onnx"),
        ("text.onnx", b"hello", "no onnx"),
        ("torn.xml", models.add_constant(1)[0][:100], "torn.xml"),
        ("m.tflite", models.onnx(models.tensor("c", f32(1, 2))), "it looks like onnx"),
        ("m.pt", b"PK\3\4" + bytes(100), "torch.onnx.export"),
        ("m.zip", b"PK\3\4" + bytes(100), "torch.onnx.export"),
        ("m.gguf", b"GGUF" + bytes(100), "OpenVINO IR or ONNX"),
        ("m.keras", b"PK\3\4" + bytes(100), "model.export"),
        ("m.safetensors", b"{}", "weights without a model"),
        ("m.txt", b"hello", "no known model suffix"),
        ("folder/x.txt", b"hello", "exactly one of"),
    ],
)
def test_source_that_is_no_model_is_one_line(
    name: str, data: bytes | None, says: str, convert: Convert
) -> None:
    path = convert.folder / name
    if data is not None:
        convert.put(name, data)
    source = path.parent if name.startswith("folder") else path
    assert says.format(path) in convert.error(source)


def test_source_without_its_weights_is_one_line(convert: Convert) -> None:
    path = convert.put("net.xml", models.add_constant(1)[0])
    assert "`net.bin` is missing" in convert.error(path)


# Where the result goes.


def test_nothing_is_overwritten_unless_forced(convert: Convert) -> None:
    source = convert.put("net.xml", *models.double([1, 2]))
    out = convert.put("out.xml", b"precious")
    assert "`--force`" in convert.error(source)
    out.rename(out.with_suffix(".bin"))
    assert "out.bin` exists" in convert.error(source)
    convert(source, "--force")
    assert convert.run(np.ones([1, 2], np.float32))[0].tolist() == [[2, 2]]
    assert {path.name for path in convert.folder.iterdir()} == {"net.xml", "net.bin", "out.xml", "out.bin"}


@pytest.mark.parametrize(
    ("out", "says"),
    [
        ("out", "does not end in `.xml`"),
        ("out.onnx", "does not end in `.xml`"),
        ("nowhere/out.xml", "nowhere` does not exist"),
        ("net.xml", "is a file of the model to convert"),
        ("./x/../net.xml", "is a file of the model to convert"),
        ("folder.xml", "is a folder"),
    ],
)
@pytest.mark.parametrize("force", [(), ("--force",)])
def test_result_that_cannot_go_there_is_one_line(
    out: str, says: str, force: tuple[str, ...], convert: Convert
) -> None:
    source = convert.put("net.xml", *models.double([1, 2]))
    (convert.folder / "folder.xml").mkdir()
    (convert.folder / "x").mkdir()
    assert says in convert.error(source, "-o", str(convert.folder / out), *force)


def test_weights_of_the_source_are_not_overwritten_either(convert: Convert) -> None:
    """A link to the model is the model."""
    source = convert.put("net.xml", *models.add_constant(1))
    (convert.folder / "out.bin").symlink_to(convert.folder / "net.bin")
    assert "is a file of the model to convert" in convert.error(source, "--force")


@pytest.mark.parametrize("limit", [1, 40])
def test_full_disk_leaves_what_was_there(limit: int, convert: Convert) -> None:
    """Of a result that would not fit, be it the XML or the weights, nothing is left."""
    x = ops.parameter([1, 30000], np.float32)
    big = ops.add(x, ops.constant(np.arange(30000, dtype=np.float32)[None]))
    source = convert.put_model("net.xml", [big], [x])
    convert.put("out.xml", b"precious")
    before = convert.contents()
    words = ["convert", str(source), "-o", str(convert.folder / "out.xml"), "--force"]
    shell = ["sh", "-c", f'ulimit -f {limit}; exec "$@"', "sh", sys.executable, "-m", "host", *words]
    done = subprocess.run(shell, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "disk full" in done.stderr
    assert convert.contents() == before


def test_result_that_cannot_be_put_in_place_whole_is_taken_back(convert: Convert) -> None:
    """Its weights were in place already."""
    target = Target(convert.put("out.xml", b"precious", b"weights"), is_forced=True)
    before = convert.contents()
    with pytest.raises(FileNotFoundError), made_beside(target) as path:
        path.with_suffix(".bin").write_bytes(b"new")
    assert convert.contents() == before


def test_what_appears_meanwhile_is_not_overwritten(convert: Convert) -> None:
    target = Target(convert.folder / "out.xml", is_forced=False)
    with pytest.raises(ConvertError, match="--force"), made_beside(target):
        convert.put("out.bin", b"precious")
    assert convert.contents() == {convert.folder / "out.bin": b"precious"}


def test_the_same_conversion_gives_the_same_bytes(convert: Convert) -> None:
    """In another process, and under another name."""
    source = convert.picture()
    for name in ("one", "two"):
        words = [
            str(source),
            "-o",
            str(convert.folder / f"{name}.xml"),
            "--u8-input",
            "--fp16",
            "--mean",
            "1",
        ]
        subprocess.run([sys.executable, "-m", "host", "convert", *words], capture_output=True, check=True)
    for suffix in (".xml", ".bin"):
        one, two = (convert.folder / f"{name}{suffix}" for name in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


# Options that do not fit the model.


def _two(convert: Convert) -> Path:
    """Write a model of two inputs and one output: i32 `n` and f32 `x`."""
    n, x = ops.parameter([1, 2], np.int32), ops.parameter([-1, 3, 9, 9], np.float32)
    n.output(0).set_names({"n"})
    x.output(0).set_names({"x"})
    both = ops.add(ops.reduce_mean(x, np.array([2, 3])), ops.reduce_sum(ops.convert(n, "f32"), np.array([1])))
    both.output(0).set_names({"y"})
    return convert.put_model("two.xml", [both], [n, x])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--shape 1,3,4,4", "say for which input, as in `--shape n=1,3,4,4`: the model has 2: `n`, `x`"),
        ("--u8-input", "as in `--u8-input=n`"),
        ("--shape z=1,3,4,4", "the model has no input `z`, only `n`, `x`"),
        ("--shape 2=1,3,4,4", "no input `2`"),
        ("--shape x=1,3,4,4 --shape 1=1,3,4,4", "are both for the input `x`"),
        ("--shape x=3,4,4", "has 4 dimensions ([?, 3, 9, 9]), not 3"),
        ("--shape x=1,3,4,0", "no shape"),
        ("--shape x=", "no shape"),
        ("--shape x=1,3,-4,4", "no shape"),
        ("--shape n=1,99999999999", "no shape"),
        ("--u8-input=n", "the input `n` is i32; this is for inputs of f16, f32, f64"),
        ("--mean n=1", "the input `n` is i32"),
        ("--resize n=2,2", "the input `n` is i32"),
        ("--mean x=1,2,3", "needs a `--layout`"),
        ("--resize x=9,9", "add `--layout nhwc`"),
        ("--rgb2bgr=x", "add `--layout nhwc`"),
        ("--layout n=nhwc", "has not the 4 dimensions"),
        ("--layout x=nwhc", "no layout"),
        ("--layout x=nhwc:", "no layout"),
        ("--layout x=nhwc --mean x=1,2", "has 3 channels, not 2"),
        ("--layout x=nhwc --scale x=1,2,3,4", "has 3 channels, not 4"),
        ("--scale x=0", "0 does not divide"),
        ("--scale x=1,-0.0", "0 does not divide"),
        ("--mean x=nan", "no numbers"),
        ("--mean x=1e999", "no numbers"),
        ("--mean x=1e39", "no numbers"),
        ("--mean x=-inf", "no numbers"),
        ("--mean x=0x10", "no numbers"),
        ("--mean x=1e", "no numbers"),
        ("--mean x=", "no numbers"),
        ("--scale x=1e-50", "0 does not divide"),
        ("--mean x=1,,3", "no numbers"),
        ("--layout x=nhwc --resize x=0,5", "no size"),
        ("--layout x=nhwc --resize x=5", "no size"),
        ("--top-k 4", "the output `y` has only 3 scores"),
        ("--top-k 0", "no number of scores"),
        ("--top-k many", "no number of scores"),
        ("--softmax=z", "the model has no output `z`, only `y`"),
        ("--seed -1", "not below 0"),
        ("--seed x", "--seed"),
        ("--frobnicate", "--frobnicate"),
    ],
)
def test_option_that_does_not_fit_is_one_line(words: str, says: str, convert: Convert) -> None:
    assert says in convert.error(_two(convert), *words.split())


@pytest.mark.parametrize(
    ("shape", "words", "says"),
    [
        ((1, 3, 3, 3), "--layout nhwc", "say it too, as in `--layout nhwc:nchw`"),
        ((1, 5, 5, 5), "--layout nhwc", "say it too"),
        ((1, 1, 5, 5), "--layout nchw --rgb2bgr", "has 1 channels, not 3"),
        ((1, -1, 5, 5), "--layout nchw:nchw --rgb2bgr", "no fixed number of channels"),
        ((1, 3, -1, -1), "--layout nchw --resize 5,5", "fix that of the model with `--shape`"),
        ((1, 3, 5, -1), "--top-k 5", "give a `--shape`"),
        ((1, 1, 1, 1), "--softmax", "one number"),
    ],
)
def test_picture_that_does_not_fit_is_one_line(
    shape: tuple[int, ...], words: str, says: str, convert: Convert
) -> None:
    assert says in convert.error(convert.picture(shape), *words.split())


def test_shape_is_given_to_a_model_of_any_rank(convert: Convert) -> None:
    x = ops.parameter(openvino.PartialShape.dynamic(), openvino.Type.f32)
    source = convert.put_model("net.xml", [ops.relu(x)], [x])
    assert "`--no-check`" in convert.error(source)
    assert "no fixed number of dimensions" in convert.error(source, "--top-k", "2")
    convert(source, "--shape", "1,3", "--top-k", "2")
    assert convert.run(np.array([[-1, 2, 1]], np.float32))[0].tolist() == [[2, 1]]


def test_shape_that_the_model_does_not_take_is_one_line(convert: Convert) -> None:
    source = convert.put("net.xml", *models.subtract([1, 2]))
    assert "does not take that" in convert.error(source, "--shape", "0=1,3", "--shape", "1=1,4")


def test_missing_arguments_are_one_line(capsys: CaptureFixture[str]) -> None:
    for words in ([], ["net.onnx"], ["-o", "out.xml"]):
        assert cli.main(["convert", *words]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_a_flag_does_not_take_the_source_for_its_name(convert: Convert) -> None:
    out = str(convert.folder / "out.xml")
    assert cli.main(["convert", "--u8-input", str(convert.picture()), "-o", out]) == 0


def test_options_reach_the_input_they_name(convert: Convert) -> None:
    convert(_two(convert), "--shape", "x=1,3,8,8", "--u8-input=1", "--layout", "x=nhwc", "--scale", "x=2")
    (found,) = convert.run(np.array([[1, 2]], np.int32), np.full([1, 8, 8, 3], 10, np.uint8))
    assert found.tolist() == [[8, 8, 8]]


# What is said, and the check.


def test_json_says_what_changed_and_what_was_written(convert: Convert) -> None:
    source = _scores(convert, 1, 5)
    facts = json.loads(convert(source, "--u8-input", "--top-k", "a=2", "--seed", "7", "--json"))
    assert facts["inputs"] == [
        {
            "index": 0,
            "before": {"name": "x", "type": "f32", "shape": "[1, 5]", "layout": None},
            "after": {"name": "x", "type": "u8", "shape": "[1, 5]", "layout": None},
            "steps": ["from u8 to f32"],
        }
    ]
    assert [each["after"]["name"] for each in facts["outputs"]] == ["a", "b", "a_indices"]
    assert facts["outputs"][2]["before"] is None
    assert facts["check"]["seed"] == 7
    for each in facts["files"]:
        assert Path(each["file"]).stat().st_size == each["size"]


def test_fp16_halves_the_weights(convert: Convert) -> None:
    x = ops.parameter([1, 5000], np.float32)
    values = ops.constant(np.linspace(-1, 1, 5000, dtype=np.float32)[None])
    source = convert.put_model("net.xml", [ops.add(x, values)], [x])
    convert(source, "--fp16")
    assert 10_000 <= (convert.folder / "out.bin").stat().st_size < 10_100
    assert source.with_suffix(".bin").stat().st_size >= 20_000


def _lost_in_f16(convert: Convert) -> Path:
    """Write a model of y = x * w - x, of whose w f16 has nothing but the 1."""
    x = ops.parameter([2], np.float32)
    scaled = ops.multiply(x, ops.constant(np.full(2, 1 + 2**-12, np.float32)))
    return convert.put_model("net.xml", [ops.subtract(scaled, x)], [x])


def test_result_that_differs_is_not_written(convert: Convert) -> None:
    source = _lost_in_f16(convert)
    told = convert.error(source, "--fp16", code=1)
    assert "the result differs from its source" in told
    assert "seed 0" in told
    convert(source)
    assert "left out" in convert(source, "--fp16", "--no-check", "--force")


def test_result_that_differs_leaves_what_was_there(convert: Convert) -> None:
    source = _lost_in_f16(convert)
    convert.put("out.xml", b"precious", b"weights")
    convert.error(source, "--fp16", "--force", code=1)


@pytest.mark.parametrize("operation", ["sqrt", "exp"])
def test_source_that_gives_no_number_is_nothing_to_compare_with(operation: str, convert: Convert) -> None:
    """All that it gives is NaN, or infinite; a result of any other weights would give it, too."""
    x = ops.parameter([1, 3], np.float32)
    far = ops.add(ops.multiply(x, x), np.float32(1000))
    bad = ops.sqrt(ops.negative(far)) if operation == "sqrt" else ops.exp(far)
    source = _ending_in(convert, x, ops.add(x, x), bad)
    told = convert.error(source, "--seed", "3")
    assert "the source gives no number at `y1` on random input of seed 3" in told
    assert "`--no-check`" in told
    convert(source, "--no-check")


def test_source_that_gives_some_numbers_or_an_empty_list_is_checked(convert: Convert) -> None:
    x = ops.parameter([1, 100], np.float32)
    empty = ops.variadic_split(x, np.int64(1), np.array([0, 100])).output(0)
    source = _ending_in(convert, x, ops.sqrt(x), ops.result(empty))
    assert [each["absolute"] for each in json.loads(convert(source, "--json"))["check"]["differences"]] == [
        0,
        0,
    ]


def test_input_too_large_for_the_check_is_not_made_up(convert: Convert) -> None:
    source = convert.picture((-1, 3, 5, 5))
    words = ("--layout", "nhwc", "--resize", "99999,99999")
    said = convert.error(source, *words)
    assert "is too large" in said
    assert "`--no-check`" in said
    convert(source, *words, "--no-check")


@pytest.mark.parametrize(
    "model", [models.boolean(), models.double([2], "uint8"), models.double([2], "int64")]
)
def test_integers_and_booleans_are_checked(model: models.IR, convert: Convert) -> None:
    said = json.loads(convert(convert.put("net.xml", *model), "--json"))
    assert said["check"]["differences"][0]["absolute"] == 0


def test_model_that_the_check_cannot_run_says_how_to_go_on(convert: Convert) -> None:
    source = convert.put("net.xml", *models.reshape())
    assert "`--no-check`" in convert.error(source)
    convert(source, "--no-check")
    convert(source, "--shape", "4", "--force")


PORT = Port(0, ("x",), "f32", (1, 3, 2, 2), "[1, 3, 2, 2]")
FULL = InputPlan(PORT, "nhwc", "nchw", True, (5, 3), (2, 2), True, (1.0, 20.0, 40.0), (2.0, 3.0, 4.0))  # noqa: FBT003 - a plan
WRONG = {
    "mean": InputPlan(PORT, "nhwc", "nchw", True, (5, 3), (2, 2), True, (1.0, 20.0, 41.0), FULL.scale),  # noqa: FBT003 - see above
    "scale": InputPlan(PORT, "nhwc", "nchw", True, (5, 3), (2, 2), True, FULL.mean, (2.0, 3.0, 4.1)),  # noqa: FBT003 - see above
    "channels": InputPlan(PORT, "nhwc", "nchw", True, (5, 3), (2, 2), False, FULL.mean, FULL.scale),  # noqa: FBT003 - see above
}


@pytest.mark.parametrize("step", WRONG)
def test_check_notices_each_step_that_is_wrong(step: str, convert: Convert) -> None:
    source = convert.picture()
    words = "--layout nhwc --u8-input --resize 5,3 --rgb2bgr --mean 1,20,40 --scale 2,3,4"
    convert(source, *words.split())
    core = openvino.Core()
    pair = core.read_model(source), core.read_model(convert.folder / "out.xml")
    (right,) = compare(core, pair, (FULL,), (), 0)
    assert right.relative <= TOLERANCE
    (wrong,) = compare(core, pair, (WRONG[step],), (), 0)
    assert wrong.relative > TOLERANCE


@pytest.mark.parametrize(("axis", "has_softmax"), [(0, True), (1, False)])
def test_check_notices_a_wrong_softmax(axis: int, has_softmax: bool, convert: Convert) -> None:  # noqa: FBT001 - a case
    source = _scores(convert, 2, 4)
    convert(source, "--softmax=a")
    core = openvino.Core()
    pair = core.read_model(source), core.read_model(convert.folder / "out.xml")
    port = Port(0, ("a",), "f32", (2, 4), "[2, 4]")
    plan = OutputPlan(port, axis, has_softmax, None)
    differences = compare(core, pair, (InputPlan(port),), (plan,), 0)
    assert differences[0].relative > TOLERANCE
    assert differences[1].relative <= TOLERANCE


def test_preparation_by_hand_is_that_of_numpy() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    plan = InputPlan(PORT, "nhwc", "nchw", is_u8=True, is_reversed=True, mean=(104, 117, 123))
    assert np.array_equal(prepared(pixels, plan), _by_hand(pixels))


def test_the_page_shows_the_help_that_there_is(capsys: CaptureFixture[str]) -> None:
    """Every option is on the page."""
    assert cli.main(["convert", "--help"]) == 0
    options = set(re.findall(r"--[a-z0-9-]+", capsys.readouterr().out)) - {"--help"}
    page = (ROOT / "docs" / "convert.md").read_text(encoding="utf-8")
    assert len(options) > 10
    assert [option for option in sorted(options) if f"`{option}`" not in page] == []
