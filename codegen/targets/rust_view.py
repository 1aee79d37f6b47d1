"""What the Rust template prints: ready strings, and what they are for.

It decides nothing: `rust_types` and `rust_functions` fill it in.
"""

from __future__ import annotations

from dataclasses import dataclass


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
