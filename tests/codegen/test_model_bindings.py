"""`wasinn-gen model`: what it writes compiles everywhere, runs, and notices another model."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import openvino  # type: ignore[import-untyped]  # the wheel has stubs but no py.typed
import pytest
from openvino import opset13 as ops

from codegen.bindings import c, generate
from codegen.bindings.model import Model, model_name, port_identifiers
from codegen.cli import main
from tests.codegen import corpus
from tests.codegen.bound import HOSTILE, bind, c_guest, named, plus, run, save
from tests.host import models

ROOT = Path(__file__).resolve().parents[2]

C_RUN = """#include "m.h"
int main(void) {
  wasi_nn_graph_t graph;
  wasi_nn_graph_execution_context_t context;
  wasi_nn_file_error_t wrong;
  wasi_nn_errno_t error = m_load_file_malloc(FILES, WASI_NN_EXECUTION_TARGET_CPU, &graph, &wrong);
  if (wrong.path) return printf("wrong %s %d %d\\n", wrong.path, wrong.code, error) < 0;
  m_input_PORT[0] = 1;
  m_input_PORT[1] = 2;
  if (!error) error = wasi_nn_init_execution_context(graph, &context);
  if (!error) error = m_set_PORT(context, m_input_PORT);
  if (!error) error = wasi_nn_compute(context);
  if (!error) error = m_get_OUT(context, m_output_OUT);
  printf("%d %g %g\\n", error, (double)m_output_OUT[0], (double)m_output_OUT[1]);
  return 0;
}
"""
IR_FILES = '"models/m.xml", "models/m.bin"'


def program(files: str, port: str, out: str) -> str:
    return C_RUN.replace("FILES", files).replace("PORT", port).replace("OUT", out)


@pytest.fixture
def ir_guest(tmp_path: Path) -> Path:
    """Return a guest bound to the IR of y = x + 10, which is beside it."""
    bind(save(tmp_path, plus(10), "m"), tmp_path)
    return c_guest(tmp_path, program(IR_FILES, "x", "y"))


def test_a_guest_in_c_runs_the_ir_it_is_bound_to(ir_guest: Path) -> None:
    done = run(ir_guest, ir_guest.parent)
    assert (done.stdout, done.stderr) == ("0 11 12\n", "")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("m.onnx", models.onnx(models.tensor("c", struct.pack("<2f", 10, 20)))),
        ("m.tflite", models.tflite()),
    ],
    ids=["onnx", "tflite"],
)
def test_a_guest_in_c_runs_a_model_of_one_file(name: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    bind(tmp_path / name, tmp_path, "--lang", "c")
    done = run(c_guest(tmp_path, program(f'"models/{name}"', "x", "y")), tmp_path)
    assert (done.stdout, done.stderr) == ("0 11 22\n", "")


@pytest.mark.parametrize("suffix", [".xml", ".bin"])
def test_another_model_is_noticed_at_load_and_its_file_named(ir_guest: Path, suffix: str) -> None:
    path = ir_guest.with_name("m.xml").with_suffix(suffix)
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    done = run(ir_guest, ir_guest.parent)
    assert (done.stdout, done.stderr) == (f"wrong models/m{suffix} 0 1\n", "")


def test_a_model_that_is_not_there_is_no_other_model(ir_guest: Path) -> None:
    ir_guest.with_name("m.bin").unlink()
    code = int(run(ir_guest, ir_guest.parent).stdout.removeprefix("wrong models/m.bin ").split()[0])
    assert code != 0


def test_a_named_model_is_held_to_the_hash_in_the_header(tmp_path: Path) -> None:
    model = save(tmp_path, plus(10), "m")
    bind(model, tmp_path, "--lang", "c")
    (option,) = re.findall(r"`--graph=(m=\S+)`", (tmp_path / "m.h").read_text())
    option = option.replace("m.xml", str(model))
    text = """#include "m.h"
