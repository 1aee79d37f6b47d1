"""The Rust target: one `no_std` module with types, raw imports, typed wrappers and const layout asserts.

It decides names and spellings, in the modules it puts together; the template only places them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.layout import Layouts
from codegen.source import WitxError
from codegen.targets import view
from codegen.targets.rust_functions import FunctionBuilder
from codegen.targets.rust_names import Names
from codegen.targets.rust_text import comment, identifiers
from codegen.targets.rust_types import TypeBuilder
from codegen.targets.rust_view import RustView

if TYPE_CHECKING:
    from codegen import model
    from codegen.targets.rust_view import RustConstant, RustModule, RustType


def build(document: model.Document, base: view.Base = view.NO_BASE) -> RustView:
    """Return the view of a document.

    Args:
        document: the interface.
        base: the module beside this one that has some of the types already.

    Raises:
        WitxError: names collide, or the Rust target cannot express something.
    """
    names = Names(document)
    type_builder = TypeBuilder(names, Layouts(document))
    for definition in document.types:
        if definition not in base.types:
            type_builder.typedef(definition)
    constants = tuple(type_builder.constant(constant) for constant in document.constants)
    function_builder = FunctionBuilder(names, type_builder)
    modules = tuple(function_builder.module(module) for module in document.modules)
    if names.problems:
        raise WitxError(names.problems)
    types = tuple(type_builder.types)
    known = {names.spelled[definition] for definition in base.types}
    if base.stem:
        known |= {"List", "Str"}
    base_types = _base_types(known, types, constants, modules)
    return RustView(
        view.banner(document),
        comment("\n\n".join(module.docs for module in document.modules), sign="//!"),
        f"{base.stem}::{{{', '.join(base_types)}}}" if base_types else "",
        type_builder.has_list and "List" not in base_types,
        type_builder.has_string and "Str" not in base_types,
        types,
        constants,
        modules,
    )


def _base_types(
    known: set[str],
    types: tuple[RustType, ...],
    constants: tuple[RustConstant, ...],
    modules: tuple[RustModule, ...],
) -> tuple[str, ...]:
    """Return the names this module takes from its base, which has the `known` ones."""
    own = {type_.name for type_ in types}
    texts = [text for m in modules for f in m.functions for text in (*f.params, *f.raw_params, f.result)]
    texts += [constant.type for constant in constants]
    texts += [text for type_ in types for text in (type_.target, *(f.type for f in type_.fields))]
    return tuple(sorted((known - own).intersection(identifiers(" ".join(texts)))))
