"""Templates are only shapes: loops, `if` on a boolean, attributes, macros. Logic belongs in the view."""

from __future__ import annotations

import pytest
from jinja2 import UndefinedError, nodes

from codegen import render

ALLOWED_FILTERS = {"join", "indent"}
LOGIC = (nodes.BinExpr, nodes.Compare, nodes.CondExpr, nodes.Test, nodes.Assign, nodes.Getitem)


def problems(text: str) -> list[str]:
    """Return what a template does that belongs in the view."""
    tree = render.environment().parse(text)
    macros = {macro.name for macro in tree.find_all(nodes.Macro)}
    found = [
        f"filter {node.name}" for node in tree.find_all(nodes.Filter) if node.name not in ALLOWED_FILTERS
    ]
    found += [
        "call"
        for node in tree.find_all(nodes.Call)
        if not (isinstance(node.node, nodes.Name) and node.node.name in macros)
    ]
    return found + [type(node).__name__ for node in tree.find_all(LOGIC) if not isinstance(node, nodes.Or)]


TEMPLATES = sorted(path.relative_to(render.TEMPLATES) for path in render.TEMPLATES.rglob("*.j2"))


@pytest.mark.parametrize("template", TEMPLATES, ids=str)
def test_a_template_holds_no_logic(template: object) -> None:
    assert problems((render.TEMPLATES / str(template)).read_text(encoding="utf-8")) == []


def test_there_are_templates_to_look_at() -> None:
    assert len(TEMPLATES) >= 3


@pytest.mark.parametrize(
    "text",
    [
        "{{ a + b }}",
        "{{ a if b }}",
        "{% if a == b %}{% endif %}",
        "{{ a | upper }}",
        "{{ a.b() }}",
        "{{ a[0] }}",
    ],
)
def test_the_lint_notices_logic(text: str) -> None:
    assert problems(text) != []


def test_a_name_the_view_lacks_is_an_error_not_a_blank() -> None:
    environment = render.environment()
    with pytest.raises(UndefinedError, match="missing"):
        environment.from_string("{{ view.missing }}").render(view=object())
