"""What the C documents show works as it stands: programs compile and run."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.guest.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.guest.conftest import Compiler, Runtime

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(path: Path) -> list[tuple[str, str]]:
    """Return language and text of each fenced block."""
    return [(found[1], found[2]) for found in BLOCK.finditer(path.read_text(encoding="utf-8"))]


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


def test_the_cpp_part_of_the_guide_compiles_in_place_of_the_c_guest(
    wasi_sdk: Compiler, host: Runtime, model: Path, tmp_path: Path
) -> None:
    (program,) = (text for language, text in blocks(ROOT / "docs/guest-c.md") if language == "cpp")
    source = tmp_path / "zeros.cpp"
    source.write_text(program)
    guest = wasi_sdk.build(source, tmp_path / "zeros.wasm", "-std=c++17", "-fno-exceptions", "-fno-rtti")
    done = host.run(guest, graph=model)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"1000 scores, the first 0\.\d{3}\n", done.stdout)


def test_the_usage_in_the_header_s_overview_compiles(wasi_sdk: Compiler, tmp_path: Path) -> None:
    overview = (ROOT / "guest/c/include/wasi_nn.h").read_text(encoding="utf-8").partition("*/")[0]
    usage = "\n".join(line[3:] for line in overview.splitlines() if line.startswith(" *     "))
    assert "wasi_nn_load_named" in usage
    source = tmp_path / "usage.c"
    source.write_text(f"""#include <wasi_nn.h>
#include <wasi_nn_math.h>
int main(void) {{
  wasi_nn_graph_t graph;
  wasi_nn_graph_execution_context_t context;
  wasi_nn_tensor_t input;
  size_t size;
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
