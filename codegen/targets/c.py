"""The C target: one header with types, constants, raw imports, typed wrappers and layout asserts.

It decides names and spellings; the template only places them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from codegen import abi, model, naming
from codegen.layout import Layouts
from codegen.source import Diagnostic, Span, WitxError, quoted
from codegen.targets import view

if TYPE_CHECKING:
    from codegen.abi import CoreParam

_SCALARS: Final = {
    "u8": "uint8_t",
    "u16": "uint16_t",
    "u32": "uint32_t",
    "u64": "uint64_t",
    "s8": "int8_t",
    "s16": "int16_t",
    "s32": "int32_t",
    "s64": "int64_t",
    "f32": "float",
    "f64": "double",
    "char": "uint32_t",
    "char8": "char",
    "usize": "size_t",
}
_CORE: Final = {"i32": "int32_t", "i64": "int64_t", "f32": "float", "f64": "double"}
_LITERALS: Final = {
    "u8": "UINT8_C",
    "u16": "UINT16_C",
    "u32": "UINT32_C",
    "u64": "UINT64_C",
    "s8": "INT8_C",
    "s16": "INT16_C",
    "s32": "INT32_C",
    "s64": "INT64_C",
    "usize": "UINT32_C",
}
_ESCAPES: Final = dict(zip('"\\?\a\b\f\n\r\t\v', map("\\".__add__, '"\\?abfnrtv'), strict=True))
_WORD: Final = 4
_LAST_OF_FOUR_DIGITS: Final = 0xFFFF
_MACROS: Final = ("IMPORT", "NATIVE", "STATIC_ASSERT", "ALIGNOF", "MUST_CHECK")
"""The macros of the header itself, without its prefix."""
_UNSPEAKABLE: Final = re.compile(r"[\x00-\x06\x0e-\x1f\x7f-\x9f]")
"""What a C string literal cannot say without a numeric escape."""


@dataclass(frozen=True, slots=True)
class CConstant:
    """A macro: `#define name value`."""

    docs: tuple[str, ...]
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class CMember:
    """A member of a struct or union: a declaration without its semicolon."""

    docs: tuple[str, ...]
    declaration: str


@dataclass(frozen=True, slots=True)
class CType:
    """A typedef; `members`, `payload` (a union's members) and `trailing` are for structs, in that order."""

    docs: tuple[str, ...]
    name: str
    target: str
    is_struct: bool = False
    members: tuple[CMember, ...] = ()
    payload: tuple[CMember, ...] = ()
    trailing: tuple[CMember, ...] = ()
    constants: tuple[CConstant, ...] = ()
    asserts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CFunction:
    """A raw import and its typed wrapper; parameters are declarations."""

    docs: tuple[str, ...]
    raw_name: str
    raw_params: tuple[str, ...]
    raw_result: str
    import_module: str
    import_name: str
    name: str
    params: tuple[str, ...]
    result: str
    is_checked: bool
    is_noreturn: bool
    body: str


@dataclass(frozen=True, slots=True)
class CView:
    """Everything the C template prints."""

    banner: str
    guard: str
    include: str
    docs: tuple[str, ...]
    macro: str
    raw_prefix: str
    types: tuple[CType, ...]
    constants: tuple[CConstant, ...]
    functions: tuple[CFunction, ...]


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
    builder = _Builder(document, prefix, stem, base)
    result = builder.view()
    if builder.problems:
        raise WitxError(builder.problems)
    return result


def comment(docs: str, extra: tuple[str, ...] = (), indent: int = 0) -> tuple[str, ...]:
    """Return a doc comment's lines; nothing in the text can end it."""
    safe = docs.replace("*/", "* /").replace("/*", "/ *")
    lines = (*view.doc_lines(safe, indent + 3), *extra)
    if len(lines) <= 1:
        return tuple(f"/** {line} */" for line in lines)
    return ("/**", *(f" * {line}".rstrip() for line in lines), " */")


def string_literal(text: str) -> str:
    """Return a C string literal in ASCII; attributes take no numeric escapes."""
    return '"' + "".join(_ESCAPES.get(c, c if c.isascii() else _universal(c)) for c in text) + '"'


def _universal(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= _LAST_OF_FOUR_DIGITS else f"\\U{code:08x}"


@dataclass(frozen=True, slots=True)
class _CoreParam:
    """A core parameter: raw and typed declarations, and what the wrapper passes to the import."""

    raw: str
    typed: str
    argument: str
    out: str = ""


@dataclass(slots=True)
class _Builder:
    """One header in the making; `types` fills in order of definition, helpers before their users."""

    document: model.Document
    prefix: str
    stem: str
    base: view.Base
    problems: list[Diagnostic] = field(default_factory=list)
    types: list[CType] = field(default_factory=list)
    layouts: Layouts = field(init=False)
    names: naming.Scope = field(init=False)
    macro: str = field(init=False)
    spelled: dict[model.TypeDef, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.layouts = Layouts(self.document)
        self.names = naming.Scope("the C header", self.problems)
        self.macro = naming.upper(self.prefix) + "_"

    @property
    def guard(self) -> str:
        return naming.upper(self.stem) + "_H"

    @property
    def macros(self) -> frozenset[str]:
        """The macros of the header itself, which no constant may be called."""
        return frozenset((self.guard, *(self.macro + name for name in _MACROS)))

    def view(self) -> CView:
        self._reserve()
        for definition in self.document.types:
            self._typedef(definition)
        constants = tuple(self._constant(constant) for constant in self.document.constants)
        functions = tuple(
            self._function(module, function)
            for module in self.document.modules
            for function in module.functions
        )
        module_docs = "\n".join(module.docs for module in self.document.modules)
        return CView(
            view.banner(self.document),
            self.guard,
            f"{self.base.stem}.h" if self.base.stem else "",
            comment(module_docs),
            self.macro,
            naming.prefixed(self.prefix, "raw") + "_",
            tuple(self.types),
            constants,
            functions,
        )

    def _reserve(self) -> None:
        """Take every name the witx text gives before one is made up, so that the made ones step aside."""
        for definition in self.document.types:
            name = naming.prefixed(self.prefix, definition.name) + "_t"
            origin = f"type {quoted('$' + definition.name)}"
            self.spelled[definition] = self.names.claim(name, origin, definition.span)
        for module in self.document.modules:
            for function in module.functions:
                name = naming.prefixed(self._stem(module), function.name)
                self.names.claim(name, f"function {quoted(function.name)}", function.span)

    def _stem(self, module: model.Module) -> str:
        """Return what a module's functions start with: one module alone needs no name of its own."""
        if len(self.document.modules) == 1:
            return self.prefix
        return naming.prefixed(self.prefix, module.name) + "_"

    def _identifier(self, name: str) -> str:
        """Return a member's or parameter's name; one that would hide a type or function gets `_` behind."""
        identifier = naming.snake(name, naming.C_KEYWORDS)
        is_ours = identifier.startswith(self.prefix) and identifier.endswith("_t")
        return identifier + "_" if is_ours or identifier in self.names else identifier

    # Types

    def _typedef(self, definition: model.TypeDef) -> None:
        if definition not in self.base.types:
            self._define(definition.type, self.spelled[definition], definition.docs, definition.span)

    def _define(self, type_: model.Type, name: str, docs: str, span: Span) -> None:
        """Add the typedef `name` (which ends in `_t`) for a type, its helpers first."""
        stem = name.removesuffix("_t")
        constants: tuple[CConstant, ...] = ()
        match type_:
            case model.Record(fields=fields):
                self._struct(fields, type_, name, docs, span)
                return
            case model.Variant():
                self._variant(type_, name, docs, span)
                return
            case model.List(element):
                pointer = self._declared(element, f"{stem}_item", span, "*ptr", is_const=True)
                self._view_struct(pointer, "How many elements are there.", type_, name, docs)
                return
            case model.String():
                self._view_struct("const char *ptr", "How many bytes are there.", type_, name, docs)
                return
            case model.Enum(tag=tag, cases=cases):
                target = _SCALARS[tag]
                constants = self._cases(cases, stem, tag, span)
            case model.Flags(repr=repr_, flags=flags):
                target = _SCALARS[repr_]
                constants = tuple(
                    self._named_value(flag.name, flag.docs, stem, f"({_LITERALS[repr_]}(1) << {bit})", span)
                    for bit, flag in enumerate(flags)
                )
            case model.Pointer():
                target = self._declared(type_, f"{stem}_target", span, "").rstrip()
            case _:
                target = self._spell(type_, stem, span)
        self.types.append(
            CType(comment(docs), name, target, constants=constants, asserts=self._size_asserts(type_, name))
        )

    def _struct(
        self, fields: tuple[model.Field, ...], type_: model.Type, name: str, docs: str, span: Span
    ) -> None:
        scope = naming.Scope(f"struct {quoted(name)}", self.problems)
        layout = self.layouts.of(type_)
        stem = name.removesuffix("_t")
        names = [scope.claim(self._identifier(f.name), f"field {quoted('$' + f.name)}", span) for f in fields]
        members: list[CMember] = []
        asserts = list(self._size_asserts(type_, name))
        end = 0
        for field_, member, offset in zip(fields, names, layout.offsets, strict=True):
            members += self._padding(scope, end, offset)
            declaration = self._declared(field_.type, f"{stem}_{member}", span, member)
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
        stem = name.removesuffix("_t")
        layout = self.layouts.of(type_)
        tag = _SCALARS[type_.tag] if type_.tag_enum is None else self.spelled[type_.tag_enum]
        constants = self._cases(type_.cases, stem, type_.tag, span) if type_.tag_enum is None else ()
        scope = naming.Scope(f"the payloads of {quoted(name)}", self.problems)
        payload = []
        for case in type_.cases:
            if case.type is not None:
                member = self._identifier(case.name)
                scope.claim(member, f"case {quoted('$' + case.name)}", span)
                declaration = self._declared(case.type, f"{stem}_{member}", span, member)
                payload.append(CMember(comment(case.docs, indent=4), declaration))
        asserts = [*self._size_asserts(type_, name), f"offsetof({name}, tag) == 0"]
        if payload:
            asserts.append(f"offsetof({name}, payload) == {layout.payload_offset}")
        end = self.layouts.of(model.Builtin(type_.tag)).size
        outer = naming.Scope(f"struct {quoted(name)}", self.problems)
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
                payload=tuple(payload),
                trailing=tuple(trailing),
                constants=constants,
                asserts=tuple(asserts),
            )
        )

    def _size_asserts(self, type_: model.Type, name: str) -> tuple[str, ...]:
        layout = self.layouts.of(type_)
        return (f"sizeof({name}) == {layout.size}", f"{self.macro}ALIGNOF({name}) == {layout.align}")

    def _cases(self, cases: tuple[model.Case, ...], stem: str, tag: str, span: Span) -> tuple[CConstant, ...]:
        return tuple(
            self._named_value(case.name, case.docs, stem, f"{_LITERALS[tag]}({value})", span)
            for value, case in enumerate(cases)
        )

    def _named_value(self, name: str, docs: str, stem: str, value: str, span: Span) -> CConstant:
        macro = naming.upper("_".join((stem, *naming.words(name))), self.macros)
        return CConstant(comment(docs), self.names.claim(macro, f"value {quoted('$' + name)}", span), value)

    def _constant(self, constant: model.Constant) -> CConstant:
        type_ = model.underlying(constant.type.type)
        match type_:
            case model.Builtin(name):
                literal = _LITERALS[name]
            case model.Flags(repr=name) | model.Enum(tag=name):
                literal = _LITERALS[name]
            case _:
                raise AssertionError  # resolve admits integers only
        stem = self.spelled[constant.type].removesuffix("_t")
        return self._named_value(
            constant.name, constant.docs, stem, f"{literal}({constant.value})", constant.span
        )

    def _spell(self, type_: model.Type, owner: str, span: Span) -> str:
        """Return the C spelling of a type; an anonymous compound gets a helper named after its owner."""
        match type_:
            case model.Named(definition):
                return self.spelled[definition]
            case model.Builtin(name):
                return _SCALARS[name]
            case model.Bool() | model.Handle():
                return "uint32_t"
            case model.Pointer():
                return self._declared(type_, owner, span, "").rstrip()
        helper = self.names.local(owner + "_t")
        self._define(type_, helper, "", span)
        return helper

    def _declared(
        self, type_: model.Type, owner: str, span: Span, name: str, *, is_const: bool = False
    ) -> str:
        """Return the declaration of `name` (which may start with `*`); `const` applies to the type."""
        stars = ""
        while isinstance(type_, model.Pointer):
            stars = f"*{'const ' if is_const else ''}{stars}"
            is_const, type_ = type_.is_const, type_.target
        return f"{'const ' if is_const else ''}{self._spell(type_, owner, span)} {stars}{name}"

    # Functions

    def _function(self, module: model.Module, function: model.Function) -> CFunction:
        lowered = abi.lower(function)
        stem = self._stem(module)
        name = naming.prefixed(stem, function.name)
        raw_name = self.names.local(naming.prefixed(stem + "raw_", function.name))
        found = _UNSPEAKABLE.search(function.name)
        if found:
            what = "a NUL" if found[0] == "\0" else "a control character"
            message = f"the C target cannot express {what} in the import name {quoted(function.name)}"
            self.problems.append(Diagnostic(message, function.span))
        scope = naming.Scope(f"the parameters of {quoted(name)}", self.problems)
        for param in function.params:
            identifier = self._identifier(param.name)
            scope.claim(identifier, f"parameter {quoted('$' + param.name)}", param.span)
        params = [self._core_param(core, scope, name, function.span) for core in lowered.params]
        result, body = self._result(function, lowered, raw_name, params)
        raw_result = "void" if lowered.result is None else _CORE[lowered.result]
        if lowered.result == "i32" and result.endswith("*"):
            raw_result = result
        return CFunction(
            self._function_docs(function, params),
            raw_name,
            tuple(param.raw for param in params) or ("void",),
            raw_result,
            string_literal(module.name),
            string_literal(function.name),
            name,
            tuple(param.typed for param in params) or ("void",),
            result,
            is_checked=function.result is not None,
            is_noreturn=function.noreturn,
            body=body,
        )

    def _core_param(self, core: CoreParam, scope: naming.Scope, function: str, span: Span) -> _CoreParam:
        if core.param is None:
            named = core.type.definition.name if isinstance(core.type, model.Named) else "ok"
            identifier = scope.local(naming.snake(named) + "_out")
            declaration = self._declared(core.type, f"{function}_{identifier}", span, f"*{identifier}")
            return _CoreParam(declaration, declaration, identifier, out=identifier)
        identifier = self._identifier(core.param.name)
        owner = f"{function}_{identifier}"
        resolved = model.underlying(core.type)
        match core.role:
            case "pointer":
                element: model.Type = model.Builtin("char8")
                if isinstance(resolved, model.List):
                    element = resolved.element
                declaration = self._declared(element, owner, span, f"*{identifier}", is_const=True)
            case "length":
                identifier = scope.local(f"{identifier}_len")
                declaration = f"size_t {identifier}"
            case "address":
                declaration = self._declared(core.type, owner, span, f"*{identifier}", is_const=True)
            case _:
                declaration = self._declared(core.type, owner, span, identifier)
                if not isinstance(resolved, model.Pointer):
                    is_char = resolved == model.Builtin("char8")  # signed in clang: widen from the byte
                    argument = f"({_CORE[core.valtype]}){'(uint8_t)' if is_char else ''}{identifier}"
                    return _CoreParam(f"{_CORE[core.valtype]} {identifier}", declaration, argument)
        return _CoreParam(declaration, declaration, identifier)

    def _result(
        self, function: model.Function, lowered: abi.Lowered, raw_name: str, params: list[_CoreParam]
    ) -> tuple[str, str]:
        """Return the wrapper's result type and its one statement."""
        call = f"{raw_name}({', '.join(param.argument for param in params)})"
        if function.result is None:
            return "void", f"{call};"
        type_ = model.underlying(function.result.type)
        core = _CORE[lowered.result or "i32"]
        value = function.result.type
        if isinstance(type_, model.Enum | model.Variant):
            error = type_.cases[1].type
            if error is None:
                return core, f"return {call};"
            self._check_error(error, function)
            value = error
        resolved = model.underlying(value)
        result = self._declared(value, f"{raw_name}_result", function.span, "").rstrip()
        if isinstance(resolved, model.Pointer):
            result = self._declared(resolved, f"{raw_name}_result", function.span, "").rstrip()
            return result, f"return {'' if core == 'int32_t' else f'({result})(uintptr_t)'}{call};"
        if result == core:
            return result, f"return {call};"
        is_widened = core == "int32_t" and self.layouts.of(resolved).size > _WORD
        is_signed = resolved == model.Builtin("s64")
        return result, f"return ({result}){'(uint32_t)' if is_widened and not is_signed else ''}{call};"

    def _check_error(self, error: model.Type, function: model.Function) -> None:
        scalar = model.Builtin | model.Bool | model.Handle | model.Enum | model.Flags | model.Pointer
        resolved = model.underlying(error)
        if not isinstance(resolved, scalar) or resolved in {model.Builtin("f32"), model.Builtin("f64")}:
            message = (
                f"the C target cannot express the error of {quoted(function.name)}: it is not an integer"
            )
            self.problems.append(Diagnostic(message, function.span))

    def _function_docs(self, function: model.Function, params: list[_CoreParam]) -> tuple[str, ...]:
        extra: list[str] = []
        for param in function.params:
            identifier = self._identifier(param.name)
            extra += _tagged(f"@param {identifier}", param.docs)
        result = function.result
        if result is not None and isinstance(model.underlying(result.type), model.Enum | model.Variant):
            for core in params:
                if core.out:
                    extra += _tagged(f"@param {core.out}", f"{result.docs.strip()} Undefined on error.")
            extra.append("@return 0 on success, else the error.")
        elif result is not None:
            extra += _tagged("@return", result.docs)
        return comment(function.docs, (("",) if extra and function.docs else ()) + tuple(extra))


def _tagged(tag: str, docs: str) -> list[str]:
    safe = docs.replace("*/", "* /").replace("/*", "/ *")
    lines = [line for line in view.doc_lines(f"{tag} {safe}", 3) if line]
    return [lines[0], *(f"    {line}" for line in lines[1:])] if docs.strip() else []
