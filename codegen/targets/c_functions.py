"""The functions of one C header: raw imports and the typed wrappers around them.

It defines no types itself, but asks for the helpers that anonymous ones need.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from codegen import abi, model, naming
from codegen.source import Diagnostic, quoted
from codegen.targets.c_text import CORE, comment, string_literal, tagged
from codegen.targets.c_view import CFunction

if TYPE_CHECKING:
    from codegen.abi import CoreParam
    from codegen.source import Span
    from codegen.targets.c_names import Names
    from codegen.targets.c_types import TypeBuilder

_WORD: Final = 4
_UNSPEAKABLE: Final = re.compile(r"[\x00-\x06\x0e-\x1f\x7f-\x9f]")
"""What a C string literal cannot say without a numeric escape."""


@dataclass(frozen=True, slots=True)
class _CoreParam:
    """A core parameter: raw and typed declarations, and what the wrapper passes to the import."""

    raw: str
    typed: str
    argument: str
    out: str = ""


@dataclass(frozen=True, slots=True)
class FunctionBuilder:
    """The functions of one header in the making."""

    names: Names
    types: TypeBuilder

    def function(self, module: model.Module, function: model.Function) -> CFunction:
        """Return a function's raw import and its wrapper; helper types go to the type builder."""
        lowered = abi.lower(function)
        name = self.names.function(module, function)
        raw_name = self.names.raw[function]
        self._check_import_name(function)
        scope = self.names.scope(f"the parameters of {quoted(name)}")
        for param in function.params:
            identifier = self.names.identifier(param.name)
            scope.claim(identifier, f"parameter {quoted('$' + param.name)}", param.span)
        params = [self._core_param(core, scope, name, function.span) for core in lowered.params]
        raw_result, result, body = self._result(function, lowered, raw_name, params)
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

    def _check_import_name(self, function: model.Function) -> None:
        found = _UNSPEAKABLE.search(function.name)
        if found:
            what = "a NUL" if found[0] == "\0" else "a control character"
            message = f"the C target cannot express {what} in the import name {quoted(function.name)}"
            self.names.problems.append(Diagnostic(message, function.span))

    def _core_param(self, core: CoreParam, scope: naming.Scope, function: str, span: Span) -> _CoreParam:
        if core.param is None:
            named = core.type.definition.name if isinstance(core.type, model.Named) else "ok"
            identifier = self.names.parameter(scope, naming.snake(named) + "_out")
            declaration = self.types.declared(core.type, f"{function}_{identifier}", span, f"*{identifier}")
            return _CoreParam(declaration, declaration, identifier, out=identifier)
        identifier = self.names.identifier(core.param.name)
        owner = f"{function}_{identifier}"
        resolved = model.underlying(core.type)
        match core.role:
            case "pointer":
                element: model.Type = model.Builtin("char8")
                if isinstance(resolved, model.List):
                    element = resolved.element
                declaration = self.types.declared(element, owner, span, f"*{identifier}", is_const=True)
            case "length":
                identifier = self.names.parameter(scope, f"{identifier}_len")
                declaration = f"size_t {identifier}"
            case "address":
                declaration = self.types.declared(core.type, owner, span, f"*{identifier}", is_const=True)
            case _:
                declaration = self.types.declared(core.type, owner, span, identifier)
                if not isinstance(resolved, model.Pointer):
                    is_char = resolved == model.Builtin("char8")  # signed in clang: widen from the byte
                    argument = f"({CORE[core.valtype]}){'(uint8_t)' if is_char else ''}{identifier}"
                    return _CoreParam(f"{CORE[core.valtype]} {identifier}", declaration, argument)
        return _CoreParam(declaration, declaration, identifier)

    def _result(
        self, function: model.Function, lowered: abi.Lowered, raw_name: str, params: list[_CoreParam]
    ) -> tuple[str, str, str]:
        """Return the import's result type, the wrapper's, and the wrapper's one statement."""
        call = f"{raw_name}({', '.join(param.argument for param in params)})"
        if function.result is None:
            return "void", "void", f"{call};"
        type_ = model.underlying(function.result.type)
        core = CORE[lowered.result or "i32"]
        value = function.result.type
        if isinstance(type_, model.Enum | model.Variant):
            error = type_.cases[1].type
            if error is None:
                return core, core, f"return {call};"
            self._check_error(error, function)
            value = error
        resolved = model.underlying(value)
        result = self.types.declared(value, f"{raw_name}_result", function.span, "").rstrip()
        if isinstance(resolved, model.Pointer):
            if core == "int32_t":
                return result, result, f"return {call};"
            return core, result, f"return ({result})(uintptr_t){call};"
        if result == core:
            return core, result, f"return {call};"
        is_widened = core == "int32_t" and self.types.layouts.of(resolved).size > _WORD
        is_signed = resolved == model.Builtin("s64")
        cast = f"({result}){'(uint32_t)' if is_widened and not is_signed else ''}"
        return core, result, f"return {cast}{call};"

    def _check_error(self, error: model.Type, function: model.Function) -> None:
        scalar = model.Builtin | model.Bool | model.Handle | model.Enum | model.Flags | model.Pointer
        resolved = model.underlying(error)
        if not isinstance(resolved, scalar) or resolved in {model.Builtin("f32"), model.Builtin("f64")}:
            message = (
                f"the C target cannot express the error of {quoted(function.name)}: it is not an integer"
            )
            self.names.problems.append(Diagnostic(message, function.span))

    def _function_docs(self, function: model.Function, params: list[_CoreParam]) -> tuple[str, ...]:
        extra: list[str] = []
        for param in function.params:
            identifier = self.names.identifier(param.name)
            extra += tagged(f"@param {identifier}", param.docs)
        result = function.result
        if result is not None and isinstance(model.underlying(result.type), model.Enum | model.Variant):
            for core in params:
                if core.out:
                    extra += tagged(f"@param {core.out}", f"{result.docs.strip()} Undefined on error.")
            extra.append("@return 0 on success, else the error.")
        elif result is not None:
            extra += tagged("@return", result.docs)
        return comment(function.docs, (("",) if extra and function.docs else ()) + tuple(extra))
