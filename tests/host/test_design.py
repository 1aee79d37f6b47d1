"""The host keeps to its layering: numbers from `host.abi`, heavy imports late, one place that prints."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import host
from host import abi
from host.bindings import Bindings
from host.errors import Condition, NnError
from host.handles import HandleTable

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
    assert not re.search(r"(errno|encoding|target|type)\s*(==|!=)\s*\d", text)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.name))
def test_only_the_command_line_prints_and_exits(path: Path) -> None:
    uses = re.findall(r"\b(print\(|sys\.std\w+|sys\.exit|sys\.argv)", path.read_text())
    assert not uses or path.name in {"cli.py", "__main__.py"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.name))
def test_only_the_backend_knows_openvino_and_numpy(path: Path) -> None:
    imports = re.findall(r"^\s*(?:import|from) (openvino|numpy)\b", path.read_text(), re.MULTILINE)
    assert not imports or path == Path(host.__path__[0], "backends", "openvino.py")


@pytest.mark.parametrize("module", ["host.cli", "host.runner", "host.nn", "host.bindings"])
def test_importing_the_host_loads_neither_openvino_nor_numpy(module: str) -> None:
    code = f"import sys, {module}; print([m for m in ('openvino', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


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
