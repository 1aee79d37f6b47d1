"""The types and constants of one Rust module: declarations, their spelling, their layout asserts.

It knows nothing of functions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from codegen import model, naming
from codegen.resolve import INT_BITS
from codegen.source import quoted
from codegen.targets.rust_text import SCALARS, comment, integer, snake, static, string_literal
from codegen.targets.rust_view import RustConstant, RustField, RustType

if TYPE_CHECKING:
    from codegen.layout import Layouts
    from codegen.source import Span
    from codegen.targets.rust_names import Names


@dataclass(slots=True)
class TypeBuilder:
    """The types of one module in the making; `types` fills in order of definition, helpers before users.

    `has_list` and `has_string` say whether anything spelled so far is a `List` or a `Str`.
    """

    names: Names
    layouts: Layouts
    types: list[RustType] = field(default_factory=list)
    has_list: bool = False
    has_string: bool = False

    def typedef(self, definition: model.TypeDef) -> None:
        """Add a type of the document."""
        docs = definition.docs or f"`{definition.name}`."
        self._define(definition.type, self.names.spelled[definition], docs, definition.span)

    def _define(self, type_: model.Type, name: str, docs: str, span: Span) -> None:
        generics = "<'a>" if self.names.is_borrowing(type_) else ""
        documented = comment(docs) or ("/// A type without a name of its own in the interface.",)
        asserts = self._size_asserts(type_, name, generics)
        match type_:
            case model.Record():
                self._struct(type_, name, documented, span)
            case model.Variant():
                self._variant(type_, name, documented, span)
            case model.Enum(tag=tag, cases=cases):
                values = self._values(cases, name, span, is_flags=False)
                is_open = len(cases) < 1 << INT_BITS[tag]
                self.types.append(
                    RustType(documented, name, "", tag, (), values, asserts, is_enum=True, is_open=is_open)
                )
            case model.Flags(repr=repr_, flags=flags):
                values = self._values(flags, name, span, is_flags=True)
                self.types.append(RustType(documented, name, "", repr_, (), values, asserts, is_flags=True))
            case model.Handle():
                self.types.append(RustType(documented, name, "", "u32", asserts=asserts, is_handle=True))
            case _:
                target = self.spell(type_, "'a", name, span)
                self.types.append(
                    RustType(documented, name, generics, target, asserts=asserts, is_alias=True)
                )

    def _values(
        self, cases: tuple[model.Case, ...], owner: str, span: Span, *, is_flags: bool
    ) -> tuple[RustConstant, ...]:
        scope = self.names.scope(f"type {quoted(owner)}")
        values = []
        for index, case in enumerate(cases):
            name = scope.claim(naming.upper(case.name), f"value {quoted('$' + case.name)}", span)
            docs = comment(case.docs, 4) or (f"/// `{case.name}`.",)
            value = f"1 << {index}" if is_flags else str(index)
            values.append(RustConstant(docs, name, value, string_literal(case.name)))
        return tuple(values)

    def _struct(self, type_: model.Record, name: str, docs: tuple[str, ...], span: Span) -> None:
        generics = "<'a>" if self.names.is_borrowing(type_) else ""
        scope = self.names.scope(f"struct {quoted(name)}")
        names = [scope.claim(snake(f.name), f"field {quoted('$' + f.name)}", span) for f in type_.fields]
        layout = self.layouts.of(type_)
        fields: list[RustField] = []
        asserts = list(self._size_asserts(type_, name, generics))
        end = 0
        for field_, member, offset in zip(type_.fields, names, layout.offsets, strict=True):
            fields += self._padding(scope, end, offset)
            spelled = self.spell(field_.type, "'a", name + naming.pascal(member), span)
            documented = comment(field_.docs, 4) or (f"/// `{field_.name}`.",)
            fields.append(RustField(documented, member, spelled))
            asserts.append(f"core::mem::offset_of!({name}{static(generics)}, {member}) == {offset}")
            end = offset + self.layouts.of(field_.type).size
        fields += self._padding(scope, end, layout.size)
        self.types.append(
            RustType(docs, name, generics, fields=tuple(fields), asserts=tuple(asserts), is_struct=True)
        )

    def _padding(self, scope: naming.Scope, start: int, end: int) -> list[RustField]:
        """Spell out padding as a private field, so that a constructor zeroes it."""
        if start == end:
            return []
        name = scope.local(f"padding{start}")
        return [RustField((), name, f"[u8; {end - start}]", is_public=False)]

    def _variant(self, type_: model.Variant, name: str, docs: tuple[str, ...], span: Span) -> None:
        generics = "<'a>" if self.names.is_borrowing(type_) else ""
        layout = self.layouts.of(type_)
        payloads = self._payloads(type_, name, span)
        fields = [RustField(("/// Which case this is.",), "tag", self._tag(type_, name, span))]
        concrete = name + static(generics)
        asserts = [*self._size_asserts(type_, name, generics), f"core::mem::offset_of!({concrete}, tag) == 0"]
        end = self.layouts.of(model.Builtin(type_.tag)).size
        outer = self.names.scope(f"struct {quoted(name)}")
        if payloads:
            union = self.names.taken.local(name + "Payload")
            documented = (f"/// The value of a `{name}`.",)
            self.types.append(RustType(documented, union, generics, fields=payloads, is_union=True))
            fields += self._padding(outer, end, layout.payload_offset)
            fields.append(RustField(("/// The value of that case.",), "payload", f"{union}{generics}"))
            asserts.append(f"core::mem::offset_of!({concrete}, payload) == {layout.payload_offset}")
            end = layout.payload_offset + self.layouts.payload(type_).size
        fields += self._padding(outer, end, layout.size)
        self.types.append(
            RustType(docs, name, generics, fields=tuple(fields), asserts=tuple(asserts), is_struct=True)
        )

    def _payloads(self, type_: model.Variant, name: str, span: Span) -> tuple[RustField, ...]:
        scope = self.names.scope(f"the payloads of {quoted(name)}")
        payloads = []
        for case in type_.cases:
            if case.type is not None:
                member = snake(case.name)
                scope.claim(member, f"case {quoted('$' + case.name)}", span)
                spelled = self.spell(case.type, "'a", name + naming.pascal(member), span)
                documented = comment(case.docs, 4) or (f"/// `{case.name}`.",)
                payloads.append(RustField(documented, member, spelled))
        return tuple(payloads)

    def _tag(self, type_: model.Variant, name: str, span: Span) -> str:
        """Return the type of a variant's tag; one that the witx text does not name is added."""
        if type_.tag_enum is not None:
            return self.names.spelled[type_.tag_enum]
        tag = self.names.taken.local(name + "Tag")
        self._define(model.Enum(type_.tag, type_.cases), tag, f"Which case a `{name}` is.", span)
        return tag

    def _size_asserts(self, type_: model.Type, name: str, generics: str) -> tuple[str, ...]:
        layout = self.layouts.of(type_)
        concrete = name + static(generics)
        return (
            f"core::mem::size_of::<{concrete}>() == {layout.size}",
            f"core::mem::align_of::<{concrete}>() == {layout.align}",
        )

    def constant(self, constant: model.Constant) -> RustConstant:
        """Return a constant of the document, named after its type."""
        words = (*naming.words(constant.type.name), *naming.words(constant.name))
        name = naming.upper("_".join(words), naming.RUST_KEYWORDS)
        self.names.taken.claim(name, f"constant {quoted('$' + constant.name)}", constant.span)
        resolved = model.underlying(constant.type.type)
        spelled = self.names.spelled[constant.type]
        is_newtype = isinstance(resolved, model.Enum | model.Flags)
        value = integer(constant.value)
        if is_newtype:
            value = f"{self.names.constructor(constant.type)}({value})"
        docs = comment(constant.docs) or (f"/// `{constant.name}`.",)
        return RustConstant(docs, name, value, type=spelled)

    def spell(  # noqa: PLR0911 (one branch per type)
        self, type_: model.Type, lifetime: str, owner: str, span: Span
    ) -> str:
        """Return the Rust spelling of a type; an anonymous compound gets a helper named after its owner."""
        match type_:
            case model.Named(definition):
                generics = f"<{lifetime}>" if self.names.borrows[definition] else ""
                return self.names.spelled[definition] + generics
            case model.Builtin(name):
                return SCALARS[name]
            case model.Bool() | model.Handle():
                return "u32"
            case model.String():
                self.has_string = True
                return f"Str<{lifetime}>"
            case model.List(element):
                self.has_list = True
                return f"List<{lifetime}, {self.spell(element, lifetime, owner + 'Item', span)}>"
            case model.Pointer(target, is_const):
                inner = self.spell(target, lifetime, owner + "Target", span)
                return f"*{'const' if is_const else 'mut'} {inner}"
        helper = self.names.taken.local(owner)
        self._define(type_, helper, "", span)
        return helper + (f"<{lifetime}>" if self.names.is_borrowing(type_) else "")
