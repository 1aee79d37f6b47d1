"""The older epochs, the dialects and the extensions: their numbers, functions and layouts, and their docs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from codegen import abi, generate, model
from codegen.layout import Layouts

if TYPE_CHECKING:
    from collections.abc import Iterator

WITX = Path(__file__).resolve().parents[2] / "witx"
CURRENT = WITX.parent / generate.SPEC
HISTORY = tuple(sorted((WITX / "history").glob("*.witx")))
EXTENSIONS = tuple(sorted((WITX / "extensions").glob("*.witx")))
EPOCHS = (CURRENT, *HISTORY)
TOP = (*EPOCHS, *EXTENSIONS)

# The numbers of every epoch, typed from the table in the project's ABI notes. This is the one place where a
# test repeats what the witx text says: a second source, so that a slip in the text shows.

ERRNO_2021 = {"success": 0, "invalid_argument": 1, "missing_memory": 2, "busy": 3}
ERRNO_2022 = {
    "success": 0,
    "invalid_argument": 1,
    "invalid_encoding": 2,
    "missing_memory": 3,
    "busy": 4,
    "runtime_error": 5,
}
ERRNO = ERRNO_2022 | {"unsupported_operation": 6, "too_large": 7, "not_found": 8}
ERRNO_TOKENS = {"end_of_sequence": 100, "context_full": 101, "prompt_too_long": 102, "model_not_found": 103}
ERRNO_WIT = {  # the notes say «other order» only; this one is that of WAMR's public header
    "success": 0,
    "invalid_argument": 1,
    "invalid_encoding": 2,
    "timeout": 3,
    "runtime_error": 4,
    "unsupported_operation": 5,
    "too_large": 6,
    "not_found": 7,
    "security": 8,
    "unknown": 9,
}
TENSOR_TYPE_2021 = {"f16": 0, "f32": 1, "u8": 2, "i32": 3}
TENSOR_TYPE = {"f16": 0, "f32": 1, "f64": 2, "u8": 3, "i32": 4, "i64": 5}
TENSOR_TYPE_WIT = {"f16": 0, "f32": 1, "f64": 2, "bf16": 3, "u8": 4, "i32": 5, "i64": 6}
ENCODING_2022_08 = {"openvino": 0, "onnx": 1, "tensorflow": 2, "pytorch": 3}
ENCODING_2022_10 = ENCODING_2022_08 | {"tensorflowlite": 4}
ENCODING = ENCODING_2022_10 | {"autodetect": 5}
ENCODING_GGML = ENCODING_2022_10 | {"ggml": 5, "autodetect": 6}
ENCODING_WASMEDGE = ENCODING | {
    "ggml": 6,
    "neuralspeed": 7,
    "burn": 8,
    "whisper": 9,
    "mlx": 10,
    "piper": 11,
    "chattts": 12,
    "openvinogenai": 13,
    "bitnet": 14,
}
TARGET = {"cpu": 0, "gpu": 1, "tpu": 2}

VALUES = {
    "2021-02": (ERRNO_2021, TENSOR_TYPE_2021, {"openvino": 0}, TARGET),
    "2021-12": (ERRNO_2021, TENSOR_TYPE_2021, {"openvino": 0, "tensorflow": 1, "onnx": 2}, TARGET),
    "2022-08": (ERRNO_2022, TENSOR_TYPE_2021, ENCODING_2022_08, TARGET),
    "2022-10": (ERRNO_2022, TENSOR_TYPE_2021, ENCODING_2022_10, TARGET),
    "2023-08-14": (ERRNO, TENSOR_TYPE_2021, ENCODING, TARGET),
    "wasi_ephemeral_nn": (ERRNO, TENSOR_TYPE, ENCODING, TARGET),
    "wit": (ERRNO_WIT, TENSOR_TYPE_WIT, ENCODING_GGML, TARGET),
    "wasmedge": (ERRNO | ERRNO_TOKENS, TENSOR_TYPE, ENCODING_WASMEDGE, TARGET | {"auto": 3}),
    "wamr": (ERRNO | ERRNO_TOKENS, TENSOR_TYPE, ENCODING_GGML, TARGET),
    "wamr-legacy": (ERRNO_2022, TENSOR_TYPE_2021, ENCODING_2022_10, TARGET),
}

FIVE = {"load": 5, "init_execution_context": 2, "set_input": 3, "compute": 1, "get_output": 5}
SIX = FIVE | {"load_by_name": 3}
CONFIG = {"load_by_name_with_config": 5}
UNLOAD = {"unload": 1}
FINALIZE = {"finalize_execution_context": 1}
SINGLE = {"compute_single": 1, "get_output_single": 5, "fini_single": 1}

PARAMS = {
    "2021-02": FIVE,
    "2021-12": FIVE,
    "2022-08": FIVE,
    "2022-10": FIVE,
    "2023-08-14": SIX,
    "wasi_ephemeral_nn": SIX,
    "wit": SIX,
    "wasmedge": SIX | CONFIG | UNLOAD | FINALIZE | SINGLE,
    "wamr": SIX | CONFIG,
    "wamr-legacy": SIX | {"load": 4, "get_output": 4},
    "config": CONFIG,
    "unload": UNLOAD,
    "finalize": FINALIZE,
    "single": SINGLE,
}
"""Every function with its number of core parameters; all of them are i32, and so is every result."""


def _types(document: model.Document) -> dict[str, model.TypeDef]:
    return {definition.name: definition for definition in document.types}


def _values(document: model.Document, name: str) -> dict[str, int]:
    """Return the cases of an enum and the constants of its type, by name."""
    definition = _types(document)[name]
    assert isinstance(definition.type, model.Enum)
    cases = {case.name: value for value, case in enumerate(definition.type.cases)}
    constants = {item.name: item.value for item in document.constants if item.type is definition}
    assert not set(cases) & set(constants)
    return cases | constants


def _functions(document: model.Document) -> Iterator[model.Function]:
    for module in document.modules:
        yield from module.functions


def test_each_epoch_and_each_extension_has_its_row_here() -> None:
    assert {path.stem for path in EPOCHS} == set(VALUES)
    assert {path.stem for path in TOP} == set(PARAMS)


@pytest.mark.parametrize("path", TOP, ids=lambda path: path.stem)
def test_each_file_resolves_alone_and_every_target_can_express_it(path: Path) -> None:
    document = generate.document((path,))
    for lang in generate.TARGETS:
        assert generate.text(document, lang)


@pytest.mark.parametrize("path", EPOCHS, ids=lambda path: path.stem)
def test_an_epoch_has_the_numbers_of_the_table(path: Path) -> None:
    document = generate.document((path,))
    names = ("nn_errno", "tensor_type", "graph_encoding", "execution_target")
    assert tuple(_values(document, name) for name in names) == VALUES[path.stem]


@pytest.mark.parametrize("path", EPOCHS, ids=lambda path: path.stem)
def test_only_error_codes_have_values_beside_the_cases(path: Path) -> None:
    document = generate.document((path,))
    assert {constant.type.name for constant in document.constants} <= {"nn_errno"}


@pytest.mark.parametrize("path", TOP, ids=lambda path: path.stem)
def test_a_text_has_its_functions_with_their_core_signatures(path: Path) -> None:
    lowered = {function.name: abi.lower(function) for function in _functions(generate.document((path,)))}
    assert {name: len(core.params) for name, core in lowered.items()} == PARAMS[path.stem]
    assert {valtype for core in lowered.values() for valtype in core.valtypes} == {"i32"}
    assert {core.result for core in lowered.values()} == {"i32"}


@pytest.mark.parametrize("path", TOP, ids=lambda path: path.stem)
def test_the_import_module_is_that_of_the_hosts(path: Path) -> None:
    modules = [module.name for module in generate.document((path,)).modules]
    assert modules == ["wasi_nn" if path.stem == "wamr-legacy" else "wasi_ephemeral_nn"]


@pytest.mark.parametrize("path", EPOCHS, ids=lambda path: path.stem)
def test_tensor_and_builders_have_the_sizes_that_hosts_read(path: Path) -> None:
    document = generate.document((path,))
    layouts, types = Layouts(document), _types(document)
    tensor = layouts.of(types["tensor"].type)
    legacy = path.stem == "wamr-legacy"
    assert (tensor.size, tensor.align) == (12 if legacy else 20, 4)
    assert tensor.offsets == ((0, 4, 8) if legacy else (0, 8, 12))
    sizes = {name: layouts.of(types[name].type).size for name in ("graph_builder", "graph_builder_array")}
    assert sizes == {"graph_builder": 8, "graph_builder_array": 8}
    assert {layouts.of(types[name].type).size for name in ("graph", "graph_execution_context")} == {4}
    assert {layouts.of(types[name].type).size for name in ("tensor_type", "graph_encoding")} == {1}


def test_the_legacy_load_takes_the_address_of_its_builders() -> None:
    (load,) = (
        f for f in _functions(generate.document((WITX / "history/wamr-legacy.witx",))) if f.name == "load"
    )
    assert [param.role for param in abi.lower(load).params] == ["address", "value", "value", "return_pointer"]


def test_types_keep_their_names_through_all_epochs() -> None:
    names = set(_types(generate.document((CURRENT,))))
    for path in HISTORY:
        assert set(_types(generate.document((path,)))) == names, path.name


@pytest.mark.parametrize("path", EXTENSIONS, ids=lambda path: path.stem)
def test_an_extension_has_the_types_of_the_current_text_and_none_of_its_functions(path: Path) -> None:
    current, extension = generate.document((CURRENT,)), generate.document((path,))
    assert _described(extension) == _described(current)
    assert not {f.name for f in _functions(extension)} & {f.name for f in _functions(current)}


def test_an_extended_function_is_the_same_in_an_extension_and_in_the_dialect_that_has_it() -> None:
    wasmedge = {f.name: f for f in _functions(generate.document((WITX / "history/wasmedge.witx",)))}
    for path in EXTENSIONS:
        for function in _functions(generate.document((path,))):
            assert _signature(function) == _signature(wasmedge[function.name]), function.name


def test_a_function_never_changed_its_signature_but_in_the_legacy_module() -> None:
    current = {f.name: _signature(f) for f in _functions(generate.document((CURRENT,)))}
    for path in HISTORY:
        if path.stem != "wamr-legacy":
            shared = {
                f.name: _signature(f) for f in _functions(generate.document((path,))) if f.name in current
            }
            assert shared == {name: current[name] for name in shared}, path.name


def test_every_name_has_docs() -> None:
    missing = [
        f"{path.name}: {what}"
        for path in TOP
        for what, docs in _documented(generate.document((path,)))
        if not docs.strip()
    ]
    assert missing == []


def test_no_file_is_unreachable() -> None:
    read = {Path(source.path).resolve() for path in TOP for source in generate.document((path,)).sources}
    assert read == set(WITX.rglob("*.witx"))


def test_no_part_is_read_but_through_use() -> None:
    """A part may need names of its user; so only parts that say otherwise resolve alone."""
    for path in sorted((WITX / "parts").glob("*.witx")):
        head = path.read_text(encoding="utf-8").partition("\n\n")[0].replace("\n;;", "")
        assert "Needs " in head, path.name
        if "Needs nothing defined before." in head:
            generate.document((path,))


def _described(document: model.Document) -> dict[str, tuple[str, str]]:
    """Return what a type says of itself: shape with the names in it, and docs."""
    return {definition.name: (_shape(definition.type), definition.docs) for definition in document.types}


def _shape(type_: model.Type) -> str:
    """Return a type as text, docs included; names stand for what they name."""
    match type_:
        case model.Named(definition):
            return f"${definition.name}"
        case model.List(element):
            return f"(list {_shape(element)})"
        case model.Pointer(target, is_const):
            return f"({'const_' if is_const else ''}pointer {_shape(target)})"
        case model.Record(fields=fields):
            return repr([(field.name, _shape(field.type), field.docs) for field in fields])
        case _:
            return repr(type_)


def _signature(function: model.Function) -> object:
    assert function.result is not None
    result = function.result.type
    assert isinstance(result, model.Variant)
    cases = tuple(case.type and _shape(case.type) for case in result.cases)
    return tuple((param.name, _shape(param.type)) for param in function.params), cases


def _documented(document: model.Document) -> Iterator[tuple[str, str]]:
    """Yield everything a reader may ask the meaning of, with its docs."""
    for definition in document.types:
        yield definition.name, definition.docs
        type_ = definition.type
        named: tuple[model.Case | model.Field, ...] = ()
        if isinstance(type_, model.Enum):
            named = type_.cases
        elif isinstance(type_, model.Record):
            named = type_.fields
        for item in named:
            yield f"{definition.name}.{item.name}", item.docs
    for constant in document.constants:
        yield f"{constant.type.name}.{constant.name}", constant.docs
    for module in document.modules:
        yield module.name, module.docs
    for function in _functions(document):
        yield function.name, function.docs
        for param in function.params:
            yield f"{function.name}({param.name})", param.docs
        if abi.lower(function).params[-1].role == "return_pointer":
            assert function.result is not None
            yield f"{function.name} result", function.result.docs
