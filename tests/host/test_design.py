"""The host keeps to its layering: numbers from `host.abi`, heavy imports late, one place that prints."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import host
from host import abi
from host.bindings import FUNCTIONS, Bindings
from host.errors import Condition, NnError
from host.handles import HandleTable

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCES = [path for path in sorted(Path(host.__path__[0]).rglob("*.py")) if path.name != "abi.py"]


@pytest.mark.parametrize("function", abi.FUNCTIONS, ids=lambda function: str(function.name))
def test_handler_has_the_parameters_of_the_interface(function: abi.Function) -> None:
    handler = inspect.signature(getattr(Bindings, function.name))
    assert list(handler.parameters)[2:] == [param.name for param in function.params]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.name))
def test_no_name_or_number_of_the_interface_is_typed_again(path: Path) -> None:
    text = path.read_text()
    assert abi.MODULE not in text
    assert not re.search(r"\b(Struct|unpack|pack)\(\"<\w{2}", text)
    assert not _typed_numbers(ast.parse(text))


NAMES = re.compile(r"errno|encoding|target|(tensor|element)_?type|kind", re.IGNORECASE)
"""What holds a number of the interface; a variable of another name is not looked at."""


def _typed_numbers(tree: ast.AST) -> list[int]:
    """Return the lines that compare, match or look up a thing of these names by a typed number."""
    found = []
    subjects: Sequence[ast.AST]
    values: Sequence[ast.AST | None]
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, comparators=others):
                subjects, values = [left, *others], [left, *others]
            case ast.Match(subject=subject, cases=cases):
                subjects, values = [subject], [case.pattern for case in cases]
            case ast.Subscript(value=ast.Dict() as table, slice=key):
                subjects, values = [key], table.keys
            case ast.Call(func=ast.Attribute(value=ast.Dict() as table), args=arguments):
                subjects, values = arguments, table.keys
            case _:
                continue
        if any(map(_is_named, subjects)) and any(map(_has_number, values)):
            found.append(node.lineno)
    return found


def _is_named(node: ast.AST) -> bool:
    return NAMES.search(ast.unparse(node)) is not None and not isinstance(node, ast.Constant)


def _has_number(node: ast.AST | None) -> bool:
    return node is not None and any(
        isinstance(part, ast.Constant) and type(part.value) is int for part in ast.walk(node)
    )


@pytest.mark.parametrize(
    "code",
    [
        "if errno == 3: pass",
        "if 3 != error.errno: pass",
        "if encoding in {2, 3}: pass",
        "if tensor.element_type in (2,): pass",
        "match encoding:\n case 3: pass",
        "match target:\n case 1 | 2: pass",
        "{3: 1}[tensor_type]",
        "{3: 1}.get(tensor_type)",
    ],
)
def test_typed_numbers_are_found(code: str) -> None:
    assert _typed_numbers(ast.parse(code))


@pytest.mark.parametrize(
    "code", ["errno == NnErrno.BUSY", "count == 3", "TABLE.get(encoding)", "'errno' == 3"]
)
def test_other_numbers_are_not(code: str) -> None:
    assert not _typed_numbers(ast.parse(code))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.name))
def test_only_the_command_line_prints_and_exits(path: Path) -> None:
    uses = re.findall(r"\b(print\(|sys\.std\w+|sys\.exit|sys\.argv)", path.read_text())
    assert not uses or path.name in {"cli.py", "console.py", "__main__.py"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.name))
def test_nothing_but_the_conversion_imports_openvino_or_numpy(path: Path) -> None:
    """OpenVINO's preprocessing is whole only in its Python package; `convert` alone pays for loading that.

    Inside of Triton tensors are numpy's.
    """
    imports = re.findall(r"^\s*(?:import|from) (openvino|numpy)\b", path.read_text(), re.MULTILINE)
    assert not imports or path.name.startswith(("openvino_convert", "triton_model"))


def test_only_the_command_itself_loads_the_conversion_and_late() -> None:
    code = "import sys, host.cli as c; c.main(['convert', '--help']); c.main(['convert'])\n"
    code += "print([m for m in ('openvino', 'numpy', 'cffi') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\n[]\n")


@pytest.mark.parametrize("module", ["host.cli", "host.runner", "host.nn", "host.bindings"])
def test_importing_the_host_loads_neither_openvino_nor_cffi(module: str) -> None:
    code = f"import sys, {module}; print([m for m in ('openvino', 'numpy', 'cffi') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_handles_end_when_their_numbers_do() -> None:
    table: HandleTable[str] = HandleTable("graph", 9, iter([1]))
    table.insert("a")
    with pytest.raises(NnError) as caught:
        table.insert("b")
    assert caught.value.condition is Condition.OUT_OF_HANDLES


@pytest.mark.parametrize("epoch", [epoch for epoch in abi.EPOCHS.values() if epoch.module == abi.MODULE])
def test_every_function_of_every_epoch_can_be_linked(epoch: abi.Epoch) -> None:
    """With the signature that the epoch's own text gives it."""
    linked = {function.name: " ".join(param.type for param in function.params) for function in FUNCTIONS}
    assert epoch.functions.items() <= linked.items()


def test_handles_are_never_given_out_twice() -> None:
    table: HandleTable[str] = HandleTable("graph", 1, iter(range(1, 10)))
    first = table.insert("a")
    assert table.remove(first) == "a"
    assert table.insert("b") != first
    with pytest.raises(NnError) as caught:
        table.get(first)
    assert caught.value.condition is Condition.HANDLE_NOT_LIVE


def test_every_condition_is_documented() -> None:
    """`docs/host.md` says of each condition what the table says, in the row of its errno."""
    rows = Path(host.__path__[0]).parent.joinpath("docs", "host.md").read_text().splitlines()
    for condition in Condition:
        start = f"| {condition.errno.value} `{condition.errno.name.lower()}` |"
        (row,) = [line for line in rows if line.startswith(start)]
        assert condition.value[1] in row
