"""The Rust target: one `no_std` module with types, raw imports, typed wrappers and const layout asserts.

It decides names and spellings; the template only places them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from codegen import abi, model, naming
from codegen.layout import Layouts
from codegen.resolve import INT_BITS
from codegen.source import Diagnostic, WitxError, quoted
from codegen.targets import view

if TYPE_CHECKING:
    from codegen.source import Span

_SCALARS: Final = {
    "u8": "u8",
    "u16": "u16",
    "u32": "u32",
    "u64": "u64",
    "s8": "i8",
    "s16": "i16",
    "s32": "i32",
    "s64": "i64",
    "f32": "f32",
    "f64": "f64",
    "char": "u32",
    "char8": "u8",
    "usize": "usize",
}
_WIDTH: Final = 96
"""Characters of a line in a function's body, its indent not counted."""
_LONGEST_PLAIN: Final = 9999
"""The largest number written without `_` between its digits."""
_WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class RustConstant:
    """An associated constant, or (with `type`) a constant of the module."""

    docs: tuple[str, ...]
    name: str
    value: str
    spec_name: str = ""
    type: str = ""


@dataclass(frozen=True, slots=True)
class RustField:
    """A field of a struct or union; a private one is padding."""

    docs: tuple[str, ...]
    name: str
    type: str
    is_public: bool = True


@dataclass(frozen=True, slots=True)
class RustType:
    """One declaration; one of the `is_` claims holds. An enum may be open too: it has unlisted values."""

    docs: tuple[str, ...]
    name: str
    generics: str
    target: str = ""
    fields: tuple[RustField, ...] = ()
    constants: tuple[RustConstant, ...] = ()
    asserts: tuple[str, ...] = ()
    is_alias: bool = False
    is_enum: bool = False
    is_open: bool = False
    is_flags: bool = False
    is_handle: bool = False
    is_struct: bool = False
    is_union: bool = False

    @property
    def arguments(self) -> tuple[RustField, ...]:
        """The fields a constructor takes: all but padding."""
        return tuple(field for field in self.fields if field.is_public)

    @property
    def padding(self) -> tuple[RustField, ...]:
        """The fields a constructor zeroes."""
        return tuple(field for field in self.fields if not field.is_public)


@dataclass(frozen=True, slots=True)
class RustFunction:
    """A raw import and its typed wrapper; `is_value` says that it returns one without a `Result`."""

    docs: tuple[str, ...]
    link_name: str
    name: str
    raw_params: tuple[str, ...]
    raw_result: str
    params: tuple[str, ...]
    result: str
    is_unsafe: bool
    is_value: bool
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RustModule:
    """The imports of one witx module."""

    link_module: str
    name: str
    used_types: str
    functions: tuple[RustFunction, ...]


@dataclass(frozen=True, slots=True)
class RustView:
    """Everything the Rust template prints."""

    banner: str
    docs: tuple[str, ...]
    base_types: str
    has_list: bool
    has_string: bool
    types: tuple[RustType, ...]
    constants: tuple[RustConstant, ...]
    modules: tuple[RustModule, ...]


def build(document: model.Document, base: view.Base = view.NO_BASE) -> RustView:
    """Return the view of a document.

    Args:
        document: the interface.
        base: the module beside this one that has some of the types already.

    Raises:
        WitxError: names collide, or the Rust target cannot express something.
    """
    builder = _Builder(document, base)
    result = builder.view()
    if builder.problems:
        raise WitxError(builder.problems)
    return result


def comment(docs: str, indent: int = 0, sign: str = "///") -> tuple[str, ...]:
    """Return doc comment lines; what Markdown would take for a link or a tag is escaped outside code."""
    parts = docs.split("`")
    parts[::2] = [_escaped(part) for part in parts[::2]]
    if len(parts) % 2 == 0:  # the last tick opens nothing
        parts[-1] = _escaped(parts[-1])
    return tuple(f"{sign} {line}".rstrip() for line in view.doc_lines("`".join(parts), indent + 4))


def string_literal(text: str) -> str:
    """Return a Rust string literal."""
    return '"' + _printable(text, '"\\') + '"'


def _printable(text: str, unsafe: str = "") -> str:
    return "".join(c if c.isprintable() and c not in unsafe else f"\\u{{{ord(c):x}}}" for c in text)


