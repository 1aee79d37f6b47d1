"""A document as plain JSON-ready data: the resolved interface with layouts and core signatures.

The schema is described in docs/dump.md and is stable: a change to it raises `FORMAT`.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, assert_never

from codegen import abi, model
from codegen.layout import Layouts

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMAT: Final = 1

Json = dict[str, Any]


def dump(document: model.Document) -> Json:
    """Return the whole document; a pure function of the witx text."""
    layouts = Layouts(document)
    return {
        "format": FORMAT,
        "sources": [PurePath(source.path).name for source in document.sources],
        "types": [
            {"name": definition.name, "docs": definition.docs, "type": _type(definition.type, layouts)}
            for definition in document.types
        ],
        "constants": [
            {
                "type": constant.type.name,
                "name": constant.name,
                "value": constant.value,
                "docs": constant.docs,
            }
            for constant in document.constants
        ],
        "modules": [_module(module, layouts) for module in document.modules],
    }


def _type(type_: model.Type, layouts: Layouts) -> Json:
    """Return a type with its size and alignment; a name stands for its definition."""
    layout = layouts.of(type_)
    return {**_shape(type_, layouts), "size": layout.size, "align": layout.align}


def _shape(type_: model.Type, layouts: Layouts) -> Json:  # noqa: C901, PLR0911 (one branch per type)
    match type_:
        case model.Named(definition):
            return {"kind": "name", "name": definition.name}
        case model.Builtin(name):
            return {"kind": "builtin", "name": name}
        case model.Bool():
            return {"kind": "bool"}
        case model.String():
            return {"kind": "string"}
        case model.Handle():
            return {"kind": "handle"}
        case model.List(element):
            return {"kind": "list", "element": _type(element, layouts)}
        case model.Pointer(target, is_const):
            return {"kind": "pointer", "const": is_const, "target": _type(target, layouts)}
        case model.Enum(tag, cases):
            return {"kind": "enum", "tag": tag, "cases": _values(cases, range(len(cases)))}
        case model.Flags(repr_, flags):
            return {
                "kind": "flags",
                "repr": repr_,
                "flags": _values(flags, (1 << i for i in range(len(flags)))),
            }
        case model.Record(fields, is_tuple):
            offsets = layouts.of(type_).offsets
            return {
                "kind": "tuple" if is_tuple else "record",
                "fields": [
                    {"name": f.name, "docs": f.docs, "offset": offset, "type": _type(f.type, layouts)}
                    for f, offset in zip(fields, offsets, strict=True)
                ],
            }
        case model.Variant():
            return _variant(type_, layouts)
    assert_never(type_)


def _variant(type_: model.Variant, layouts: Layouts) -> Json:
    return {
        "kind": type_.form,
        "tag": type_.tag,
        "tag_enum": None if type_.tag_enum is None else type_.tag_enum.name,
        "payload_offset": layouts.of(type_).payload_offset,
        "cases": [
            {
                "name": case.name,
                "docs": case.docs,
                "value": value,
                "type": None if case.type is None else _type(case.type, layouts),
            }
            for value, case in enumerate(type_.cases)
        ],
    }


def _values(cases: tuple[model.Case, ...], values: Iterable[int]) -> list[Json]:
    return [
        {"name": case.name, "docs": case.docs, "value": value}
        for case, value in zip(cases, values, strict=True)
    ]


def _module(module: model.Module, layouts: Layouts) -> Json:
    return {
        "name": module.name,
        "docs": module.docs,
        "imports": list(module.imports),
        "functions": [_function(function, layouts) for function in module.functions],
    }


def _function(function: model.Function, layouts: Layouts) -> Json:
    lowered = abi.lower(function)
    return {
        "name": function.name,
        "docs": function.docs,
        "params": [_param(param, layouts) for param in function.params],
        "result": None if function.result is None else _param(function.result, layouts),
        "noreturn": function.noreturn,
        "core": {
            "params": [
                {
                    "type": core.valtype,
                    "role": core.role,
                    "param": None if core.param is None else core.param.name,
                    "pointee": _pointee(core, layouts),
                    "means": _type(core.type, layouts),
                }
                for core in lowered.params
            ],
            "result": lowered.result,
        },
    }


def _param(param: model.Param, layouts: Layouts) -> Json:
    return {"name": param.name, "docs": param.docs, "type": _type(param.type, layouts)}


def _pointee(core: abi.CoreParam, layouts: Layouts) -> Json | None:
    """Return the memory an address or return pointer must have."""
    if core.role not in {"address", "return_pointer"}:
        return None
    layout = layouts.of(core.type)
    return {"size": layout.size, "align": layout.align}
