"""The names of one C header: what its types and functions are called, and which names are taken.

It spells no declarations.
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
    """

    document: model.Document
    prefix: str
    stem: str
    problems: list[Diagnostic] = field(default_factory=list)
    taken: naming.Scope = field(init=False)
    macro: str = field(init=False)
    spelled: dict[model.TypeDef, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.taken = self.scope("the C header")
        self.macro = naming.upper(self.prefix) + "_"
        self._reserve()

    @property
    def guard(self) -> str:
        """The include guard."""
        return naming.upper(self.stem) + "_H"

    @property
    def macros(self) -> frozenset[str]:
        """The macros of the header itself, which no constant may be called."""
        return frozenset((self.guard, *(self.macro + name for name in _MACROS)))

    def _reserve(self) -> None:
        """Take every name the witx text gives before one is made up, so that the made ones step aside."""
        for definition in self.document.types:
            name = naming.prefixed(self.prefix, definition.name) + "_t"
            origin = f"type {quoted('$' + definition.name)}"
            self.spelled[definition] = self.taken.claim(name, origin, definition.span)
        for module in self.document.modules:
            for function in module.functions:
                name = self.function(module, function)
                self.taken.claim(name, f"function {quoted(function.name)}", function.span)

    def scope(self, where: str) -> naming.Scope:
        """Return an empty scope whose collisions are reported with the header's."""
        return naming.Scope(where, self.problems)

    def function(self, module: model.Module, function: model.Function) -> str:
        """Return what a function's wrapper is called."""
        return naming.prefixed(self._stem(module), function.name)

    def raw_function(self, module: model.Module, function: model.Function) -> str:
        """Take and return a name for a function's raw import."""
        return self.taken.local(naming.prefixed(self._stem(module) + "raw_", function.name))

    def _stem(self, module: model.Module) -> str:
        """Return what a module's functions start with: one module alone needs no name of its own."""
        if len(self.document.modules) == 1:
            return self.prefix
        return naming.prefixed(self.prefix, module.name) + "_"

    def identifier(self, name: str) -> str:
        """Return a member's or parameter's name; one that would hide a type or function gets `_` behind."""
        identifier = naming.snake(name, naming.C_KEYWORDS)
        is_ours = identifier.startswith(self.prefix) and identifier.endswith("_t")
        return identifier + "_" if is_ours or identifier in self.taken else identifier
