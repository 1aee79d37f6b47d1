"""Syntax trees to a Document: names bound, ranges and legality checked (witx rules, stricter where stated).

It computes no layout. `use` is followed through the `load` function it is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from codegen import model, syntax
from codegen.source import SHOWN, Diagnostic, Span, WitxError, did_you_mean, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from codegen.source import Source

    Load = Callable[[str, syntax.Name | None], tuple[str, syntax.File] | None]
    """Path as written, and where it is written (None for the command line) → identity and parsed file,
    or None when that file was already loaded. Raises WitxError."""

INT_BITS: Final = {"u8": 8, "u16": 16, "u32": 32, "u64": 64}
_CONSTANT_RANGES: Final = {
    **{name: (1 << bits) - 1 for name, bits in INT_BITS.items()},
    **{"s" + name[1:]: (1 << (bits - 1)) - 1 for name, bits in INT_BITS.items()},
    "usize": (1 << 32) - 1,
}
_MAX_USE_DEPTH: Final = 100
_DEFAULT_TAG: Final = "u32"


def resolve(specs: Iterable[str], load: Load) -> model.Document:
    """Return the document that the given files describe together, in one scope.

    Raises:
        WitxError: carries every problem found, in source order within each file.
    """
    resolver = _Resolver(load)
    for spec in specs:
        resolver.file(spec, None)
    if resolver.problems:
        order = {id(source): index for index, source in enumerate(resolver.sources)}
        last = len(order)
        raise WitxError(
            sorted(resolver.problems, key=lambda d: (order.get(id(d.span.source), last), d.span.start))
        )
    return model.Document(
        tuple(resolver.types.values()),
        tuple(resolver.modules),
        tuple(resolver.constants),
        tuple(resolver.sources),
        tuple(resolver.roots),
    )


class _Scope:
    """Names that must differ from each other; remembers where each was first defined."""

    def __init__(self, problems: list[Diagnostic]) -> None:
        self.problems = problems
        self.first: dict[str, Span] = {}

    def define(self, name: syntax.Name, what: str, sigil: str = "$") -> bool:
        """Note a name; report it and return False if it was taken."""
        first = self.first.setdefault(name.text, name.span)
        if first is name.span:
            return True
        message = f"{what} {quoted(sigil + name.text)} is defined twice"
        self.problems.append(Diagnostic(message, name.span, (("first defined here", first),)))
        return False


class _Resolver:
    """One document in the making."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.problems: list[Diagnostic] = []
        self.sources: list[Source] = []
        self.roots: list[Source] = []
        self.types: dict[str, model.TypeDef] = {}
        self.modules: list[model.Module] = []
        self.constants: list[model.Constant] = []
        self.names = _Scope(self.problems)
        self.constant_scopes: dict[str, _Scope] = {}
        self.broken: set[str] = set()
        self.upcoming: dict[str, Span] = {}
        self.is_incomplete = False
        self.defining: syntax.Name | None = None
        self.depth = 0

    def file(self, path: str, used_at: syntax.Name | None) -> None:
        if used_at is not None and self.depth > _MAX_USE_DEPTH:
            self._report(f"`use` goes more than {_MAX_USE_DEPTH} files deep", used_at.span)
            return
        try:
            loaded = self.load(path, used_at)
        except WitxError as error:
            self.problems.extend(error.diagnostics)
            self.is_incomplete = True  # what it would have defined is not the next file's mistake
            return
        if loaded is None:
            return
        identity, file = loaded
        self.sources.append(file.source)
        if used_at is None:
            self.roots.append(file.source)
        self.depth += 1
        for declaration in file.declarations:
            if isinstance(declaration, syntax.Typename):
                self.upcoming.setdefault(declaration.name.text, declaration.name.span)
        for declaration in file.declarations:
            self._declaration(declaration, identity)
        self.depth -= 1

    def _declaration(self, declaration: syntax.Declaration, identity: str) -> None:
        match declaration:
            case syntax.Use():
                self.file(identity, declaration.path)
            case syntax.Typename():
                self._typename(declaration)
            case syntax.Module():
                self._module(declaration)
            case syntax.Constant():
                self._constant(declaration)

    def _report(
        self, message: str, span: Span, help_: str | None = None, notes: tuple[tuple[str, Span], ...] = ()
    ) -> None:
        self.problems.append(Diagnostic(message, span, notes, help_))

    def _typename(self, node: syntax.Typename) -> None:
        before = len(self.problems)
        self.defining = node.name
        type_ = self._type(node.type)
        self.defining = None
        if self.names.define(node.name, "name") and type_ is not None and len(self.problems) == before:
            self.types[node.name.text] = model.TypeDef(node.name.text, type_, node.docs, node.name.span)
        else:
            self.broken.add(node.name.text)

    def _type(self, node: syntax.Type) -> model.Type | None:  # noqa: C901, PLR0911, PLR0912 (one branch per type)
        """Resolve a type; None when a problem was reported (or the name's own definition was broken)."""
        match node:
            case syntax.Builtin(name):
                return model.Builtin(name)
            case syntax.Bool():
                return model.Bool()
            case syntax.String():
                return model.String()
            case syntax.Handle():
                return model.Handle()
            case syntax.Reference(name):
                definition = self._lookup(name)
                return None if definition is None else model.Named(definition)
            case syntax.List(element):
                inner = self._type(element)
                is_text = inner is not None and model.underlying(inner) == model.Builtin("char")
                return model.String() if is_text else inner and model.List(inner)
            case syntax.Pointer(target, is_const):
                inner = self._type(target)
                return inner and model.Pointer(inner, is_const)
            case syntax.Enum():
                return self._enum(node)
            case syntax.Flags():
                return self._flags(node)
            case syntax.Record():
                return self._record(node)
            case syntax.Tuple():
                return self._tuple(node)
            case syntax.Expected():
                return self._expected(node)
            case syntax.Variant():
                return self._variant(node)
            case syntax.Union():
                return self._union(node)

    def _lookup(self, name: syntax.Name) -> model.TypeDef | None:
        found = self.types.get(name.text)
        if found is not None or name.text in self.broken:
            return found
        shown = quoted("$" + name.text)
        if self.defining is not None and name.text == self.defining.text:
            message = f"type {shown} contains itself"
            self._report(message, name.span, notes=(("being defined here", self.defining.span),))
        elif name.text in self.names.first:
            note = ("defined here", self.names.first[name.text])
            self._report(f"{shown} is a module, not a type", name.span, notes=(note,))
        elif name.text in self.upcoming:
            note = ("introduced only here", self.upcoming[name.text])
            message = "a type must be introduced before its use: move it up"
            self._report(f"unknown type {shown}", name.span, message, (note,))
        elif not self.is_incomplete:
            # The search is the slow part of a problem: not for those that are only counted.
            known = self.types if len(self.problems) < SHOWN else ()
            help_ = did_you_mean("$" + name.text, ("$" + name for name in known))
            self._report(
                f"unknown type {shown}", name.span, help_ or "a type must be introduced before its use"
            )
        return None

    def _integer(self, tag: syntax.Type | None, what: str) -> model.IntName:
        if tag is None:
            return _DEFAULT_TAG
        if isinstance(tag, syntax.Builtin) and tag.name in INT_BITS:
            return cast("model.IntName", tag.name)
        self._report(f"the {what} must be u8, u16, u32 or u64", tag.span)
        return _DEFAULT_TAG

    def _cases(self, members: tuple[syntax.Member, ...], what: str) -> tuple[model.Case, ...]:
        scope = _Scope(self.problems)
        cases = []
        for member in members:
            scope.define(member.name, what)
            type_ = None if member.type is None else self._type(member.type)
            cases.append(model.Case(member.name.text, member.docs, type_))
        return tuple(cases)

    def _fits_tag(self, count: int, tag: model.IntName, what: str, span: Span) -> None:
        if count > 1 << INT_BITS[tag]:
            self._report(f"{count} {what} do not fit a {tag} tag", span, _wider(count.bit_length(), "tag"))

    def _enum(self, node: syntax.Enum) -> model.Enum:
        tag = self._integer(node.tag, "tag")
        cases = self._cases(node.cases, "case")
        self._fits_tag(len(cases), tag, "cases", node.span)
        return model.Enum(tag, cases)

    def _flags(self, node: syntax.Flags) -> model.Flags:
        repr_ = self._integer(node.repr, "repr")
        flags = self._cases(node.flags, "flag")
        if len(flags) > INT_BITS[repr_]:
            help_ = _wider(len(flags), "repr")
            self._report(f"{len(flags)} flags do not fit {repr_}", node.span, help_)
        return model.Flags(repr_, flags)

    def _record(self, node: syntax.Record) -> model.Record:
        scope = _Scope(self.problems)
        fields = []
        for member in node.fields:
            scope.define(member.name, "field")
            type_ = None if member.type is None else self._type(member.type)
            if type_ is not None:
                fields.append(model.Field(member.name.text, type_, member.docs))
        return model.Record(tuple(fields))

    def _tuple(self, node: syntax.Tuple) -> model.Record:
        if not node.members:
            self._report("a tuple needs at least one member", node.span)
        types = [self._type(member) for member in node.members]
        fields = (model.Field(f"f{i}", type_, "") for i, type_ in enumerate(types) if type_ is not None)
        return model.Record(tuple(fields), is_tuple=True)

    def _expected(self, node: syntax.Expected) -> model.Variant:
        ok = None if node.ok is None else self._type(node.ok)
        err = None if node.err is None else self._type(node.err)
        return model.Variant(
            _DEFAULT_TAG, None, (model.Case("ok", "", ok), model.Case("err", "", err)), "expected"
        )

    def _tag_enum(self, tag: syntax.Type | None) -> tuple[model.IntName, model.TypeDef | None]:
        if not isinstance(tag, syntax.Reference):
            return self._integer(tag, "tag"), None
        definition = self._lookup(tag.name)
        if definition is None:
            return _DEFAULT_TAG, None
        enum = model.underlying(definition.type)
        if not isinstance(enum, model.Enum):
            note = ("defined here", definition.span)
            self._report(f"tag {quoted('$' + tag.name.text)} is not an enum", tag.span, notes=(note,))
            return _DEFAULT_TAG, None
        return enum.tag, definition

    def _variant(self, node: syntax.Variant) -> model.Type:
        tag, tag_enum = self._tag_enum(node.tag)
        if not node.cases:
            self._report("a variant needs at least one case", node.span)
        cases = self._cases(node.cases, "case")
        self._fits_tag(len(cases), tag, "cases", node.span)
        if tag_enum is not None:
            cases = self._in_order_of(tag_enum, cases, node)
        if all(case.type is None for case in cases) and all(case.type is None for case in node.cases):
            return model.Enum(tag, cases)
        return model.Variant(tag, tag_enum, cases, "variant")

    def _in_order_of(
        self, tag_enum: model.TypeDef, cases: tuple[model.Case, ...], node: syntax.Variant
    ) -> tuple[model.Case, ...]:
        enum = model.underlying(tag_enum.type)
        assert isinstance(enum, model.Enum)  # noqa: S101 (`_tag_enum` returns no other)
        order = {case.name: index for index, case in enumerate(enum.cases)}
        note = ("the tag is defined here", tag_enum.span)
        for member in node.cases:
            if member.name.text not in order:
                message = (
                    f"case {quoted('$' + member.name.text)} is not in the tag {quoted('$' + tag_enum.name)}"
                )
                help_ = did_you_mean("$" + member.name.text, ("$" + name for name in order))
                self._report(message, member.name.span, help_, (note,))
        if len(node.cases) != len(order):
            message = f"{len(node.cases)} cases, but the tag {quoted('$' + tag_enum.name)} has {len(order)}"
            missing = [f"`(case ${name})`" for name in order if name not in {case.name for case in cases}]
            help_ = f"add {', '.join(missing[:3])}{' …' if len(missing) > 3 else ''}" if missing else None  # noqa: PLR2004 (as many as help)
            self._report(message, node.span, help_, (note,))
        return tuple(sorted(cases, key=lambda case: order.get(case.name, 0)))

    def _union(self, node: syntax.Union) -> model.Variant:
        tag, tag_enum = self._tag_enum(node.tag)
        if not node.members:
            self._report("a union needs at least one member", node.span)
        names = [str(index) for index in range(len(node.members))]
        if tag_enum is not None:
            enum = model.underlying(tag_enum.type)
            assert isinstance(enum, model.Enum)  # noqa: S101 (`_tag_enum` returns no other)
            if len(enum.cases) == len(node.members):
                names = [case.name for case in enum.cases]
            else:
                message = f"{len(node.members)} members, but the tag has {len(enum.cases)} cases"
                self._report(message, node.span, notes=(("the tag is defined here", tag_enum.span),))
        self._fits_tag(len(node.members), tag, "members", node.span)
        types = [self._type(member.type) for member in node.members]
        cases = tuple(
            model.Case(name, member.docs, type_)
            for name, member, type_ in zip(names, node.members, types, strict=True)
        )
        return model.Variant(tag, tag_enum, cases, "union")

    def _constant(self, node: syntax.Constant) -> None:
        definition = self._lookup(node.type)
        scope = self.constant_scopes.setdefault(node.type.text, _Scope(self.problems))
        if not scope.define(node.name, "constant") or definition is None:
            return
        type_ = model.underlying(definition.type)
        name = {model.Flags: "repr", model.Enum: "tag"}.get(type(type_))
        integer = getattr(type_, name) if name else getattr(type_, "name", "")
        largest = _CONSTANT_RANGES.get(integer)
        if largest is None:
            note = ("defined here", definition.span)
            message = f"type {quoted('$' + node.type.text)} holds no integer"
            self._report(message, node.type.span, notes=(note,))
        elif node.value > largest:
            self._report(f"{node.value} does not fit {integer} (largest: {largest})", node.value_span)
        else:
            self.constants.append(
                model.Constant(definition, node.name.text, node.value, node.docs, node.name.span)
            )

    def _module(self, node: syntax.Module) -> None:
        scope = _Scope(self.problems)
        is_new = self.names.define(node.name, "name")
        for item in node.imports:
            scope.define(item.name, "import", sigil="")
        functions = []
        for function in node.functions:
            scope.define(function.name, "function", sigil="")
            functions.append(self._function(function))
        if is_new:
            imports = tuple(item.name.text for item in node.imports)
            span = node.name.span
            self.modules.append(model.Module(node.name.text, imports, tuple(functions), node.docs, span))

    def _function(self, node: syntax.Function) -> model.Function:
        scope = _Scope(self.problems)
        params = []
        for param in node.params:
            scope.define(param.name, "parameter")
            type_ = self._type(param.type)
            if type_ is not None:
                params.append(model.Param(param.name.text, type_, param.docs, param.name.span))
        result = None
        for node_result in node.results:
            scope.define(node_result.name, "result")
            type_ = self._type(node_result.type)
            if type_ is not None:
                result = model.Param(node_result.name.text, type_, node_result.docs, node_result.name.span)
                self._check_result(type_, node_result.type)
        if len(node.results) > 1:
            self._report(
                "a function has at most one result",
                node.results[1].name.span,
                "put several values in `(expected (tuple $a $b) (error $e))`",
                (("the first result is here", node.results[0].name.span),),
            )
        if node.noreturn is not None and node.results:
            note = ("the result is here", node.results[0].name.span)
            self._report("a `noreturn` function has no result", node.noreturn, notes=(note,))
        noreturn = node.noreturn is not None
        return model.Function(node.name.text, tuple(params), result, noreturn, node.docs, node.name.span)

    def _check_result(self, type_: model.Type, node: syntax.Type) -> None:
        resolved = model.underlying(type_)
        if isinstance(resolved, model.Builtin | model.Handle | model.Pointer | model.Flags):
            return
        if not isinstance(resolved, model.Enum | model.Variant) or not resolved.is_expected:
            self._report(
                "this type cannot be a result",
                node.span,
                "a result is a scalar, handle, pointer, flags, or `(expected T (error $e))`",
            )
            return
        ok, err = (case.type for case in resolved.cases)
        nodes = (node.ok, node.err) if isinstance(node, syntax.Expected) else (node, node)
        members = [(ok, nodes[0]), (err, nodes[1])]
        if isinstance(ok, model.Record):
            parts = nodes[0].members if isinstance(nodes[0], syntax.Tuple) else (node,) * len(ok.fields)
            members[:1] = [(field.type, part) for field, part in zip(ok.fields, parts, strict=False)]
        for member, place in members:
            if member is not None and not isinstance(member, model.Named):
                self._report(
                    "the values of an expected result must be named types",
                    (place or node).span,
                    "give the type a name with `(typename $name …)` and use that name",
                )
                return


def _wider(bits: int, option: str) -> str | None:
    """Return a help line naming the narrowest integer with that many bits, or None."""
    fitting = [name for name, have in INT_BITS.items() if have >= bits]
    return f"`(@witx {option} {fitting[0]})` has room for them" if fitting else None
