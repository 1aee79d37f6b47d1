"""Targets that users add: a folder with `target.toml` and a template that sees the dumped document.

See docs/templates.md for what a template gets. Built-in targets do not come through here.
"""

from __future__ import annotations

import functools
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from codegen import naming, render
from codegen.dump import dump
from codegen.source import TemplateProblem
from codegen.targets.view import banner, doc_lines

if TYPE_CHECKING:
    from jinja2 import Environment

    from codegen import model

_DESCRIPTION: Final = "target.toml"
_SUFFIX: Final = re.compile(r"(?:\.[A-Za-z0-9_-]+)+")


@dataclass(frozen=True, slots=True)
class UserTarget:
    """What `target.toml` says: `template` (below the templates' folder), `suffix`, and words to escape."""

    folder: Path
    template: str
    suffix: str
    keywords: frozenset[str]


def names(templates: Path | None) -> tuple[str, ...]:
    """Return the targets a folder adds, sorted."""
    if templates is None:
        return ()
    return tuple(sorted(path.parent.name for path in templates.glob(f"*/{_DESCRIPTION}")))


def target(templates: Path | None, name: str) -> UserTarget:
    """Read one target's description.

    Raises:
        TemplateProblem: it is missing or wrong.
    """
    path = (templates or Path()) / name / _DESCRIPTION
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TemplateProblem(f"{path}: {error}") from error
    unknown = sorted(set(data) - {"template", "suffix", "keywords"})
    if unknown:
        raise TemplateProblem(f"{path}: unknown key `{unknown[0]}`")
    template, suffix, keywords = data.get("template"), data.get("suffix"), data.get("keywords", [])
    if not isinstance(template, str) or not isinstance(suffix, str) or not _SUFFIX.fullmatch(suffix):
        raise TemplateProblem(f'{path}: needs `template = "file.j2"` and `suffix = ".ext"`')
    if not isinstance(keywords, list) or not all(isinstance(word, str) for word in keywords):
        raise TemplateProblem(f"{path}: `keywords` is a list of strings")
    return UserTarget(templates or Path(), f"{name}/{template}", suffix, frozenset(keywords))


def environment(added: UserTarget) -> Environment:
    """Return the sandbox a user's template runs in, with filters that make identifiers and wrap docs."""
    made = render.environment(added.folder).overlay()
    made.filters = dict(made.filters)
    made.globals = dict(made.globals)
    for convert in (naming.snake, naming.upper, naming.pascal):
        made.filters[convert.__name__] = functools.partial(convert, keywords=added.keywords)
    made.filters["doc_lines"] = doc_lines
    made.globals["fail"] = _fail
    return made


def _fail(message: str) -> NoReturn:
    """End the rendering, on a template's behalf, because its language cannot express something."""
    raise TemplateProblem(str(message))


def view(document: model.Document, prefix: str) -> dict[str, Any]:
    """Return what the template sees as `view`: the dump, the banner line and the prefix for global names."""
    return {**dump(document), "banner": banner(document), "prefix": prefix}
