"""The whole way from a model to the text of its bindings; writes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from codegen import render
from codegen.bindings import c, rust

if TYPE_CHECKING:
    from codegen.bindings.model import Model

LANGUAGES: Final = {"c": ".h", "rust": ".rs"}
"""The languages there are bindings in, and how their files end."""


def text(model: Model, lang: str) -> str:
    """Return the bindings to `model` in one of LANGUAGES."""
    view: Any = c.build(model) if lang == "c" else rust.build(model)
    return render.render(render.environment(), f"{lang}/model{LANGUAGES[lang]}.j2", view)


def file_name(model: Model, lang: str) -> str:
    """Return what the file with the bindings to `model` is called."""
    return f"{model.name}{LANGUAGES[lang]}"
