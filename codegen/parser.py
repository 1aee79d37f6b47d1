"""S-expressions to the syntax tree: the witx grammar (0.9), one function per production.

It looks no name up. A construct of an older or later dialect is refused by that dialect's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from codegen import syntax
from codegen.cursor import Cursor, Refused, described, head_of
from codegen.sexpr import Atom, Comment, Group, SExpr
from codegen.source import Diagnostic, Span, WitxError, did_you_mean, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


T = TypeVar("T")

BUILTINS: Final = ("char", "u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64", "f32", "f64")
_DECLARATIONS: Final = ("use", "typename", "module", "@witx")
_COMPOUNDS: Final = (
    *("enum", "flags", "record", "variant", "union"),
    *("tuple", "expected", "list", "handle", "@witx"),
)
_WITX_TYPES: Final = ("pointer", "const_pointer", "usize", "char8")
_OTHER_NAMES: Final = {
    **{f"i{bits}": f"s{bits}" for bits in (8, 16, 32, 64)},
    **{f"float{bits}": f"f{bits}" for bits in (32, 64)},
}
"""Builtins as other languages call them."""
_DOCUMENT_LEVEL: Final = "older witx dialects put declarations inside `module`; in 0.9 they stand beside it"
_FOREIGN: Final = {
    "array": "`(array T)` is of an older witx dialect; the 0.9 spelling is `(list T)`",
    "struct": "`(struct …)` is of an older witx dialect; the 0.9 spelling is `(record …)`",
    "int": "`(int …)` is of an older witx dialect; 0.9 writes `(@witx const $type $name VALUE)`",
    "option": "`option` is of a later dialect; 0.9 writes a `variant` with the cases `$none` and `$some`",
    "resource": "`resource` is of a later dialect; 0.9 writes `(handle)`",
    "in-buffer": "`in-buffer` is of a later dialect; 0.9 writes `(list T)`",
    "out-buffer": "`out-buffer` is of a later dialect; 0.9 writes `(@witx pointer T)` and a length",
    "field": "`field` belongs in a `record`; the members of a union or tuple are types alone",
    "case": "`case` belongs in a `variant`; the members of a union or tuple are types alone",
    **{name: f"in witx it is `{ours}`" for name, ours in _OTHER_NAMES.items()},
    "func": '0.9 writes a function as `(@interface func (export "…") …)`',
}


def parse(root: Group) -> syntax.File:
    """Return the syntax tree of one file, given its top-level expressions.

    Raises:
        WitxError: something is not witx 0.9; carries every problem found, in source order.
    """
    parser = _Parser()
    declarations = parser.each(root.items, parser.declaration)
    if parser.problems:
        raise WitxError(sorted(parser.problems, key=lambda d: d.span.start))
    return syntax.File(root.span.source, declarations)


def docs_of(comments: tuple[Comment, ...]) -> str:
    """Return the doc text of the comments before an item (`;;;` and `(;; … ;)`), dedented, or ''."""
    kept = []
    for comment in (comment.text for comment in comments):
        body = (comment[2:-2] if comment.startswith("(;") else comment[2:]).rstrip()
        if body.startswith(";"):
            kept.append(body[1:])
    indent = min((len(line) - len(line.lstrip()) for line in kept if line.strip()), default=0)
    return "".join(line[indent:].rstrip() + "\n" for line in kept)


class _Parser:
    """The grammar; `problems` collects what was refused."""

    def __init__(self) -> None:
        self.problems: list[Diagnostic] = []

    def each(self, items: Iterable[SExpr], parse_one: Callable[[SExpr], T]) -> tuple[T, ...]:
        """Parse every item; one that is refused costs only itself."""
        parsed = []
        for item in items:
            try:
                parsed.append(parse_one(item))
            except Refused as refused:
                self.problems.append(refused.diagnostic)
        return tuple(parsed)

    # document := (DOC "(" ( "use" STRING | typename | module | const ) ")")*

    def declaration(self, item: SExpr) -> syntax.Declaration:
        group, head = self._form(item, "a declaration")
        cursor = Cursor(group)
        docs = docs_of(group.comments)
        match head:
            case "use":
                declaration: syntax.Declaration = syntax.Use(cursor.string("a path in quotes"))
            case "typename":
                name = cursor.name("the type's name")
                declaration = syntax.Typename(name, self.type(cursor.take("a type"), named=True), docs)
            case "module":
                name = cursor.name("the module's name")
                imports, functions = self._module_items(cursor.rest())
                declaration = syntax.Module(name, imports, functions, docs)
            case "@witx":
                declaration = self._constant(cursor, docs)
            case _:
                raise self._unknown("declaration", head, group, _DECLARATIONS)
        cursor.end()
        return declaration

    def _constant(self, cursor: Cursor, docs: str) -> syntax.Constant:
        keyword = cursor.atom("word", "`const`")
        if keyword.text != "const":
            message = f"unknown declaration {quoted('@witx ' + keyword.text)}"
            raise Refused(message, keyword.span, did_you_mean(keyword.text, ("const",)))
        type_name = cursor.name("the constant's type")
        name = cursor.name("the constant's name")
        value = cursor.atom("integer", "the constant's value, an unsigned integer")
        return syntax.Constant(type_name, name, value.value, value.span, docs)

    def _module_items(
        self, items: tuple[SExpr, ...]
    ) -> tuple[tuple[syntax.Import, ...], tuple[syntax.Function, ...]]:
        parsed = self.each(items, self._module_item)
        return (
            tuple(item for item in parsed if isinstance(item, syntax.Import)),
            tuple(item for item in parsed if isinstance(item, syntax.Function)),
        )

    def _module_item(self, item: SExpr) -> syntax.Import | syntax.Function:
        group, head = self._form(item, "an import or a function")
        cursor = Cursor(group)
        docs = docs_of(group.comments)
        match head:
            case "import":
                parsed: syntax.Import | syntax.Function = self._import(cursor, docs)
            case "@interface":
                parsed = self._function(cursor, docs)
            case "typename" | "use" | "module" | "@witx":
                raise Refused(f"`{head}` inside a module", group.items[0].span, _DOCUMENT_LEVEL)
            case _:
                raise self._unknown("module item", head, group, ("import", "@interface"))
        cursor.end()
        return parsed

    def _import(self, cursor: Cursor, docs: str) -> syntax.Import:
        name = cursor.string("the import's name in quotes")
        memory = cursor.optional_group("memory")
        if memory is None:
            item = cursor.take("`(memory)`")
            raise Refused(f"expected `(memory)`, found {described(item)}", item.span)
        memory.end()
        return syntax.Import(name, docs)

    def _function(self, cursor: Cursor, docs: str) -> syntax.Function:
        keyword = cursor.atom("word", "`func`")
        if keyword.text != "func":
            message = f"unknown interface item {quoted(keyword.text)}"
            raise Refused(message, keyword.span, did_you_mean(keyword.text, ("func",)))
        export = cursor.optional_group("export")
        if export is None:
            item = cursor.take('`(export "name")`')
            raise Refused(f'expected `(export "name")`, found {described(item)}', item.span)
        name = export.string("the function's name in quotes")
        export.end()
        params: list[syntax.Param] = []
        results: list[syntax.Param] = []
        noreturn: list[Span] = []
        self.each(cursor.rest(), lambda item: self._signature_item(item, params, results, noreturn))
        if len(noreturn) > 1:
            first = ("first here", noreturn[0])
            self.problems.append(Diagnostic("`noreturn` is said twice", noreturn[1], (first,)))
        return syntax.Function(name, tuple(params), tuple(results), noreturn[0] if noreturn else None, docs)

    def _signature_item(
        self, item: SExpr, params: list[syntax.Param], results: list[syntax.Param], noreturn: list[Span]
    ) -> None:
        group, head = self._form(item, "a parameter or a result")
        cursor = Cursor(group)
        match head:
            case "param" | "result":
                name = cursor.name(f"the {head}'s name")
                type_ = self.type(cursor.take(f"the {head}'s type"))
                into = params if head == "param" else results
                into.append(syntax.Param(name, type_, docs_of(group.comments)))
            case "@witx":
                keyword = cursor.atom("word", "`noreturn`")
                if keyword.text != "noreturn":
                    message = f"unknown annotation {quoted('@witx ' + keyword.text)}"
                    raise Refused(message, keyword.span, did_you_mean(keyword.text, ("noreturn",)))
                noreturn.append(group.span)
            case _:
                raise self._unknown("signature item", head, group, ("param", "result", "@witx"))
        cursor.end()

    # type := ID | builtin | "string" | "bool" | "(" compound ")"

    def type(self, item: SExpr, *, named: bool = False) -> syntax.Type:
        """Parse a type; `named` says that it is the body of a `typename`, where every form is allowed."""
        if isinstance(item, Atom):
            return self._simple_type(item)
        group, head = self._form(item, "a type")
        if head in {"enum", "flags", "record", "union", "handle"} and not named:
            raise Refused(
                f"an anonymous `{head}` is not allowed here",
                group.span,
                f"give it a name with `(typename $name ({head} …))` and use that name",
            )
        cursor = Cursor(group)
        parsed = self._compound(head, group, cursor)
        cursor.end()
        return parsed

    def _simple_type(self, atom: Atom) -> syntax.Type:
        match atom.kind, atom.text:
            case "id", _:
                return syntax.Reference(syntax.Name(atom.text, atom.span), atom.span)
            case "word", "string":
                return syntax.String(atom.span)
            case "word", "bool":
                return syntax.Bool(atom.span)
            case "word", text if text in BUILTINS:
                return syntax.Builtin(text, atom.span)
        help_ = _FOREIGN.get(atom.text)
        if help_ is None and atom.text in _WITX_TYPES:
            help_ = f"it is written `(@witx {atom.text})`"
        raise Refused(
            f"unknown type {described(atom)}",
            atom.span,
            help_ or did_you_mean(atom.text, (*BUILTINS, "string", "bool")),
        )

    def _compound(self, head: str, group: Group, cursor: Cursor) -> syntax.Type:  # noqa: C901, PLR0911 (one branch per form)
        span = group.span
        match head:
            case "enum":
                tag = self._integer_option(cursor, "tag", group)
                return syntax.Enum(tag, self._bare_names(cursor, "an enum case", group, least=1), span)
            case "flags":
                tag = self._integer_option(cursor, "repr", group)
                return syntax.Flags(tag, self._bare_names(cursor, "a flag", group), span)
            case "record":
                return syntax.Record(self._fields(cursor, group), span)
            case "variant":
                return syntax.Variant(self._tag(cursor), self.each(cursor.rest(), self._case), span)
            case "union":
                return syntax.Union(self._tag(cursor), self.each(cursor.rest(), self._union_member), span)
            case "tuple":
                return syntax.Tuple(self.each(cursor.rest(), self.type), span)
            case "expected":
                return self._expected(cursor, span)
            case "list":
                return syntax.List(self.type(cursor.take("the element type")), span)
            case "handle":
                return self._handle(cursor, span)
            case "@witx":
                return self._witx_type(cursor, span)
        if head in {*BUILTINS, "string", "bool"}:
            message = f"`{head}` in parentheses"
            raise Refused(message, group.span, f"it is written `{head}`, alone")
        if head in _WITX_TYPES:
            message = f"unknown type {quoted(head)}"
            raise Refused(message, group.items[0].span, f"it is written `(@witx {head} …)`")
        raise self._unknown("type", head, group, (*_COMPOUNDS, *BUILTINS, "string", "bool"))

    def _integer_option(self, cursor: Cursor, keyword: str, group: Group) -> syntax.Builtin | None:
        option = cursor.optional_group("@witx", keyword)
        if option is None:
            item = cursor.next
            if isinstance(item, Atom) and item.kind == "word" and item.text in BUILTINS:
                form = head_of(group, 1)[0]
                raise Refused(
                    f"`({form} {item.text} …)` is of an older witx dialect",
                    item.span,
                    f"the 0.9 spelling is `({form} (@witx {keyword} {item.text}) …)`",
                )
            return None
        type_ = self.type(option.take("an integer type"))
        option.end()
        if isinstance(type_, syntax.Builtin):
            return type_
        raise Refused(f"the {keyword} must be u8, u16, u32 or u64", type_.span)

    def _bare_names(
        self, cursor: Cursor, what: str, group: Group, least: int = 0
    ) -> tuple[syntax.Member, ...]:
        def one(item: SExpr) -> syntax.Member:
            if isinstance(item, Atom) and item.kind == "id":
                name = syntax.Name(item.text, item.span)
                return syntax.Member(name, None, docs_of(item.comments), item.span)
            help_ = None
            if isinstance(item, Group) and head_of(item, 1) == ("@witx",):
                form, option = ("flags", "repr") if what == "a flag" else ("enum", "tag")
                help_ = f"what `{form}` takes is `(@witx {option} u8)`, before all names"
            elif isinstance(item, Atom) and item.kind == "word":
                help_ = "names start with `$`"
            raise Refused(f"expected {what}, `$name`, found {described(item)}", item.span, help_)

        items = cursor.rest()
        if len(items) < least:
            raise Refused(f"expected {what}, `$name`", group.span)
        return self.each(items, one)

    def _fields(self, cursor: Cursor, group: Group) -> tuple[syntax.Member, ...]:
        items = cursor.rest()
        if not items:
            raise Refused("a record needs at least one field", group.span)
        return self.each(items, self._field)

    def _field(self, item: SExpr) -> syntax.Member:
        group, head = self._form(item, "a field")
        if head != "field":
            raise self._unknown("record item", head, group, ("field",))
        cursor = Cursor(group)
        name = cursor.name("the field's name")
        type_ = self.type(cursor.take("the field's type"))
        cursor.end()
        return syntax.Member(name, type_, docs_of(group.comments), group.span)

    def _case(self, item: SExpr) -> syntax.Member:
        group, head = self._form(item, "a case")
        if head != "case":
            raise self._unknown("variant item", head, group, ("case",))
        cursor = Cursor(group)
        name = cursor.name("the case's name")
        type_ = None if cursor.next is None else self.type(cursor.take("the case's type"))
        cursor.end()
        return syntax.Member(name, type_, docs_of(group.comments), group.span)

    def _union_member(self, item: SExpr) -> syntax.UnionMember:
        return syntax.UnionMember(self.type(item), docs_of(item.comments))

    def _tag(self, cursor: Cursor) -> syntax.Type | None:
        option = cursor.optional_group("@witx", "tag")
        if option is None:
            return None
        tag = self.type(option.take("an enum's name or an integer type"))
        option.end()
        return tag

    def _expected(self, cursor: Cursor, span: Span) -> syntax.Expected:
        ok = None
        if not (isinstance(cursor.next, Group) and head_of(cursor.next, 1) == ("error",)):
            ok = self.type(cursor.take("`(error …)`"))
        error = cursor.optional_group("error")
        if error is None:
            item = cursor.take("`(error …)`")
            raise Refused(f"expected `(error …)`, found {described(item)}", item.span)
        err = None if error.next is None else self.type(error.take("the error type"))
        error.end()
        return syntax.Expected(ok, err, span)

    def _handle(self, cursor: Cursor, span: Span) -> syntax.Handle:
        if cursor.next is not None:
            raise Refused(
                "`(handle …)` with a name is of a later dialect", span, "the 0.9 spelling is `(handle)`"
            )
        return syntax.Handle(span)

    def _witx_type(self, cursor: Cursor, span: Span) -> syntax.Type:
        keyword = cursor.atom("word", "`pointer`, `const_pointer`, `usize` or `char8`")
        match keyword.text:
            case "pointer" | "const_pointer":
                target = self.type(cursor.take("the type pointed to"))
                return syntax.Pointer(target, keyword.text == "const_pointer", span)
            case "usize" | "char8":
                return syntax.Builtin(keyword.text, span)
        message = f"unknown type {quoted('@witx ' + keyword.text)}"
        raise Refused(message, keyword.span, did_you_mean(keyword.text, _WITX_TYPES))

    def _form(self, item: SExpr, what: str) -> tuple[Group, str]:
        """Return a group and the word it starts with."""
        if isinstance(item, Atom):
            raise Refused(f"expected {what} in parentheses, found {described(item)}", item.span)
        if not item.items:
            raise Refused(f"expected {what}, found `()`", item.span)
        head = head_of(item, 1)
        if not head:
            first = item.items[0]
            raise Refused(f"expected {what}, found {described(first)}", first.span)
        return item, head[0]

    def _unknown(self, what: str, head: str, group: Group, known: tuple[str, ...]) -> Refused:
        help_ = _FOREIGN.get(head) or did_you_mean(head, known)
        return Refused(f"unknown {what} {quoted(head)}", group.items[0].span, help_)
