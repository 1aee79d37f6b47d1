"""What the C documents show works as it stands: programs compile, commands print what is shown below them."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.guest.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.guest.conftest import Compiler, Runtime

PHOTO_README = ROOT / "examples/photo/README.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(path: Path) -> list[tuple[str, str]]:
    """Return language and text of each fenced block."""
    return [(found[1], found[2]) for found in BLOCK.finditer(path.read_text(encoding="utf-8"))]


def shown() -> list[tuple[str, str]]:
    """Return each command of the photo example with the output printed below it."""
    found = blocks(PHOTO_README)
    assert [language for language, _ in found] == ["sh", "text"] * (len(found) // 2)
    texts = [text for _, text in found]
    return list(zip(texts[::2], texts[1::2], strict=True))


@pytest.mark.parametrize("number", range(len(shown())))
@pytest.mark.usefixtures("model", "photos")
def test_a_command_of_the_photo_example_prints_what_is_shown(
    photo: Path, wasmtime: Runtime, tmp_path: Path, number: int
) -> None:
    command, expected = shown()[number]
    if ".venv/bin/wasmtime" in command:
        assert wasmtime.command  # it is there, or this test has been skipped
    made_here = command.replace("build/guest/photo.wasm", str(photo))
    made_here = made_here.replace("$PWD/build/openvino", str(tmp_path)).replace(
        "build/openvino", str(tmp_path)
    )
    done = subprocess.run(
        ["bash", "-c", f"set -e\n{made_here}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout + done.stderr == expected


@pytest.mark.parametrize("dialect", ["c99", "c++17"])
def test_the_whole_guest_of_the_guide_compiles_and_runs(
    wasi_sdk: Compiler, host: Runtime, model: Path, tmp_path: Path, dialect: str
) -> None:
    (program,) = (text for language, text in blocks(ROOT / "docs/guest-c.md") if language == "c")
    source = tmp_path / ("zeros.cpp" if dialect == "c++17" else "zeros.c")
    source.write_text(program)
    guest = wasi_sdk.build(source, tmp_path / "zeros.wasm", f"-std={dialect}")
    done = host.run(guest, graph=model)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"class \d+: 0\.\d{3}\n", done.stdout)


def test_the_usage_in_the_header_s_overview_compiles(wasi_sdk: Compiler, tmp_path: Path) -> None:
    overview = (ROOT / "guest/c/include/wasi_nn.h").read_text(encoding="utf-8").partition("*/")[0]
    usage = "\n".join(line[3:] for line in overview.splitlines() if line.startswith(" *     "))
    assert "wasi_nn_load_named" in usage
    source = tmp_path / "usage.c"
    source.write_text(f"""#include <wasi_nn.h>
int main(void) {{
  wasi_nn_graph_t graph;
  wasi_nn_graph_execution_context_t context;
  wasi_nn_tensor_t input;
  wasi_nn_buffer_size_t size;
  wasi_nn_score_t best[5];
  size_t best_count = 0;
{usage}
  return best_count != 5;
}}
""")
    wasi_sdk.build(source, tmp_path / "usage.wasm", "-std=c99")


def test_the_makefile_to_copy_makes_a_guest(wasi_sdk: Compiler, tmp_path: Path) -> None:
    (makefile,) = (text for language, text in blocks(ROOT / "guest/c/README.md") if language == "make")
    (tmp_path / "Makefile").write_text(makefile)
    (tmp_path / "guest.c").write_text("#include <wasi_nn.h>\nint main(void) { return wasi_nn_compute(0); }\n")
    paths = [f"WASI_SDK_PATH={wasi_sdk.c.parent.parent}", f"WASINN_SDK={ROOT}"]
    done = subprocess.run(
        ["make", "-C", tmp_path, *paths, "guest.wasm"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "guest.wasm").exists()
