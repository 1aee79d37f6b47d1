"""The functions of one Rust module: raw imports and the typed wrappers around them.

It defines no types itself, but asks for the helpers that anonymous ones need.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codegen import abi, model, naming
from codegen.source import Diagnostic, quoted
from codegen.targets.rust_text import (
    SCALARS,
    broken,
    cast,
    comment,
    identifiers,
    printable,
    snake,
    string_literal,
    unsafe_block,
)
from codegen.targets.rust_view import RustFunction, RustModule

if TYPE_CHECKING:
    from codegen.source import Span
    from codegen.targets.rust_names import Names
    from codegen.targets.rust_types import TypeBuilder


@dataclass(frozen=True, slots=True)
class FunctionBuilder:
    """The functions of one module in the making."""

    names: Names
    types: TypeBuilder

    def module(self, module: model.Module) -> RustModule:
        """Return a module's imports and wrappers; helper types go to the type builder."""
        is_only = len(self.names.document.modules) == 1
        words = () if is_only else naming.words(module.name)
        name = self.names.imports.local("_".join(("import", *words)).lower())
        functions = tuple(self._function(f, name, self.names.stem(module, f)) for f in module.functions)
        raw = " ".join(text for f in functions for text in (*f.raw_params, f.raw_result))
        known = {"List", "Str", *self.names.spelled.values(), *(type_.name for type_ in self.types.types)}
        used = sorted(known.intersection(identifiers(raw)))
        return RustModule(string_literal(module.name), name, ", ".join(used), functions)

    def _function(self, function: model.Function, import_module: str, stem: str) -> RustFunction:
        name = snake(stem)
        if "\0" in function.name:
            message = f"the Rust target cannot express a NUL in the import name {quoted(function.name)}"
            self.names.problems.append(Diagnostic(message, function.span))
        scope = self.names.scope(f"the parameters of {quoted(name)}")
        owner = naming.pascal(stem)
        params, raw_params, arguments = [], [], []
        for param in function.params:
            identifier = snake(param.name)
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
        is_unsafe = self._is_unsafe(function)
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
        name = snake(param.name)
        resolved = model.underlying(param.type)
        owner += naming.pascal(param.name)
        match resolved:
            case model.List(element):
                spelled = self.types.spell(element, "'_", owner, param.span)
                length = scope.local(f"{name}_len")
                raw = [f"{name}: *const {spelled}", f"{length}: usize"]
                return f"{name}: &[{spelled}]", raw, [f"{name}.as_ptr()", f"{name}.len()"]
            case model.String():
                length = scope.local(f"{name}_len")
                raw = [f"{name}: *const u8", f"{length}: usize"]
                return f"{name}: &str", raw, [f"{name}.as_ptr()", f"{name}.len()"]
            case model.Record() | model.Variant():
                spelled = self.types.spell(param.type, "'_", owner, param.span)
                return f"{name}: &{spelled}", [f"{name}: *const {spelled}"], [name]
            case model.Enum(tag="u64"):  # eight bytes in memory, but not as a parameter
                spelled = self.types.spell(param.type, "'_", owner, param.span)
                core = abi.valtype(resolved)
                return f"{name}: {spelled}", [f"{name}: {core}"], [f"{name}.0 as {core}"]
        spelled = self.types.spell(param.type, "'_", owner, param.span)
        return f"{name}: {spelled}", [f"{name}: {spelled}"], [name]

    def _out(self, type_: model.Type, owner: str, scope: naming.Scope, span: Span) -> tuple[str, str]:
        named = type_.definition.name if isinstance(type_, model.Named) else "ok"
        # Nobody says how long the host keeps a list it hands out; only `as_ptr` reaches what is in it.
        spelled = self.types.spell(type_, "'static", owner, span)
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
        if self._is_unsafe(function):
            safety = "// SAFETY: the caller vouches for its pointers; the others come from references."
        if function.noreturn:
            return "!", "!", [safety, *unsafe_block(call)]
        if function.result is None:
            return "", "", [safety, *unsafe_block(call, end=";")]
        type_ = model.underlying(function.result.type)
        if not isinstance(type_, model.Enum | model.Variant):
            spelled = self.types.spell(function.result.type, "'static", owner + "Result", function.span)
            return spelled, spelled, [safety, *unsafe_block(call)]
        core = "i64" if type_.tag == "u64" else "i32"
        error, convert = self._error(type_.cases[1].type, core, function)
        code = scope.local("code")
        lines = [f"let mut {out} = core::mem::MaybeUninit::<{spelled}>::zeroed();" for out, spelled in outs]
        lines += [safety, *unsafe_block(call, f"let {code} = ", ";")]
        lines += [f"if {code} != 0 {{", f"    return Err({convert.format(code)});", "}"]
        values = [f"unsafe {{ {out}.assume_init() }}" for out, _ in outs]
        types = [spelled for _, spelled in outs]
        if outs:
            lines.append("// SAFETY: zeroed above, and zero is a value of every type of this interface.")
        single = len(outs) == 1
        lines += [f"Ok({''.join(values)})"] if single else broken("Ok((", values, "))")
        return f"Result<{types[0] if single else '(' + ', '.join(types) + ')'}, {error}>", core, lines

    def _error(  # noqa: PLR0911 (one branch per type)
        self, error: model.Type | None, core: str, function: model.Function
    ) -> tuple[str, str]:
        """Return the error's type, and how a core value named `{}` becomes one."""
        if error is None:
            return core, "{}"
        resolved = model.underlying(error)
        spelled = self.types.spell(error, "'static", "", function.span)
        match resolved:
            case model.Enum(tag=scalar) | model.Flags(repr=scalar):
                assert isinstance(error, model.Named)  # noqa: S101 (enums and flags have names)
                return spelled, f"{self.names.constructor(error.definition)}({cast(core, scalar)})"
            case model.Handle() if isinstance(error, model.Named):
                return spelled, f"{self.names.constructor(error.definition)}({cast(core, 'u32')})"
            case model.Bool():
                return spelled, cast(core, "u32")
            case model.Pointer(is_const=is_const):
                return spelled, f"{cast(core, 'usize')} as *{'const' if is_const else 'mut'} _"
            case model.Builtin(name) if name not in {"f32", "f64"}:
                return spelled, cast(core, SCALARS[name])
        what = f"the error of {quoted(function.name)}: it is not an integer"
        self.names.problems.append(Diagnostic(f"the Rust target cannot express {what}", function.span))
        return core, "{}"

    def _docs(self, function: model.Function, *, is_unsafe: bool, is_fallible: bool) -> tuple[str, ...]:
        docs = list(comment(function.docs)) or [f"/// `{printable(function.name)}`."]
        documented = [param for param in function.params if param.docs]
        if documented:
            docs.append("///")
        for param in documented:
            lines = comment(f"- `{snake(param.name)}`: {param.docs}", 2)
            docs += [lines[0], *(line.replace("/// ", "///   ", 1) for line in lines[1:])]
        if function.result is not None and function.result.docs:
            docs += ["///", *comment(f"Returns: {function.result.docs}")]
        if is_fallible:
            docs += ["///", "/// # Errors", "///", "/// The error the host answers."]
        if is_unsafe:
            docs += ["///", "/// # Safety", "///"]
            docs += ["/// The pointers must be valid for what the function does with them."]
        return tuple(docs)

    def _is_unsafe(self, function: model.Function) -> bool:
        return any(self.names.is_pointing(param.type) for param in function.params)