int main(void) {
  wasi_nn_graph_t graph;
  printf("%d\\n", wasi_nn_load_named("m", &graph));
  return 0;
}
"""
    guest = c_guest(tmp_path, text)
    assert run(guest, tmp_path, "--graph", option).stdout == "0\n"
    save(tmp_path, plus(11), "m")
    assert run(guest, tmp_path, "--graph", option).stdout != "0\n"


DYNAMIC = """#include "m.h"
int main(void) {
  static float data[12], out[12];
  wasi_nn_graph_t graph;
  wasi_nn_graph_execution_context_t context = 0;
  wasi_nn_errno_t error = m_load_file_malloc(
      "models/m.xml", "models/m.bin", WASI_NN_EXECUTION_TARGET_CPU, &graph, NULL);
  size_t count = 7;
  data[11] = 4;
  if (!error) error = wasi_nn_init_execution_context(graph, &context);
  if (!error) error = m_set_x(context, 2, 2, data, 12);
  if (!error) error = wasi_nn_compute(context);
  if (!error) error = m_get_x(context, out, 12, &count);
  printf("%d %d %g\\n", error, (int)count, (double)out[11]);
  printf("%d\\n", m_set_x(context, 2, 3, data, 12));
  printf("%d\\n", m_set_x(context, 4, 1, data, SIZE_MAX));
  printf("%d ", m_get_x(context, out, 11, &count));
  printf("%d\\n", (int)count);
  printf("%d\\n", m_get_x(context, out, 12, NULL));
  return 0;
}
"""


def test_dynamic_dimensions_are_parameters_in_c(tmp_path: Path) -> None:
    bind(save(tmp_path, named(("x",), (-1, 3, -1)), "m"), tmp_path, "--lang", "c")
    done = run(c_guest(tmp_path, DYNAMIC), tmp_path)
    assert done.stdout == "0 12 8\n1\n1\n7 0\n1\n"


def test_an_input_of_any_rank_takes_its_shape(tmp_path: Path) -> None:
    """Compiled only: OpenVINO's CPU device, which the tests have, runs no such model."""
    text = (
        DYNAMIC
        .replace("m_set_x(context, 2, 2,", "m_set_x(context, shape, 2,")
        .replace("m_set_x(context, 2, 3,", "m_set_x(context, shape, 1,")
        .replace("m_set_x(context, 4, 1,", "m_set_x(context, shape, 2,")
        .replace("size_t count", "static const uint32_t shape[] = {4, 3};\n  size_t count")
    )  # fmt: skip
    bind(save(tmp_path, named(("x",), None), "m"), tmp_path, "--lang", "c")
    c_guest(tmp_path, text)


ELEMENTS = {
    "f16": "float16",
    "f32": "float32",
    "f64": "float64",
    "u8": "uint8",
    "i32": "int32",
    "i64": "int64",
}


