"""What the Rust pages show works as it stands: the guest is built, tested and run by the commands shown."""

from __future__ import annotations

import re
import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.guest.rust_tools import CRATE, FOR_WASM, ROOT, TARGET_DIR, run, tool

if TYPE_CHECKING:
    from pathlib import Path

GUIDE = (ROOT / "docs/guest-rust.md").read_text(encoding="utf-8")
MIGRATION = (ROOT / "docs/migrating-from-wasi-nn.md").read_text(encoding="utf-8")
TARGET = TARGET_DIR / "docs"


def blocks(page: str, language: str) -> list[str]:
    """Return the text of each fenced block of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return the project of the guide, with the unit test it speaks of and the program of the other page."""
    manifest, for_tests = blocks(GUIDE, "toml")
    text = f"{manifest}\n{for_tests}".replace("../guest/rust", str(CRATE))
    (tmp_path / "Cargo.toml").write_text(text, encoding="utf-8")
    (program,) = blocks(GUIDE, "rust")
    (fake,) = re.findall(r"^    (fake::register.*)$", GUIDE, re.MULTILINE)
    test = f"use wasinn::fake;\n#[test]\nfn on_the_fake() {{\n{fake}\nsuper::classify().unwrap();\n}}\n"
    for folder in ("src", "examples"):
        (tmp_path / folder).mkdir()
    (tmp_path / "src/main.rs").write_text(
        f"{program}\n#[cfg(test)]\nmod tests {{\n{test}}}\n", encoding="utf-8"
    )
    (migrated,) = blocks(MIGRATION, "rust")
    (tmp_path / "examples/migrated.rs").write_text(
        f"{migrated}\nfn main() -> Result<(), Error> {{ classify(&[]).map(drop) }}\n", encoding="utf-8"
    )
    return tmp_path


@pytest.mark.usefixtures("model")
def test_the_commands_of_the_guide_build_and_run_its_guest(project: Path) -> None:
    """Although the tests have `fake` on, the guest calls its host."""
    tool("cargo", FOR_WASM / "cargo")
    (script,) = blocks(GUIDE, "sh")
    root = shlex.quote(str(ROOT))
    script = script.replace("../build", f"{root}/build").replace("cd ..", f"cd {root}")
    script = script.replace("zeros/target", shlex.quote(str(TARGET)))
    environment = {"PATH": "/usr/bin:/bin", "CARGO_TARGET_DIR": str(TARGET), "CARGO_NET_OFFLINE": "true"}
    done = subprocess.run(
        ["bash", "-euc", script], cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"class \d+: 0\.\d{3}\n", done.stdout)
    kilobytes = (TARGET / "wasm32-wasip1/release/zeros.wasm").stat().st_size / 1000
    (shown,) = re.findall(r"The guest above has (\d+) KB", GUIDE)
    assert kilobytes == pytest.approx(int(shown), rel=0.15)


def test_the_guest_of_the_guide_is_tested_natively_as_shown(project: Path) -> None:
    """And the program of the migration page compiles."""
    said = run(tool("cargo"), "test", "--quiet", cwd=project, target_dir=TARGET)
    assert "1 passed" in said


def test_the_migration_page_names_what_there_is() -> None:
    """Every name of this crate in the table is one of its sources'."""
    sources = "\n".join(path.read_text(encoding="utf-8") for path in CRATE.glob("src/**/*.rs"))
    right = [row.split("|")[2] for row in MIGRATION.splitlines() if row.startswith("| ") and "---" not in row]
    names = {
        name
        for cell in right
        for name in re.findall(r"[A-Za-z_]{4,}", " ".join(re.findall(r"`(.*?)`", cell)))
    }
    names -= {"name", "dims", "data", "bytes", "buffer", "a_type", "code", "wasinn"}
    assert len(names) > 15
    assert [name for name in sorted(names) if not re.search(rf"\b{name}\b", sources)] == []
