"""Views to text through Jinja templates.

It reads templates and touches the disk for nothing else. Our own templates are only shapes; what a user's
template does wrong is a `TemplateProblem` that says where.
"""

from __future__ import annotations

import os
import traceback
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemBytecodeCache,
    FileSystemLoader,
    StrictUndefined,
    TemplateNotFound,
    TemplateSyntaxError,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

from codegen.source import TemplateProblem

TEMPLATES: Final = Path(__file__).parent / "templates"


@cache
def environment(templates: Path | None = None) -> Environment:
    """Return the strict environment templates run in; those in `templates` come before the built-in ones.

    A folder of the user's puts all in a sandbox; our own templates alone do without, a quarter faster. One
    environment serves a whole run, since compiling a template takes longer than filling it.
    """
    folders = [TEMPLATES] if templates is None else [templates, TEMPLATES]
    kind = Environment if templates is None else ImmutableSandboxedEnvironment
    # Compiled templates lie, and are trusted, where Python keeps its own compiled modules. The sandbox
    # compiles to other code, so each kind has files of its own.
    compiled = TEMPLATES / "__pycache__"
    kept = None
    if os.access(TEMPLATES, os.W_OK):
        compiled.mkdir(exist_ok=True)
        kept = FileSystemBytecodeCache(str(compiled), f"{kind.__name__}_%s.cache")
    return kind(
        bytecode_cache=kept,
        loader=ChoiceLoader([FileSystemLoader(folder) for folder in folders]),
        undefined=StrictUndefined,
        autoescape=False,  # the output is source code, not HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(environment: Environment, template: str, view: object, *, blank_lines: int = 1) -> str:
    """Return the text of one file: LF, one final newline, no trailing blanks.

    Args:
        environment: from `environment`.
        template: a path below the templates' folder.
        view: what the template sees as `view`.
        blank_lines: how many blank lines in a row the output's style allows.

    Raises:
        TemplateProblem: the template is missing or fails.
    """
    try:
        text = environment.get_template(template).render(view=view)
    except TemplateNotFound as error:
        raise TemplateProblem(f"{error.name}: there is no such template") from error
    except TemplateSyntaxError as error:
        raise TemplateProblem(f"{error.filename or template}:{error.lineno}: {error.message}") from error
    except TemplateProblem as problem:  # from `fail`
        raise TemplateProblem(f"{_place(problem, template)}: {problem}") from problem
    except Exception as error:  # a template is a program: it can fail in any way
        raise TemplateProblem(f"{_place(error, template)}: {type(error).__name__}: {error}") from error
    lines: list[str] = []
    for line in text.split("\n"):  # `splitlines` knows more line ends than any compiler
        stripped = line.rstrip()
        if stripped or any(lines[-blank_lines:]):
            lines.append(stripped)
    return "\n".join(lines).rstrip("\n") + "\n"


def _place(error: Exception, template: str) -> str:
    """Return file and line of the template in which an error was raised; Jinja puts both in the traceback."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(".j2")]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else template
