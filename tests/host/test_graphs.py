"""What an operator writes to name models is understood in one way, or refused with what would do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import host
from host.abi import ExecutionTarget, NnErrno
from host.commands import graph_options
from host.console import Parser, UsageError
from host.dialects import Dialect
from host.models import graphs
from host.models.files import SUFFIXES, RegistrationError
from host.models.options import DEVICES, ModelOptions
from host.nn import Session
from tests.host import models
from tests.host.guests import Guest

if TYPE_CHECKING:
    from collections.abc import Callable

    from host.backends.openvino import OpenVino
    from host.models.registry import NamedModel, Registry
    from host.nn import Serving

HASH = "0123456789abcdefABCDEF0123456789abcdef0123456789abcdef0123456789"


LONG = "x" * 5000

HUGE = f"0x{'f' * 6000}"
"""More digits than Python turns into text."""


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pair: models.IR) -> None:
    """Work in a folder with the model `m.xml`, which needs no weights."""
    monkeypatch.chdir(tmp_path)
    Path("m.xml").write_bytes(pair[0])


def _put(*paths: str, data: bytes = b"") -> None:
    for path in map(Path, paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _one(text: str) -> NamedModel:
    return graphs.from_text(text).model


def test_text_without_options_has_the_defaults(tmp_path: Path) -> None:
    entry = graphs.from_text("net=m.xml")
    assert (entry.name, entry.model.path) == ("net", tmp_path / "m.xml")
    assert (entry.model.options, entry.model.fixed, entry.model.sha256) == (ModelOptions(), frozenset(), None)


def test_text_has_every_option() -> None:
    """What the operator gives is fixed: a guest cannot have it otherwise."""
    options = f"device=AUTO:GPU,CPU,precision=bf16,threads=2,hint=throughput,layout=nhwc,sha256={HASH}"
    model = _one(f"net=m.xml,{options}")
    assert model.options == ModelOptions("AUTO:GPU,CPU", "bf16", 2, "throughput", "nhwc")
    assert model.fixed == {"device", "precision", "threads", "hint", "layout"}
    assert model.sha256 == HASH.lower()


@pytest.mark.parametrize("path", ["a,b.onnx", "a=b.onnx", "a,b=c.onnx", "threads=2.onnx", "a, device=X.onnx"])
def test_path_may_hold_commas_and_equal_signs(path: str) -> None:
    _put(path)
    assert Path(str(_one(f"net={path}").path)).name == path
    assert Path(str(_one(f"net={path},threads=2").path)).name == path


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "NAME=MODEL"),
        ("m.xml", "NAME=MODEL"),
        ("=m.xml", "NAME=MODEL"),
        ("net=", "NAME=MODEL"),
        ("net=,threads=2", "NAME=MODEL"),
        ("net=nope.xml", "`nope.xml` does not exist"),
        ("net=m.xml,devise=GPU", "no option `devise`, only device, precision, threads, hint, layout, sha256"),
        ("net=m.xml,devise=GPU,threads=2", "no option `devise`"),
        ("net=m.xml,threads=2,devise=GPU", "no option `devise`"),
        ("net=m.xml,device=CPU,fixed=yes", "no option `fixed`"),
        ("net=m.xml,threads=2,", "`threads`"),
        ("net=m.xml,threads=0", "`threads`"),
        ("net=m.xml,threads=-1", "`threads`"),
        ("net=m.xml,threads=1e3", "`threads`"),
        ("net=m.xml,threads=", "`threads`"),
        ("net=m.xml,threads=1,threads=2", "`threads` is given 2 times"),
        ("net=m.xml,precision=f64", "f32, bf16, f16, auto"),
        ("net=m.xml,layout=NHWC", "nchw, nhwc"),
        ("net=m.xml,device=", "`device`"),
        ("net=m.xml,sha256=abc", "64 hexadecimal digits"),
        (f"net=m.xml,sha256={HASH}0", "64 hexadecimal digits"),
        (f"net=m.xml,sha256={HASH[1:]}g", "64 hexadecimal digits"),
        ("net\0=m.xml", "NUL"),
        (os.fsdecode(b"n\xff=m.xml"), "UTF-8"),
        (os.fsdecode(b"net=\xff.xml"), "UTF-8"),
    ],
)
def test_text_that_makes_no_sense(text: str, says: str) -> None:
    with pytest.raises(RegistrationError) as caught:
        graphs.from_text(text)
    assert says in str(caught.value)
    assert f"`--graph {text}`" in str(caught.value)


@pytest.mark.parametrize(
    ("files", "path", "says"),
    [
        ([], "nope", "does not exist"),
        (["net/labels.txt"], "net", "it holds none"),
        (["net/other.onnx"], "net", "name the model file"),
        (["net/model.xml", "net/model.onnx"], "net", "it holds model.xml and model.onnx"),
        (["net/model.bin"], "net", "it holds none"),
        (["net.bin"], "net.bin", "no known model suffix (.xml, .onnx"),
        (["net"], "net", "no known model suffix"),
        (["net.pdmodel"], "net.pdmodel", "`net.pdiparams` is missing"),
        (["net.xml/model.xml/x"], "net.xml", "it holds none"),
    ],
)
def test_path_without_a_model(files: list[str], path: str, says: str) -> None:
    _put(*files)
    with pytest.raises(RegistrationError) as caught:
        graphs.from_text(f"net={path}")
    assert says in str(caught.value)


def test_weights_that_are_missing_are_told_at_once() -> None:
    """Unless there is nothing in them: an IR without constants needs no `.bin`."""
    _put("net/model.xml", data=models.add_constant(3)[0])
    with pytest.raises(RegistrationError, match=r"`model\.bin` is missing"):
        graphs.from_text("net=net")
    _put("net/model.bin")
    assert Path(str(graphs.from_text("net=net").model.path)).name == "model.xml"


def test_link_keeps_its_name(tmp_path: Path) -> None:
    """In a store where files are called by their hash, only the link tells the format."""
    _put("blobs/3f2a", data=b"")
    Path("model.onnx").symlink_to("blobs/3f2a")
    assert _one("net=model.onnx").path == tmp_path / "model.onnx"


def test_link_to_nothing_does_not_exist() -> None:
    Path("net.onnx").symlink_to("gone")
    with pytest.raises(RegistrationError, match="does not exist"):
        graphs.from_text("net=net.onnx")


def _names(folder: str, notices: list[str] | None = None) -> list[str]:
    heard = [] if notices is None else notices
    return [entry.name for entry in graphs.from_folder(Path(folder), notice=heard.append)]


def test_folder_names_each_file_and_each_folder_with_a_model() -> None:
    _put("d/a.onnx", "d/b.tflite", "d/c/model.xml", "d/c/model.bin", "d/e.f.onnx", "d/README.md", "d/b.bin")
    _put("d/.hidden.onnx", "d/.git/model.xml")
    assert _names("d") == ["a", "b", "c", "e.f"]


def test_folder_without_a_model_in_a_folder_is_passed_over_and_told() -> None:
    _put("d/a.onnx", "d/notes/todo.txt")
    notices: list[str] = []
    assert _names("d", notices) == ["a"]
    (notice,) = notices
    assert "d/notes" in notice


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (["d/README.md"], "no model in it"),
        (["d/a.bin"], "no model in it"),
        (["d/.a.onnx"], "no model in it"),
        (["d/a/model.xml", "d/a/model.onnx"], "must hold exactly one of"),
        (["d"], "Not a directory"),
        ([], "No such file"),
    ],
)
def test_folder_that_makes_no_sense(files: list[str], says: str) -> None:
    _put(*files)
    with pytest.raises(RegistrationError) as caught:
        graphs.from_folder(Path("d"))
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("encoding", "suffix"),
    [("openvino", ".xml"), ("onnx", ".onnx"), ("tensorflow", ".pb"), ("tensorflowlite", ".tflite")],
)
def test_wasmtime_spelling_of_each_encoding(encoding: str, suffix: str) -> None:
    """The name is that of the folder, and other models in it do not matter."""
    _put(*(f"x/net/model{each}" for each in SUFFIXES if each != ".pdmodel"))
    for folder in ("x/net", "x/net/", "./x/../x/net"):
        entry = graphs.from_wasmtime(f"{encoding}::{folder}")
        assert (entry.name, Path(str(entry.model.path)).name) == ("net", f"model{suffix}")


def test_wasmtime_spelling_may_leave_the_encoding_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _put("net/model.tflite")
    monkeypatch.chdir(tmp_path / "net")
    entry = graphs.from_wasmtime("autodetect::.")
    assert (entry.name, Path(str(entry.model.path)).name) == ("net", "model.tflite")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("openvino", "ENCODING::DIR"),
        ("openvino:net", "ENCODING::DIR"),
        ("openvino::", "ENCODING::DIR"),
        ("::net", "openvino, onnx"),
        ("ir::net", "openvino, onnx"),
        ("0::net", "openvino, onnx"),
        ("pytorch::net", "convert"),
        ("openvino::net", "`net/model.xml` does not exist"),
        ("onnx::nope", "`nope` is not a folder"),
        ("onnx::net/model.onnx", "is not a folder"),
        ("onnx::/", "name is empty"),
    ],
)
def test_wasmtime_spelling_that_makes_no_sense(text: str, says: str) -> None:
    _put("net/model.onnx")
    with pytest.raises(RegistrationError) as caught:
        graphs.from_wasmtime(text)
    assert says in str(caught.value)


def _manifest(text: str) -> tuple[graphs.Entry, ...]:
    _put("sub/models.toml", data=text.encode("utf-8", "surrogateescape"))
    return graphs.from_manifest(Path("sub/models.toml"))


def test_manifest_has_paths_of_its_own_and_every_option(tmp_path: Path) -> None:
    _put("sub/a.onnx")
    a, b = _manifest(f"""
        [graphs.a]
        path = "a.onnx"
        [graphs."b,device=c"]
        path = "{tmp_path}/m.xml"
        device = "AUTO:GPU,CPU"
        precision = "f16"
        threads = 3
        hint = "throughput"
        layout = "nhwc"
        sha256 = "{HASH}"
    """)
    assert (a.name, a.model.path, a.model.options) == ("a", tmp_path / "sub" / "a.onnx", ModelOptions())
    assert (b.name, b.model.path) == ("b,device=c", tmp_path / "m.xml")
    assert b.model.options == ModelOptions("AUTO:GPU,CPU", "f16", 3, "throughput", "nhwc")
    assert b.model.sha256 == HASH.lower()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "[graphs.NAME]"),
        ("graphs = 3", "[graphs.NAME]"),
        ("[graphs]", "[graphs.NAME]"),
        ("[graph.a]\npath='../m.xml'", "has `graph`"),
        ("x = 1\n[graphs.a]\npath='../m.xml'", "has `x`"),
        ("[graphs]\na = 'm.xml'", "graph `a`: it must be a table"),
        ("[[graphs.a]]\npath='../m.xml'", "graph `a`: it must be a table"),
        ("[graphs.a]", "graph `a`: `path` is missing"),
        ("[graphs.a]\npath = 3", "graph `a`: `path` must be text"),
        ("[graphs.a]\npath = ''", "graph `a`: `path` must be text"),
        ("[graphs.a]\npath = 'nope.xml'", "graph `a`: model `sub/nope.xml` does not exist"),
        (
            "[graphs.a]\npath = '../m.xml'\ndevise = 'GPU'",
            "graph `a`: there is no option `devise`, only path, device",
        ),
        ("[graphs.a]\npath = '../m.xml'\nthreads = 'many'", "graph `a`: `threads`"),
        ("[graphs.a]\npath = '../m.xml'\nthreads = 1.5", "graph `a`: `threads`"),
        ("[graphs.a]\npath = '../m.xml'\nthreads = true", "graph `a`: `threads`"),
        ("[graphs.a]\npath = '../m.xml'\ndevice = 1", "graph `a`: `device`"),
        ("[graphs.a]\npath = '../m.xml'\nprecision = ['f32']", "graph `a`: `precision`"),
        ("[graphs.a]\npath = '../m.xml'\nsha256 = 5", "graph `a`: `sha256`"),
        ("[graphs.'']\npath = '../m.xml'", "the name is empty"),
        ('[graphs."a\\u0000"]\npath = "../m.xml"', "NUL"),
        ('[graphs.a]\npath = "../m.xml\\u0000"', "NUL"),
        ("[graphs.a]\npath = @\n", "line 2"),
        ("[graphs.a]\n[graphs.a]", "line 2"),
        ("[graphs.a", "is not TOML"),
        (f"[graphs]\na = {HUGE}", "graph `a`: it must be a table with a `path`, not a number that large"),
        (f"[graphs]\na = [{HUGE}]", "graph `a`: it must be a table with a `path`, not a list"),
        (f"[graphs.a]\npath = {HUGE}", "`path` must be text that is not empty, not a number"),
        (f"[graphs.a]\npath = '../m.xml'\nsha256 = {HUGE}", "64 hexadecimal digits"),
        (f"[graphs.a]\npath = '../m.xml'\nthreads = [{HUGE}]", "from 1 to 1024, not a list"),
        (f"[graphs.a]\npath = '../m.xml'\ndevice.x = {HUGE}", "not a dict"),
        (f"[graphs.a]\npath = '../m.xml'\nthreads = {'9' * 6000}", "is not TOML"),
        (f"graphs = {'[' * 20_000}", "nested too deep"),
        ("\udcff", "is not TOML"),
    ],
)
def test_manifest_that_makes_no_sense(text: str, says: str) -> None:
    with pytest.raises(RegistrationError) as caught:
        _manifest(text)
    assert says in str(caught.value)
    assert "sub/models.toml" in str(caught.value)


def test_manifest_that_is_not_there() -> None:
    with pytest.raises(RegistrationError, match=r"`nope\.toml` cannot be read"):
        graphs.from_manifest(Path("nope.toml"))


def _options(*arguments: str) -> tuple[Registry, Serving]:
    parser = Parser("run")
    graph_options.add_to(parser)
    options = parser.parse_args(arguments)
    return graph_options.registry_from(options, lambda _: None), graph_options.serving_from(options)


def test_every_way_adds_to_one_registry() -> None:
    _put("d/dir.onnx", "nn/model.onnx", "t/model.onnx")
    _put("t/m.toml", data=b"[graphs.toml]\npath='model.onnx'")
    registry, _ = _options(
        "--graph", "text=m.xml", "--graph", "again=m.xml", "--graph-dir", "d", "--nn-graph", "onnx::nn",
        "--graphs", "t/m.toml",
    )  # fmt: skip
    assert set(registry.models) == {"text", "again", "dir", "nn", "toml"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--graph", "d=m.xml", "--graph", "d=m.xml"],
        ["--graph", "d=m.xml", "--nn-graph", "onnx::d"],
        ["--graph", "a=m.xml", "--graph-dir", "both"],
        ["--graph-dir", "both"],
        ["--graph-dir", "d", "--graph-dir", "d"],
        ["--graphs", "d.toml", "--graph", "d=m.xml"],
    ],
)
def test_one_name_twice_is_refused_with_both_places(arguments: list[str]) -> None:
    _put("d/model.onnx", "both/a.onnx", "both/a/model.onnx")
    _put("d.toml", data=b"[graphs.d]\npath='m.xml'")
    with pytest.raises(UsageError, match="two models are named `") as caught:
        _options(*arguments)
    assert str(caught.value).count("(`") == 2


def test_nothing_given_is_f32_on_the_devices_of_the_targets() -> None:
    registry, serving = _options()
    assert not registry.models
    assert (serving.options.precision, dict(serving.devices)) == ("f32", dict(DEVICES))


def test_devices_are_mapped_for_models_of_guests_and_for_named_ones() -> None:
    """A named model that says nothing itself runs where the target cpu does."""
    registry, serving = _options(
        "--device-map", "gpu=AUTO:GPU,CPU,tpu=CPU", "--device-map", "cpu=AUTO",
        "--graph", "a=m.xml", "--graph", "b=m.xml,device=CPU",
    )  # fmt: skip
    assert {target: serving.options_for(target).device for target in ExecutionTarget} == {
        ExecutionTarget.CPU: "AUTO",
        ExecutionTarget.GPU: "AUTO:GPU,CPU",
        ExecutionTarget.TPU: "CPU",
    }
    assert [registry.models[name].options.device for name in "ab"] == ["AUTO", "CPU"]


def test_precision_is_for_all_models_that_have_none_of_their_own() -> None:
    """And it is a default only: guests may ask for another unless it is fixed for the model."""
    _put("d/c.onnx")
    registry, serving = _options(
        "--precision", "bf16", "--graph", "a=m.xml", "--graph", "b=m.xml,precision=f32", "--graph-dir", "d"
    )
    assert serving.options_for(ExecutionTarget.GPU).precision == "bf16"
    assert [registry.models[name].options.precision for name in "abc"] == ["bf16", "f32", "bf16"]
    assert [registry.models[name].fixed for name in "abc"] == [set(), {"precision"}, set()]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--device-map", "gpu"], "TARGET=DEVICE"),
        (["--device-map", ""], "TARGET=DEVICE"),
        (["--device-map", "=GPU"], "no target ``"),
        (["--device-map", "npu=NPU"], "no target `npu`, only cpu, gpu, tpu"),
        (["--device-map", "GPU=AUTO"], "no target `GPU`"),
        (["--device-map", "1=AUTO"], "no target `1`"),
        (["--device-map", "gpu="], "`device`"),
        (["--device-map", "gpu=,cpu=CPU"], "`device`"),
        (["--device-map", "gpu=A\nB"], "`device`"),
        (["--device-map", "gpu=CPU,gpu=AUTO"], "mapped already"),
        (["--device-map", "gpu=CPU", "--device-map", "gpu=AUTO"], "mapped already"),
        (["--precision", "f64"], "f32"),
        (["--precision", ""], "f32"),
        (["--graph", "a=nope"], "does not exist"),
        (["--graph", f"a={LONG}"], "cannot be read: File name too long"),
        (["--graph", f"a={LONG},threads=2"], "cannot be read: File name too long"),
        (["--nn-graph", f"onnx::{LONG}"], "cannot be read: File name too long"),
        (["--graph-dir", LONG], "File name too long"),
        (["--graphs", LONG], "cannot be read: File name too long"),
    ],
)
def test_options_that_make_no_sense(arguments: list[str], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        _options(*arguments)
    assert says in str(caught.value)


def test_devices_are_spelled_in_either_case() -> None:
    registry, serving = _options("--device-map", "gpu=auto:gpu,cpu", "--graph", "a=m.xml,device=cpu")
    assert serving.devices[ExecutionTarget.GPU] == "AUTO:GPU,CPU"
    assert registry.models["a"].options.device == "CPU"


def _warnings(backend: Callable[[], OpenVino], pair: models.IR, *arguments: str, target: int) -> list[str]:
    """Return what the operator hears unasked of two models that a guest brings."""
    registry, serving = _options(*arguments)
    warnings: list[str] = []
    dialect = Dialect(warn=warnings.append)
    guest = Guest(Session(backend, registry, lambda _: None, dialect=dialect, serving=serving))
    errnos = [guest.load(pair, target=target) for _ in range(2)]
    assert errnos == [NnErrno.UNSUPPORTED_OPERATION] * 2
    return warnings


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--device-map", "cpu=CPPU"], "on CPPU in f32: no device CPPU here"),
        (["--device-map", "cpu=CPPU", "--precision", "auto"], "on CPPU in auto: no device CPPU here"),
        (["--precision", "f16", "--device-map", "cpu=CPU"], "on CPU in f16: CPU does not compute in f16"),
    ],
)
def test_choice_that_models_of_guests_cannot_have_is_told_unasked_and_once(
    backend: Callable[[], OpenVino], pair: models.IR, arguments: list[str], says: str
) -> None:
    if "f16" in says and any("FP16" in device.capabilities for device in backend().devices()):
        pytest.skip("this machine computes in f16")
    (warning,) = _warnings(backend, pair, *arguments, target=ExecutionTarget.CPU)
    assert says in warning
    assert "for `cpu`" in warning


def test_target_that_the_operator_did_not_map_is_the_guests_affair(
    backend: Callable[[], OpenVino], pair: models.IR
) -> None:
    if any(device.name.startswith("NPU") and device.problem is None for device in backend().devices()):
        pytest.skip("this machine has an NPU")
    arguments = ["--precision", "auto", "--device-map", "cpu=AUTO"]
    assert not _warnings(backend, pair, *arguments, target=ExecutionTarget.TPU)


@pytest.mark.parametrize("arguments", [["--help"], ["--nope"], []])
def test_help_and_usage_errors_load_no_parser_of_models(arguments: list[str]) -> None:
    code = "import sys; from host.cli import main; main(sys.argv[1:]); print(*sys.modules)"
    command = [sys.executable, "-c", code, "run", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=Path(host.__path__[0]).parent
    )
    loaded = done.stdout.splitlines()[-1].split()
    assert "host.commands.graph_options" in loaded
    assert not [name for name in loaded if "guard" in name or name in {"wasmtime", "cffi", "openvino"}]
