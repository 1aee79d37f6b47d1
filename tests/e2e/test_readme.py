"""README.md is true: every command in it is run here, in order, as a newcomer would."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
SHELL = [text for language, text in BLOCKS if language == "sh"]


def run(script: str) -> subprocess.CompletedProcess[str]:
    """Run shell lines at the root, without the variables of a surrounding make."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=env,
        timeout=900,
        check=False,
    )


def test_the_two_commands_are_the_first_thing_shown() -> None:
    assert [line.split("#")[0].strip() for line in SHELL[0].splitlines()] == ["make demo", "make test"]


def test_make_demo_says_espresso_first() -> None:
    """`make test` is what runs this; the other of the two commands is run here."""
    done = run("make demo")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    best = next(line for line in lines if re.match(r"\s*1\s", line))
    assert "espresso" in best
    steps = [line for line in lines if line.startswith("==> ")]
    assert "-m host run" in steps[-1]
    assert any("compiler" in step for step in steps)
    assert any("SqueezeNet" in step for step in steps)


def test_it_ends_with_what_it_is_tried_on_and_the_licence() -> None:
    """Both were lost once by an edit of the paragraph before."""
    limits = README.partition("## Limits, honestly")[2]
    assert "Tried on Debian" in limits
    assert limits.strip().splitlines()[-1].startswith("Licence: Apache-2.0 with the LLVM exception")


def test_make_help_lists_the_two_commands() -> None:
    listed = run("make help").stdout
    assert "make demo" in listed
    assert "make test" in listed


def test_the_guest_in_the_readme_compiles_and_runs() -> None:
    (source,) = (text for language, text in BLOCKS if language == "c")
    (ROOT / "build/first.c").write_text(source, encoding="utf-8")
    (script,) = SHELL[1:]
    done = run(script)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"class \d+, score \d\.\d\d\n", done.stdout)


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)#]+)\)", README))
def test_a_link_leads_to_a_file(link: str) -> None:
    assert (ROOT / link).is_file()


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_every_page_is_linked_from_the_readme(page: Path) -> None:
    assert f"docs/{page.name}" in README
