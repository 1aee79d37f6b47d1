"""The types and constants of one C header: typedefs, their spelling, their layout asserts.

It knows nothing of functions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from codegen import model, naming
from codegen.source import quoted
from codegen.targets.c_text import LITERALS, SCALARS, comment
from codegen.targets.c_view import CConstant, CMember, CType

if TYPE_CHECKING:
    from codegen.layout import Layouts
    from codegen.source import Span
    from codegen.targets.c_names import Names


@dataclass(slots=True)
class TypeBuilder:
    """The types of one header in the making; `types` fills in order of definition, helpers before users."""

    names: Names
    layouts: Layouts
    types: list[CType] = field(default_factory=list)

    def typedef(self, definition: model.TypeDef) -> None:
        """Add a type of the document."""
        self._define(definition.type, self.names.spelled[definition], definition.docs, definition.span)

    def _define(self, type_: model.Type, name: str, docs: str, span: Span) -> None:
        """Add the typedef `name` (which ends in `_t`) for a type, its helpers first."""
        match type_:
            case model.Record(fields=fields):
                self._struct(fields, type_, name, docs, span)
            case model.Variant():
                self._variant(type_, name, docs, span)
            case model.List(element):
                stem = name.removesuffix("_t")
                pointer = self.declared(element, f"{stem}_item", span, "*ptr", is_const=True)
                self._view_struct(pointer, "How many elements are there.", type_, name, docs)
            case model.String():
                self._view_struct("const char *ptr", "How many bytes are there.", type_, name, docs)
            case _:
                self._alias(type_, name, docs, span)

    def _alias(self, type_: model.Type, name: str, docs: str, span: Span) -> None:
        """Add the typedef of a type that needs no struct; enums and flags bring constants."""
        stem = name.removesuffix("_t")
        constants: tuple[CConstant, ...] = ()
        match type_:
            case model.Enum(tag=tag, cases=cases):
                target = SCALARS[tag]
                constants = self._cases(cases, stem, tag, span)
            case model.Flags(repr=repr_, flags=flags):
                target = SCALARS[repr_]
                constants = tuple(
                    self._named_value(flag.name, flag.docs, stem, f"({LITERALS[repr_]}(1) << {bit})", span)
                    for bit, flag in enumerate(flags)
                )
            case model.Pointer():
                target = self.declared(type_, f"{stem}_target", span, "").rstrip()
            case _:
                target = self._spell(type_, stem, span)
        self.types.append(
            CType(comment(docs), name, target, constants=constants, asserts=self._size_asserts(type_, name))
        )

    def _struct(
        self, fields: tuple[model.Field, ...], type_: model.Type, name: str, docs: str, span: Span
    ) -> None:
        scope = self.names.scope(f"struct {quoted(name)}")
        layout = self.layouts.of(type_)
        stem = name.removesuffix("_t")
        names = [
            scope.claim(self.names.identifier(f.name), f"field {quoted('$' + f.name)}", span) for f in fields
        ]
        members: list[CMember] = []
        asserts = list(self._size_asserts(type_, name))
        end = 0
        for field_, member, offset in zip(fields, names, layout.offsets, strict=True):
            members += self._padding(scope, end, offset)
            declaration = self.declared(field_.type, f"{stem}_{member}", span, member)
            members.append(CMember(comment(field_.docs, indent=2), declaration))
            asserts.append(f"offsetof({name}, {member}) == {offset}")
            end = offset + self.layouts.of(field_.type).size
        members += self._padding(scope, end, layout.size)
        self.types.append(
            CType(comment(docs), name, "", is_struct=True, members=tuple(members), asserts=tuple(asserts))
        )

    def _padding(self, scope: naming.Scope, start: int, end: int) -> list[CMember]:
        """Spell out padding, so that an initialiser zeroes it and a host that reads it reads zero."""
        if start == end:
            return []
        return [
            CMember(("/** Padding: zero. */",), f"uint8_t {scope.local(f'padding{start}')}[{end - start}]")
        ]

    def _view_struct(self, pointer: str, count_docs: str, type_: model.Type, name: str, docs: str) -> None:
        members = (
            CMember((), pointer),
            CMember((f"/** {count_docs} */",), "size_t len"),
        )
        asserts = (
            *self._size_asserts(type_, name),
            f"offsetof({name}, ptr) == 0",
            f"offsetof({name}, len) == 4",
        )
        self.types.append(CType(comment(docs), name, "", is_struct=True, members=members, asserts=asserts))

    def _variant(self, type_: model.Variant, name: str, docs: str, span: Span) -> None:
        layout = self.layouts.of(type_)
        tag = SCALARS[type_.tag] if type_.tag_enum is None else self.names.spelled[type_.tag_enum]
        constants: tuple[CConstant, ...] = ()
        if type_.tag_enum is None:
            constants = self._cases(type_.cases, name.removesuffix("_t"), type_.tag, span)
        payload = self._payload(type_, name, span)
        asserts = [*self._size_asserts(type_, name), f"offsetof({name}, tag) == 0"]
        if payload:
            asserts.append(f"offsetof({name}, payload) == {layout.payload_offset}")
        end = self.layouts.of(model.Builtin(type_.tag)).size
        outer = self.names.scope(f"struct {quoted(name)}")
        members = [CMember(("/** Which case this is. */",), f"{tag} tag")]
        if payload:
            members += self._padding(outer, end, layout.payload_offset)
            end = layout.payload_offset + self.layouts.payload(type_).size
        trailing = self._padding(outer, end, layout.size)
        self.types.append(
            CType(
                comment(docs),
                name,
                "",
                is_struct=True,
                members=tuple(members),
                payload=payload,
                trailing=tuple(trailing),
                constants=constants,
                asserts=tuple(asserts),
            )
        )

    def _payload(self, type_: model.Variant, name: str, span: Span) -> tuple[CMember, ...]:
        scope = self.names.scope(f"the payloads of {quoted(name)}")
        stem = name.removesuffix("_t")
        payload = []
        for case in type_.cases:
            if case.type is not None:
                member = self.names.identifier(case.name)
                scope.claim(member, f"case {quoted('$' + case.name)}", span)
                declaration = self.declared(case.type, f"{stem}_{member}", span, member)
                payload.append(CMember(comment(case.docs, indent=4), declaration))
        return tuple(payload)

    def _size_asserts(self, type_: model.Type, name: str) -> tuple[str, ...]:
        layout = self.layouts.of(type_)
        return (f"sizeof({name}) == {layout.size}", f"{self.names.macro}ALIGNOF({name}) == {layout.align}")

    def _cases(self, cases: tuple[model.Case, ...], stem: str, tag: str, span: Span) -> tuple[CConstant, ...]:
        return tuple(
            self._named_value(case.name, case.docs, stem, f"{LITERALS[tag]}({value})", span)
            for value, case in enumerate(cases)
        )

    def _named_value(self, name: str, docs: str, stem: str, value: str, span: Span) -> CConstant:
        macro = naming.upper("_".join((stem, *naming.words(name))), self.names.macros)
        claimed = self.names.taken.claim(macro, f"value {quoted('$' + name)}", span)
        return CConstant(comment(docs), claimed, value)

    def constant(self, constant: model.Constant) -> CConstant:
        """Return a constant of the document, named after its type."""
        type_ = model.underlying(constant.type.type)
        match type_:
            case model.Builtin(name):
                literal = LITERALS[name]
            case model.Flags(repr=name) | model.Enum(tag=name):
                literal = LITERALS[name]
            case _:
                raise AssertionError  # resolve admits integers only
        stem = self.names.spelled[constant.type].removesuffix("_t")
        return self._named_value(
            constant.name, constant.docs, stem, f"{literal}({constant.value})", constant.span
        )

    def _spell(self, type_: model.Type, owner: str, span: Span) -> str:
        """Return the C spelling of a type; an anonymous compound gets a helper named after its owner."""
        match type_:
            case model.Named(definition):
                return self.names.spelled[definition]
            case model.Builtin(name):
                return SCALARS[name]
            case model.Bool() | model.Handle():
                return "uint32_t"
            case model.Pointer():
                return self.declared(type_, owner, span, "").rstrip()
        helper = self.names.helper(owner)
        self._define(type_, helper, "", span)
        return helper

    def declared(
        self, type_: model.Type, owner: str, span: Span, name: str, *, is_const: bool = False
    ) -> str:
        """Return the declaration of `name` (which may start with `*`); `const` applies to the type.

        An anonymous compound gets a typedef named after `owner`.
        """
        stars = ""
        while isinstance(type_, model.Pointer):
            stars = f"*{'const ' if is_const else ''}{stars}"
            is_const, type_ = type_.is_const, type_.target
        return f"{'const ' if is_const else ''}{self._spell(type_, owner, span)} {stars}{name}"