def _escaped(text: str) -> str:
    for character in "\\[]<>":
        text = text.replace(character, "\\" + character)
    return text


@dataclass(slots=True)
class _Builder:
    """One module in the making; `types` fills in order of definition, helpers before their users."""

    document: model.Document
    base: view.Base
    problems: list[Diagnostic] = field(default_factory=list)
    types: list[RustType] = field(default_factory=list)
    spelled: dict[model.TypeDef, str] = field(default_factory=dict)
    borrows: dict[model.TypeDef, bool] = field(default_factory=dict)
    layouts: Layouts = field(init=False)
    names: naming.Scope = field(init=False)
    has_list: bool = False
    has_string: bool = False

    def __post_init__(self) -> None:
        self.layouts = Layouts(self.document)
        self.names = naming.Scope("the Rust module", self.problems)

    def view(self) -> RustView:
        self._reserve()
        for definition in self.document.types:
            self._typedef(definition)
        constants = tuple(self._constant(constant) for constant in self.document.constants)
        modules = tuple(self._module(module) for module in self.document.modules)
        docs = "\n\n".join(module.docs for module in self.document.modules)
        base_types = self._base_types(modules, constants)
        return RustView(
            view.banner(self.document),
            comment(docs, sign="//!"),
            f"{self.base.stem}::{{{', '.join(base_types)}}}" if base_types else "",
            self.has_list and "List" not in base_types,
            self.has_string and "Str" not in base_types,
            tuple(self.types),
            constants,
            modules,
        )

    def _base_types(
        self, modules: tuple[RustModule, ...], constants: tuple[RustConstant, ...]
    ) -> tuple[str, ...]:
        """Return the names this module takes from its base."""
        own = {type_.name for type_ in self.types}
        texts = [text for m in modules for f in m.functions for text in (*f.params, *f.raw_params, f.result)]
        texts += [constant.type for constant in constants]
        texts += [text for type_ in self.types for text in (type_.target, *(f.type for f in type_.fields))]
        known = {self.spelled[definition] for definition in self.base.types}
        if self.base.stem:
            known |= {"List", "Str"}
        return tuple(sorted((known - own).intersection(_WORD.findall(" ".join(texts)))))

    # Types

    def _reserve(self) -> None:
        """Take every name the witx text gives before one is made up, so that the made ones step aside."""
        for definition in self.document.types:
            name = naming.pascal(definition.name, naming.RUST_TYPE_NAMES)
            origin = f"type {quoted('$' + definition.name)}"
            self.spelled[definition] = self.names.claim(name, origin, definition.span)
            self.borrows[definition] = self._borrows(definition.type)
        for module in self.document.modules:
            for function in module.functions:
                name = _snake(self._stem(module, function))
                self.names.claim(name, f"function {quoted(function.name)}", function.span)

    def _stem(self, module: model.Module, function: model.Function) -> str:
        """Return a function's name before case conversion: one module alone needs no name of its own."""
        return function.name if len(self.document.modules) == 1 else f"{module.name} {function.name}"

    def _typedef(self, definition: model.TypeDef) -> None:
        if definition not in self.base.types:
            docs = definition.docs or f"`{definition.name}`."
            self._define(definition.type, self.spelled[definition], docs, definition.span)

    def _borrows(self, type_: model.Type) -> bool:
        """Whether a type holds a list or string, and so has a lifetime."""
        match type_:
            case model.List() | model.String():
                return True
            case model.Named(definition):
                return self.borrows[definition]
            case model.Record(fields=fields):
                return any(self._borrows(field_.type) for field_ in fields)
            case model.Variant(cases=cases):
                return any(case.type is not None and self._borrows(case.type) for case in cases)
            case model.Pointer(target):
                return self._borrows(target)
            case _:
                return False

    def _define(self, type_: model.Type, name: str, docs: str, span: Span) -> None:
        generics = "<'a>" if self._borrows(type_) else ""
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
                self._add(
                    RustType(documented, name, "", tag, (), values, asserts, is_enum=True, is_open=is_open)
                )
            case model.Flags(repr=repr_, flags=flags):
                values = self._values(flags, name, span, is_flags=True)
                self._add(RustType(documented, name, "", repr_, (), values, asserts, is_flags=True))
            case model.Handle():
                self._add(RustType(documented, name, "", "u32", asserts=asserts, is_handle=True))
            case _:
                target = self._spell(type_, "'a", name, span)
                self._add(RustType(documented, name, generics, target, asserts=asserts, is_alias=True))

    def _add(self, type_: RustType) -> None:
        self.types.append(type_)

    def _values(
        self, cases: tuple[model.Case, ...], owner: str, span: Span, *, is_flags: bool
    ) -> tuple[RustConstant, ...]:
        scope = naming.Scope(f"type {quoted(owner)}", self.problems)
        values = []
        for index, case in enumerate(cases):
            name = scope.claim(naming.upper(case.name), f"value {quoted('$' + case.name)}", span)
            docs = comment(case.docs, 4) or (f"/// `{case.name}`.",)
            value = f"1 << {index}" if is_flags else str(index)
            values.append(RustConstant(docs, name, value, string_literal(case.name)))
        return tuple(values)

    def _struct(self, type_: model.Record, name: str, docs: tuple[str, ...], span: Span) -> None:
        generics = "<'a>" if self._borrows(type_) else ""
        scope = naming.Scope(f"struct {quoted(name)}", self.problems)
        names = [scope.claim(_snake(f.name), f"field {quoted('$' + f.name)}", span) for f in type_.fields]
        layout = self.layouts.of(type_)
        fields: list[RustField] = []
        asserts = list(self._size_asserts(type_, name, generics))
        end = 0
        for field_, member, offset in zip(type_.fields, names, layout.offsets, strict=True):
            fields += self._padding(scope, end, offset)
            spelled = self._spell(field_.type, "'a", name + naming.pascal(member), span)
            documented = comment(field_.docs, 4) or (f"/// `{field_.name}`.",)
            fields.append(RustField(documented, member, spelled))
            asserts.append(f"core::mem::offset_of!({name}{_static(generics)}, {member}) == {offset}")
            end = offset + self.layouts.of(field_.type).size
        fields += self._padding(scope, end, layout.size)
        self._add(
            RustType(docs, name, generics, fields=tuple(fields), asserts=tuple(asserts), is_struct=True)
        )

    def _padding(self, scope: naming.Scope, start: int, end: int) -> list[RustField]:
        """Spell out padding as a private field, so that a constructor zeroes it."""
        if start == end:
            return []
        name = scope.local(f"padding{start}")
        return [RustField((), name, f"[u8; {end - start}]", is_public=False)]

    def _variant(self, type_: model.Variant, name: str, docs: tuple[str, ...], span: Span) -> None:
        generics = "<'a>" if self._borrows(type_) else ""
        layout = self.layouts.of(type_)
        scope = naming.Scope(f"the payloads of {quoted(name)}", self.problems)
        payloads = []
        for case in type_.cases:
            if case.type is not None:
                member = _snake(case.name)
                scope.claim(member, f"case {quoted('$' + case.name)}", span)
                spelled = self._spell(case.type, "'a", name + naming.pascal(member), span)
                documented = comment(case.docs, 4) or (f"/// `{case.name}`.",)
                payloads.append(RustField(documented, member, spelled))
        if type_.tag_enum is not None:
            tag = self.spelled[type_.tag_enum]
        else:
            tag = self.names.local(name + "Tag")
            self._define(model.Enum(type_.tag, type_.cases), tag, f"Which case a `{name}` is.", span)
        fields = [RustField(("/// Which case this is.",), "tag", tag)]
        concrete = name + _static(generics)
        asserts = [*self._size_asserts(type_, name, generics), f"core::mem::offset_of!({concrete}, tag) == 0"]
        end = self.layouts.of(model.Builtin(type_.tag)).size
        outer = naming.Scope(f"struct {quoted(name)}", self.problems)
        if payloads:
            union = self.names.local(name + "Payload")
            documented = (f"/// The value of a `{name}`.",)
            self._add(RustType(documented, union, generics, fields=tuple(payloads), is_union=True))
            fields += self._padding(outer, end, layout.payload_offset)
            fields.append(RustField(("/// The value of that case.",), "payload", f"{union}{generics}"))
            asserts.append(f"core::mem::offset_of!({concrete}, payload) == {layout.payload_offset}")
            end = layout.payload_offset + self.layouts.payload(type_).size
        fields += self._padding(outer, end, layout.size)
        self._add(
            RustType(docs, name, generics, fields=tuple(fields), asserts=tuple(asserts), is_struct=True)
        )

    def _size_asserts(self, type_: model.Type, name: str, generics: str) -> tuple[str, ...]:
        layout = self.layouts.of(type_)
        concrete = name + _static(generics)
        return (
            f"core::mem::size_of::<{concrete}>() == {layout.size}",
            f"core::mem::align_of::<{concrete}>() == {layout.align}",
        )

    def _constant(self, constant: model.Constant) -> RustConstant:
        words = (*naming.words(constant.type.name), *naming.words(constant.name))
        name = naming.upper("_".join(words), naming.RUST_KEYWORDS)
        self.names.claim(name, f"constant {quoted('$' + constant.name)}", constant.span)
        resolved = model.underlying(constant.type.type)
        spelled = self.spelled[constant.type]
        is_newtype = isinstance(resolved, model.Enum | model.Flags)
        value = f"{constant.value:_}" if constant.value > _LONGEST_PLAIN else str(constant.value)
        if is_newtype:
            value = f"{self._constructor(constant.type)}({value})"
        docs = comment(constant.docs) or (f"/// `{constant.name}`.",)
        return RustConstant(docs, name, value, type=spelled)

    def _constructor(self, definition: model.TypeDef) -> str:
        """Return the newtype's own name: an alias of a tuple struct cannot be called."""
        while isinstance(definition.type, model.Named):
            definition = definition.type.definition
        return self.spelled[definition]

    def _spell(  # noqa: PLR0911 (one branch per type)
        self, type_: model.Type, lifetime: str, owner: str, span: Span
    ) -> str:
        """Return the Rust spelling of a type; an anonymous compound gets a helper named after its owner."""
        match type_:
            case model.Named(definition):
                generics = f"<{lifetime}>" if self.borrows[definition] else ""
                return self.spelled[definition] + generics
            case model.Builtin(name):
                return _SCALARS[name]
            case model.Bool() | model.Handle():
                return "u32"
            case model.String():
                self.has_string = True
                return f"Str<{lifetime}>"
            case model.List(element):
                self.has_list = True
                return f"List<{lifetime}, {self._spell(element, lifetime, owner + 'Item', span)}>"
            case model.Pointer(target, is_const):
                inner = self._spell(target, lifetime, owner + "Target", span)
                return f"*{'const' if is_const else 'mut'} {inner}"
        helper = self.names.local(owner)
        self._define(type_, helper, "", span)
        return helper + (f"<{lifetime}>" if self._borrows(type_) else "")

    # Functions

    def _module(self, module: model.Module) -> RustModule:
        is_only = len(self.document.modules) == 1
        name = "import" if is_only else f"import_{naming.snake(module.name)}"
        functions = tuple(self._function(f, name, self._stem(module, f)) for f in module.functions)
        raw = " ".join(text for f in functions for text in (*f.raw_params, f.raw_result))
        known = {"List", "Str", *self.spelled.values(), *(type_.name for type_ in self.types)}
        used = sorted(known.intersection(_WORD.findall(raw)))
        return RustModule(string_literal(module.name), name, ", ".join(used), functions)

    def _function(self, function: model.Function, import_module: str, stem: str) -> RustFunction:
        name = _snake(stem)
        if "\0" in function.name:
            message = f"the Rust target cannot express a NUL in the import name {quoted(function.name)}"
            self.problems.append(Diagnostic(message, function.span))
        scope = naming.Scope(f"the parameters of {quoted(name)}", self.problems)
        owner = naming.pascal(stem)
        params, raw_params, arguments = [], [], []
        for param in function.params:
            identifier = _snake(param.name)
            scope.claim(identifier, f"parameter {quoted('$' + param.name)}", param.span)
        for param in function.params:
            typed, raw, passed = self._param(param, owner, scope)
            params.append(typed)
            raw_params += raw
            arguments += passed
        lowered = abi.lower(function)
        outs = [
            self._out(core.type, f"{owner}Ok{index}", scope, function.span)
            for index, core in enumerate(lowered.params)
            if core.param is None
        ]
        raw_params += [f"{out}: *mut {spelled}" for out, spelled in outs]
        arguments += [f"{out}.as_mut_ptr()" for out, _ in outs]
        is_unsafe = _is_unsafe(function)
        call = f"{import_module}::{name}({', '.join(arguments)})"
        result, raw_result, lines = self._result(function, call, outs, scope, owner)
        return RustFunction(
            self._docs(function, is_unsafe=is_unsafe, is_fallible=result.startswith("Result<")),
            string_literal(function.name),
            name,
            tuple(raw_params),
            raw_result,
            tuple(params),
            result,
            is_unsafe,
            bool(result) and not result.startswith(("Result<", "!")),
            tuple(lines),
        )

    def _param(self, param: model.Param, owner: str, scope: naming.Scope) -> tuple[str, list[str], list[str]]:
        """Return a parameter of the wrapper, its raw declarations, and what is passed for them."""
        name = _snake(param.name)
        resolved = model.underlying(param.type)
        owner += naming.pascal(param.name)
        match resolved:
            case model.List(element):
                spelled = self._spell(element, "'_", owner, param.span)
                length = scope.local(f"{name}_len")
                raw = [f"{name}: *const {spelled}", f"{length}: usize"]
                return f"{name}: &[{spelled}]", raw, [f"{name}.as_ptr()", f"{name}.len()"]
            case model.String():
                length = scope.local(f"{name}_len")
                raw = [f"{name}: *const u8", f"{length}: usize"]
                return f"{name}: &str", raw, [f"{name}.as_ptr()", f"{name}.len()"]
            case model.Record() | model.Variant():
                spelled = self._spell(param.type, "'_", owner, param.span)
                return f"{name}: &{spelled}", [f"{name}: *const {spelled}"], [name]
        spelled = self._spell(param.type, "'_", owner, param.span)
        return f"{name}: {spelled}", [f"{name}: {spelled}"], [name]

    def _out(self, type_: model.Type, owner: str, scope: naming.Scope, span: Span) -> tuple[str, str]:
        named = type_.definition.name if isinstance(type_, model.Named) else "ok"
        # Nobody says how long the host keeps a list it hands out; only `as_ptr` reaches what is in it.
        spelled = self._spell(type_, "'static", owner, span)
        return scope.local(naming.snake(named) + "_out"), spelled

    def _result(
        self,
        function: model.Function,
        call: str,
        outs: list[tuple[str, str]],
        scope: naming.Scope,
        owner: str,
    ) -> tuple[str, str, list[str]]:
        """Return the wrapper's result type, the import's, and the wrapper's body."""
        safety = "// SAFETY: every pointer comes from a reference or a local and is valid during the call."
        if _is_unsafe(function):
            safety = "// SAFETY: the caller vouches for its pointers; the others come from references."
        if function.noreturn:
            return "!", "!", [safety, *_unsafe(call)]
        if function.result is None:
            return "", "", [safety, *_unsafe(call, end=";")]
        type_ = model.underlying(function.result.type)
        if not isinstance(type_, model.Enum | model.Variant):
            spelled = self._spell(function.result.type, "'static", owner + "Result", function.span)
            return spelled, spelled, [safety, *_unsafe(call)]
        core = "i64" if type_.tag == "u64" else "i32"
        error, convert = self._error(type_.cases[1].type, core, function)
        code = scope.local("code")
        lines = [f"let mut {out} = core::mem::MaybeUninit::<{spelled}>::zeroed();" for out, spelled in outs]
        lines += [safety, *_unsafe(call, f"let {code} = ", ";")]
        lines += [f"if {code} != 0 {{", f"    return Err({convert.format(code)});", "}"]
        values = [f"unsafe {{ {out}.assume_init() }}" for out, _ in outs]
        types = [spelled for _, spelled in outs]
        if outs:
            lines.append("// SAFETY: zeroed above, and zero is a value of every type of this interface.")
        single = len(outs) == 1
        lines += [f"Ok({''.join(values)})"] if single else _broken("Ok((", values, "))")
        return f"Result<{types[0] if single else '(' + ', '.join(types) + ')'}, {error}>", core, lines

    def _error(  # noqa: PLR0911 (one branch per type)
        self, error: model.Type | None, core: str, function: model.Function
    ) -> tuple[str, str]:
        """Return the error's type, and how a core value named `{}` becomes one."""
        if error is None:
            return core, "{}"
        resolved = model.underlying(error)
        spelled = self._spell(error, "'static", "", function.span)
        match resolved:
            case model.Enum(tag=scalar) | model.Flags(repr=scalar):
                assert isinstance(error, model.Named)  # noqa: S101 (enums and flags have names)
                return spelled, f"{self._constructor(error.definition)}({_cast(core, scalar)})"
            case model.Handle() if isinstance(error, model.Named):
                return spelled, f"{self._constructor(error.definition)}({_cast(core, 'u32')})"
            case model.Bool():
                return spelled, _cast(core, "u32")
            case model.Pointer(is_const=is_const):
                return spelled, f"{_cast(core, 'usize')} as *{'const' if is_const else 'mut'} _"
            case model.Builtin(name) if name not in {"f32", "f64"}:
                return spelled, _cast(core, _SCALARS[name])
        what = f"the error of {quoted(function.name)}: it is not an integer"
        self.problems.append(Diagnostic(f"the Rust target cannot express {what}", function.span))
        return core, "{}"

    def _docs(self, function: model.Function, *, is_unsafe: bool, is_fallible: bool) -> tuple[str, ...]:
        docs = list(comment(function.docs)) or [f"/// `{_printable(function.name)}`."]
        documented = [param for param in function.params if param.docs]
        if documented:
            docs.append("///")
        for param in documented:
            lines = comment(f"- `{_snake(param.name)}`: {param.docs}", 2)
            docs += [lines[0], *(line.replace("/// ", "///   ", 1) for line in lines[1:])]
        if function.result is not None and function.result.docs:
            docs += ["///", *comment(f"Returns: {function.result.docs}")]
        if is_fallible:
            docs += ["///", "/// # Errors", "///", "/// The error the host answers."]
        if is_unsafe:
            docs += ["///", "/// # Safety", "///"]
            docs += ["/// The pointers must be valid for what the function does with them."]
        return tuple(docs)


