"""The names of one Rust module: what its types and functions are called, and which names are taken.

It spells no types.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from codegen import model, naming
from codegen.source import quoted
from codegen.targets.rust_text import snake

if TYPE_CHECKING:
    from codegen.source import Diagnostic


@dataclass(slots=True)
class Names:
    """The names of one module.

    Attributes:
        document: the interface.
        problems: what went wrong so far, in any part of the module.
        taken: the module's own names.
        imports: the names of the modules of raw imports.
        spelled: what each type of the document is called, without a lifetime.
        borrows: whether each type of the document has a lifetime.
        points: whether each type of the document leads to a raw pointer.
    """

    document: model.Document
    problems: list[Diagnostic] = field(default_factory=list)
    taken: naming.Scope = field(init=False)
    imports: naming.Scope = field(init=False)
    spelled: dict[model.TypeDef, str] = field(default_factory=dict)
    borrows: dict[model.TypeDef, bool] = field(default_factory=dict)
    points: dict[model.TypeDef, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.taken = self.scope("the Rust module")
        self.imports = self.scope("the modules of raw imports")
        self._reserve()

    def _reserve(self) -> None:
        """Take every name the witx text gives before one is made up, so that the made ones step aside."""
        for definition in self.document.types:
            name = naming.pascal(definition.name, naming.RUST_TYPE_NAMES)
            origin = f"type {quoted('$' + definition.name)}"
            self.spelled[definition] = self.taken.claim(name, origin, definition.span)
            self.borrows[definition] = self.is_borrowing(definition.type)
            self.points[definition] = self.is_pointing(definition.type)
        for module in self.document.modules:
            for function in module.functions:
                name = snake(self.stem(module, function))
                self.taken.claim(name, f"function {quoted(function.name)}", function.span)

    def scope(self, where: str) -> naming.Scope:
        """Return an empty scope whose collisions are reported with the module's."""
        return naming.Scope(where, self.problems)

    def stem(self, module: model.Module, function: model.Function) -> str:
        """Return a function's name before case conversion: one module alone needs no name of its own."""
        return function.name if len(self.document.modules) == 1 else f"{module.name} {function.name}"

    def is_borrowing(self, type_: model.Type) -> bool:
        """Whether a type holds a list or string, and so has a lifetime."""
        match type_:
            case model.List() | model.String():
                return True
            case model.Named(definition):
                return self.borrows[definition]
            case model.Record(fields=fields):
                return any(self.is_borrowing(field_.type) for field_ in fields)
            case model.Variant(cases=cases):
                return any(case.type is not None and self.is_borrowing(case.type) for case in cases)
            case model.Pointer(target):
                return self.is_borrowing(target)
            case _:
                return False

    def is_pointing(self, type_: model.Type) -> bool:
        """Whether a value of a type leads to a raw pointer, which its caller has to vouch for."""
        match type_:
            case model.Pointer():
                return True
            case model.Named(definition):
                return self.points[definition]
            case model.List(element):
                return self.is_pointing(element)
            case model.Record(fields=fields):
                return any(self.is_pointing(field_.type) for field_ in fields)
            case model.Variant(cases=cases):
                return any(case.type is not None and self.is_pointing(case.type) for case in cases)
            case _:
                return False

    def constructor(self, definition: model.TypeDef) -> str:
        """Return the newtype's own name: an alias of a tuple struct cannot be called."""
        while isinstance(definition.type, model.Named):
            definition = definition.type.definition
        return self.spelled[definition]
