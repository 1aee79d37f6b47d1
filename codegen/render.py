"""Views to text through Jinja templates that are only shapes.

It touches no disk but for reading templates; a failure here is a bug of ours or of the template's author.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

TEMPLATES: Final = Path(__file__).parent / "templates"


def environment(folder: Path = TEMPLATES) -> ImmutableSandboxedEnvironment:
    """Return the strict environment every template runs in."""
    return ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        autoescape=False,  # the output is source code, not HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(template: str, view: object, *, blank_lines: int = 1) -> str:
    """Return the text of one file: LF, one final newline, no trailing blanks.

    Args:
        template: its path below the templates' folder.
        view: what the template sees as `view`.
        blank_lines: how many blank lines in a row the output's style allows.
    """
    text = environment().get_template(template).render(view=view)
    lines: list[str] = []
    for line in text.splitlines():
        stripped = line.rstrip()
        if stripped or any(lines[-blank_lines:]):
            lines.append(stripped)
    return "\n".join(lines).rstrip("\n") + "\n"