def _snake(name: str) -> str:
    """Return a lower-case identifier; Rust reads `_` in front as unused, so `n` goes before it."""
    identifier = naming.snake(name, naming.RUST_KEYWORDS)
    return f"n{identifier}" if identifier.startswith("_") else identifier


def _is_unsafe(function: model.Function) -> bool:
    return any(_has_pointer(param.type) for param in function.params)


def _has_pointer(type_: model.Type) -> bool:
    """Whether a value of a type leads to a raw pointer, which its caller has to vouch for."""
    match model.underlying(type_):
        case model.Pointer():
            return True
        case model.List(element):
            return _has_pointer(element)
        case model.Record(fields=fields):
            return any(_has_pointer(field.type) for field in fields)
        case model.Variant(cases=cases):
            return any(case.type is not None and _has_pointer(case.type) for case in cases)
        case _:
            return False


def _cast(core: str, scalar: str) -> str:
    """Return how the core value `{}` becomes a scalar: a wider one is filled with zeros or the sign."""
    if scalar == core:
        return "{}"
    if core == "i32" and scalar in {"u64", "i64"}:
        return "i64::from({})" if scalar == "i64" else "u64::from({} as u32)"
    return f"{{}} as {scalar}"


def _unsafe(call: str, start: str = "", end: str = "") -> list[str]:
    """Return a call in an unsafe block, its arguments on lines of their own where one line is too long."""
    line = f"{start}unsafe {{ {call} }}{end}"
    if len(line) <= _WIDTH:
        return [line]
    name, _, arguments = call.removesuffix(")").partition("(")
    is_statement = end and not start
    inner = _broken(f"{name}(", arguments.split(", "), ");" if is_statement else ")")
    return [f"{start}unsafe {{", *(f"    {part}" for part in inner), "}" if is_statement else f"}}{end}"]


def _broken(start: str, items: list[str], end: str) -> list[str]:
    """Return items between brackets, on lines of their own where one line is too long."""
    line = f"{start}{', '.join(items)}{end}"
    return [line] if len(line) <= _WIDTH else [start, *(f"    {item}," for item in items), end]


def _static(generics: str) -> str:
    return generics.replace("'a", "'static")