def test_every_element_type_has_functions_and_buffers(tmp_path: Path) -> None:
    """In one guest: so bindings to several models can be included together."""
    lines = []
    for type_, dtype in ELEMENTS.items():
        bind(save(tmp_path, named(("x",), (3,), dtype), type_), tmp_path, "--lang", "c")
        lines.append(f"""
  error = {type_}_load_file_malloc("models/{type_}.xml", "models/{type_}.bin", 0, &graph, NULL);
  {type_}_input_x[2] = 3;
  if (!error) error = wasi_nn_init_execution_context(graph, &context);
  if (!error) error = {type_}_set_x(context, {type_}_input_x);
  if (!error) error = wasi_nn_compute(context);
  if (!error) error = {type_}_get_x(context, {type_}_output_x);
  printf("%d %g %d\\n", error, (double){type_}_output_x[2], (int)sizeof {type_}_output_x);""")
    includes = "".join(f'#include "{type_}.h"\n' for type_ in ELEMENTS)
    text = f"""{includes}
int main(void) {{
  wasi_nn_graph_t graph;
  wasi_nn_graph_execution_context_t context;
  wasi_nn_errno_t error;
{"".join(lines)}
  return 0;
}}
"""
    done = run(c_guest(tmp_path, text), tmp_path)
    assert (done.stdout, done.stderr) == ("0 6 6\n0 6 12\n0 6 24\n0 6 3\n0 6 12\n0 6 24\n", "")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the bindings to a model whose ports have hostile names."""
    folder = tmp_path_factory.mktemp("hostile")
    bind(save(folder, named(HOSTILE), "hostile"), folder)
    return folder


@pytest.mark.parametrize("standard", ["c99", "c11", "c17", "c23", "c++17"])
def test_no_name_of_a_port_breaks_c(hostile: Path, standard: str, tmp_path: Path) -> None:
    shutil.copy(hostile / "hostile.h", tmp_path)
    checks = "".join(
        f"  if (strcmp({macro}, {c.literal(name)}) != 0) return {number + 1};\n"
        for number, (macro, name) in enumerate(zip(_names(hostile / "hostile.h"), HOSTILE, strict=True))
    )
    text = f'#include "hostile.h"\n#include "hostile.h"\nint main(void) {{\n{checks}  return 0;\n}}\n'
    done = run(c_guest(tmp_path, text, f"-std={standard}"), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def _names(header: Path) -> list[str]:
    return re.findall(r"^#define (HOSTILE_INPUT_\w+_NAME) ", header.read_text(), re.MULTILINE)


def test_generated_text_is_free_of_what_drives_a_terminal(hostile: Path) -> None:
    for suffix in (".h", ".rs"):
        text = (hostile / f"hostile{suffix}").read_text(encoding="utf-8")
        assert all(character.isprintable() or character == "\n" for character in text)


def test_a_c_literal_is_the_bytes_of_the_name() -> None:
    assert c.literal('a"\\?\n\u00fc\x7f1') == r'"a\042\134\077\012\303\274\1771"'


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("squeezenet1.0", "squeezenet1_0"),
        ("int", "model_int"),
        ("fn", "model_fn"),
        ("math", "model_math"),
        ("std", "model_std"),
        ("wasi_nn", "model_wasi_nn"),
        ("3d", "model_3d"),
        ("\u00fc", "xfc"),
        ("../../etc/x", "etc_x"),
    ],
)
def test_a_model_is_called_what_no_compiler_minds(name: str, expected: str) -> None:
    assert model_name(name) == expected


def test_no_bindings_are_called_like_a_header_of_the_c_library() -> None:
    """They would be read in its place, and nothing in their folder would compile."""
    include = Path(corpus.wasi_clang()).parents[1] / "share/wasi-sysroot/include"
    found = {
        path.stem for folder in (".", "*", "c++/v1", "*/c++/v1") for path in include.glob(f"{folder}/*.h")
    }
    assert found >= {"stdio", "features", "wchar"}
    assert [name for name in sorted(found) if model_name(name) == name] == []


@pytest.mark.parametrize("name", ["features", "wasm-simd128"])
def test_a_model_called_like_a_header_of_c_compiles(name: str, tmp_path: Path) -> None:
    bind(save(tmp_path, plus(10), name), tmp_path, "--lang", "c")
    (header,) = tmp_path.glob("*.h")
    includes = f'#include <stdio.h>\n#include "{header.name}"\n#include "wasi_nn_image.h"\n'
    c_guest(tmp_path, f"{includes}int main(void) {{ return 0; }}\n", "-msimd128")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("y", "y_2", "Y"), ("y", "y_2", "y_3")),
        (("y_2", "y_3", "y", "Y", "Y!"), ("y_2", "y_3", "y", "y_4", "y_5")),
        (("input_1", ""), ("input_1", "input_1_1")),
        (("", "input_0"), ("input_0", "input_0_1")),
    ],
)
def test_a_number_that_is_taken_makes_way_for_the_next(
    names: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    """An underscore behind would make two in a row of constants, which C++ keeps for itself."""
    assert port_identifiers("input", names) == expected


def test_identifiers_of_ports_differ_and_are_short() -> None:
    found = port_identifiers("input", (*HOSTILE, "", ""))
    assert len(set(found)) == len(found) == len(HOSTILE) + 2
    assert all(re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", each) and len(each) <= 52 for each in found)
    assert found[:4] == ("x", "x_1", "x_2", "x_1_3")
    assert found[-1] == f"input_{len(HOSTILE) + 1}"


def test_a_model_named_model_is_called_after_its_folder(tmp_path: Path) -> None:
    (tmp_path / "digits").mkdir()
    save(tmp_path / "digits", models.double([2]), "model")
    bind(tmp_path / "digits", tmp_path, "--lang", "c")
    assert (tmp_path / "digits.h").exists()


def test_large_buffers_take_no_room_in_the_guest(tmp_path: Path) -> None:
    bind(save(tmp_path, named(("x",), (1, 3, 1000, 1000)), "m"), tmp_path, "--lang", "c")
    text = '#include "m.h"\nint main(void) { return m_set_x(0, m_input_x) == 0; }\n'
    assert c_guest(tmp_path, text).stat().st_size < 20_000


def test_a_model_without_outputs_or_parts_has_bindings_too(tmp_path: Path) -> None:
    empty = Model("m", "onnx", "ONNX", ("m.onnx", "data"), "0" * 64, (), (), ())
    (tmp_path / "m.h").write_text(generate.text(empty, "c"))
    c_guest(tmp_path, '#include "m.h"\nint main(void) { return M_OUTPUTS; }\n')
    assert "fn load" not in generate.text(empty, "rust")


@pytest.mark.parametrize(
    ("ir", "says"),
    [
        (models.boolean(), "has elements of type boolean"),
        (models.double([1 << 20, 1 << 13]), "is larger than a guest's memory"),
        (models.double([-1, 1 << 33]), "is larger than a guest's memory"),
        (models.double([0, 1 << 33]), "is larger than a guest's memory"),
        (models.double([-1, 1 << 30]), "is larger than a guest's memory"),
        (named(("a" * 1001,)), "has a name of 1001 characters"),
    ],
    ids=[
        "boolean",
        "8 GiB",
        "a long dimension",
        "a long dimension of nothing",
        "4 GiB of any",
        "a long name",
    ],
)
def test_a_port_that_has_no_place_in_wasi_nn_is_named(
    ir: models.IR, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["model", str(save(tmp_path, ir, "m")), "-o", str(tmp_path / "out")]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("low", "code"), [(1 << 30, 2), ((1 << 30) - 1, 0)], ids=["4 GiB at least", "less at least"]
)
def test_the_least_size_of_a_range_has_to_fit_in_a_guest(low: int, code: int, tmp_path: Path) -> None:
    x = ops.parameter(openvino.PartialShape([openvino.Dimension(low, 1 << 31)]), np.float32)
    model = save(tmp_path, models.ir(openvino.Model([ops.relu(x)], [x], "m")), "m")
    assert main(["model", str(model), "-o", str(tmp_path)]) == code


def test_all_problems_are_said_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", str(save(tmp_path, models.boolean(), "m"))]) == 2
    said = capsys.readouterr().err
    assert "input 0" in said
    assert "output 0" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.onnx"], "does not exist"),
        (["m.txt"], "no known model suffix"),
        (["m.onnx"], "m.onnx"),
        (["m.xml", "--lang", "cobol"], "no bindings in `cobol`"),
        (["m.xml", "--lang", ""], "no bindings in ``"),
        (["m.xml", "--name", "../"], "needs a letter or digit"),
    ],
)
def test_bad_usage_is_told_and_nothing_written(
    arguments: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    save(tmp_path, models.double([2]), "m")
    for name in ("m.txt", "m.onnx"):
        (tmp_path / name).write_text("no model")
    assert main(["model", *arguments, "-o", "out"]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_check_notices_what_has_drifted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = save(tmp_path, plus(10), "m")
    command = ["model", str(model), "-o", str(tmp_path)]
    assert main([*command, "--check"]) == 1
    assert main(command) == 0
    assert main([*command, "--check"]) == 0
    save(tmp_path, plus(11), "m")
    capsys.readouterr()
    assert main([*command, "--check"]) == 1
    told = capsys.readouterr()
    assert "m.h is stale" in told.err
    assert "-#define M_SHA256" in told.out


def test_a_file_of_somebody_else_is_not_replaced(tmp_path: Path) -> None:
    model = save(tmp_path, models.double([2]), "m")
    (tmp_path / "m.rs").write_text("mine\n")
    assert main(["model", str(model), "-o", str(tmp_path)]) == 2
    assert (tmp_path / "m.rs").read_text() == "mine\n"
    assert not (tmp_path / "m.h").exists()


def test_other_commands_load_neither_the_host_nor_jinja() -> None:
    code = """import sys
from codegen.cli import main
main(["check", "witx/wasi_ephemeral_nn.witx"])
print([name for name in ("host", "jinja2", "openvino", "codegen.bindings") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
