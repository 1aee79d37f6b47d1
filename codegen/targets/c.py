"""The C target: one header with types, constants, raw imports, typed wrappers and layout asserts.

It decides names and spellings, in the modules it puts together; the template only places them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen import naming
from codegen.layout import Layouts
from codegen.source import WitxError
from codegen.targets import view
from codegen.targets.c_functions import FunctionBuilder
from codegen.targets.c_names import Names
from codegen.targets.c_text import comment
from codegen.targets.c_types import TypeBuilder
from codegen.targets.c_view import CView

if TYPE_CHECKING:
    from codegen import model


def build(document: model.Document, prefix: str, stem: str, base: view.Base = view.NO_BASE) -> CView:
    """Return the view of a document.

    Args:
        document: the interface.
        prefix: what every global name starts with, for example `wasi_nn_`.
        stem: the header's file name without its suffix; its include guard is made from it.
        base: another header that has some of the types already.

    Raises:
        WitxError: names collide, or the C target cannot express something.
    """
    names = Names(document, prefix, stem)
    type_builder = TypeBuilder(names, Layouts(document))
    for definition in document.types:
        if definition not in base.types:
            type_builder.typedef(definition)
    constants = tuple(type_builder.constant(constant) for constant in document.constants)
    function_builder = FunctionBuilder(names, type_builder)
    functions = tuple(
        function_builder.function(module, function)
        for module in document.modules
        for function in module.functions
    )
    if names.problems:
        raise WitxError(names.problems)
    return CView(
        view.banner(document),
        names.guard,
        f"{base.stem}.h" if base.stem else "",
        comment("\n".join(module.docs for module in document.modules)),
        names.macro,
        naming.prefixed(prefix, "raw") + "_",
        tuple(type_builder.types),
        constants,
        functions,
    )
