"""What the C template prints: ready strings, and what they are for.

It decides nothing: `c_types` and `c_functions` fill it in.
"""

from __future__ import annotations

from dataclasses import dataclass


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
