"""The names of one C header: what its types and functions are called, and which names are taken.

It spells no declarations. A name that is taken, a keyword or a name of the C headers in full (prefix and
suffix included) steps aside: a type by a `_` before its `_t` (`max_align__t`), all else by a `_` behind
(`static_cast_`). So every type ends in `_t`, and a parameter with our prefix and that end can step aside
from types that are not made up yet. Raw imports are named before any parameter or made-up type.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from codegen import model, naming
from codegen.source import quoted

if TYPE_CHECKING:
    from codegen.source import Diagnostic

_MACROS: Final = ("IMPORT", "NATIVE", "STATIC_ASSERT", "ALIGNOF", "MUST_CHECK")
"""The macros of the header itself, without its prefix."""


@dataclass(slots=True)
class Names:
    """The names of one header.

    Attributes:
        document: the interface.
        prefix: what every global name starts with.
        stem: the header's file name without its suffix.
        problems: what went wrong so far, in any part of the header.
        taken: the global names.
        macro: what every macro starts with.
        spelled: what each type of the document is called.
        raw: what each function's raw import is called.
        ours: what every global name but a macro starts with, as it is spelled in the header.
    """

    document: model.Document
    prefix: str
    stem: str
    problems: list[Diagnostic] = field(default_factory=list)
    taken: naming.Scope = field(init=False)
    macro: str = field(init=False)
    spelled: dict[model.TypeDef, str] = field(default_factory=dict)
    raw: dict[model.Function, str] = field(default_factory=dict)
    ours: str = field(init=False)

    def __post_init__(self) -> None:
        self.taken = self.scope("the C header")
        self.macro = naming.upper(self.prefix) + "_"
        self.ours = naming.prefixed(self.prefix, "x").removesuffix("x")
        self._reserve()

    @property
    def guard(self) -> str:
        """The include guard."""
        return naming.upper(self.stem) + "_H"

    @property
    def macros(self) -> frozenset[str]:
        """The macros of this header itself and of <stdint.h>, which no constant may be called."""
        return naming.C_MACROS.union((self.guard, *(self.macro + name for name in _MACROS)))

    def _reserve(self) -> None:
        """Take every name the witx text gives before one is made up, so that the made ones step aside."""
        for definition in self.document.types:
            stem = naming.prefixed(self.prefix, definition.name)
            name = stem + ("__t" if stem + "_t" in naming.C_KEYWORDS else "_t")
            origin = f"type {quoted('$' + definition.name)}"
            self.spelled[definition] = self.taken.claim(name, origin, definition.span)
        for module in self.document.modules:
            for function in module.functions:
                name = self.function(module, function)
                self.taken.claim(name, f"function {quoted(function.name)}", function.span)
        for module in self.document.modules:
            for function in module.functions:
                name = _escaped(naming.prefixed(self._stem(module) + "raw_", function.name))
                self.raw[function] = self.taken.local(name)

    def scope(self, where: str) -> naming.Scope:
        """Return an empty scope whose collisions are reported with the header's."""
        return naming.Scope(where, self.problems)

    def function(self, module: model.Module, function: model.Function) -> str:
        """Return what a function's wrapper is called."""
        return _escaped(naming.prefixed(self._stem(module), function.name))

    def helper(self, owner: str) -> str:
        """Take and return a name for a type that the witx text does not name."""
        while owner + "_t" in self.taken or owner + "_t" in naming.C_KEYWORDS:
            owner += "_"
        return self.taken.local(owner + "_t")

    def parameter(self, scope: naming.Scope, identifier: str) -> str:
        """Take and return a made-up parameter's name, which hides nothing."""
        while identifier in self.taken or identifier in scope:
            identifier += "_"
        return scope.local(identifier)

    def _stem(self, module: model.Module) -> str:
        """Return what a module's functions start with: one module alone needs no name of its own."""
        if len(self.document.modules) == 1:
            return self.prefix
        return naming.prefixed(self.prefix, module.name) + "_"

    def identifier(self, name: str) -> str:
        """Return a member's or parameter's name; one that would hide a type or function gets `_` behind."""
        identifier = naming.snake(name, naming.C_KEYWORDS)
        if identifier.startswith(self.ours) and identifier.endswith("_t"):
            identifier += "_"
        while identifier in self.taken:
            identifier += "_"
        return identifier


def _escaped(name: str) -> str:
    return name + "_" if name in naming.C_KEYWORDS else name
