"""The corpus: its texts, their dumps, and the numbers in a dump as C expressions that a compiler can answer.

A spec is a file of `data/valid`, or a folder there: its `main.witx`, or without one all its files together.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pytest

from codegen import generate, naming
from codegen.dump import dump

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from codegen import model

    Json = dict[str, Any]

T = TypeVar("T")

DATA: Final = Path(__file__).parent / "data"
ROOT: Final = Path(__file__).resolve().parents[2]
VALID: Final = tuple(
    sorted({path.relative_to(DATA / "valid").parts[0] for path in DATA.glob("valid/**/*.witx")})
)
NAMES: Final = tuple(name.removesuffix(".witx") for name in VALID)
INVALID: Final = tuple(sorted(DATA.glob("invalid/*.witx")))

REFUSED: Final = {
    ("c", "export_name_control"): "a control character in the import name",
    ("c", "expected_error_record"): "it is not an integer",
    ("c", "expected_error_float"): "it is not an integer",
    ("rust", "expected_error_record"): "it is not an integer",
    ("rust", "expected_error_float"): "it is not an integer",
}
"""What a target legitimately cannot express, and a part of what it says."""


def files(name: str) -> tuple[Path, ...]:
    """Return the files of a spec, as they stand on a command line."""
    folder = DATA / "valid" / name
    if not folder.is_dir():
        return (folder.with_suffix(".witx"),)
    main = folder / "main.witx"
    return (main,) if main.exists() else tuple(sorted(folder.glob("*.witx")))


@functools.cache
def document(name: str) -> model.Document:
    """Return the resolved document of a spec."""
    return generate.document(files(name))


@functools.cache
def dumped(name: str) -> Json:
    """Return the dump of a spec."""
    return dump(document(name))


def generated(lang: str) -> tuple[str, ...]:
    """Return the specs that a target can express."""
    return tuple(name for name in NAMES if (lang, name) not in REFUSED)


def prefix(name: str) -> str:
    """Return the prefix of a spec's C names: all headers fit one translation unit."""
    return f"p{NAMES.index(name)}_"


@functools.cache
def text(name: str, lang: str) -> str:
    """Return what a target makes of a spec."""
    extra = {"stem": name} if lang == "c" else {}
    return generate.text(document(name), lang, generate.Options(prefix=prefix(name)), **extra)


# Numbers


def numbers(name: str) -> Iterator[tuple[str, int]]:
    """Yield every size, alignment and offset in a dump, with the C expression that asks a compiler for it."""
    for type_ in dumped(name)["types"]:
        yield from _numbers(naming.prefixed(prefix(name), type_["name"]) + "_t", type_["type"])


def _numbers(c_type: str, type_: Json) -> Iterator[tuple[str, int]]:
    """Yield those of one type; `c_type` is how C spells it. A named type's insides are its own."""
    yield f"sizeof({c_type})", type_["size"]
    yield f"_Alignof({c_type})", type_["align"]
    null = f"(({c_type} *)0)"
    match type_["kind"]:
        case "record" | "tuple":
            for field in type_["fields"]:
                member = naming.snake(field["name"], naming.C_KEYWORDS)
                yield f"offsetof({c_type}, {member})", field["offset"]
                yield from _numbers(f"__typeof__({null}->{member})", field["type"])
        case "variant" | "union" | "expected":
            yield f"offsetof({c_type}, tag)", 0
            for case in type_["cases"]:
                if case["type"] is not None:
                    member = naming.snake(case["name"], naming.C_KEYWORDS)
                    yield f"offsetof({c_type}, payload.{member})", type_["payload_offset"]
                    yield from _numbers(f"__typeof__({null}->payload.{member})", case["type"])
        case "list" | "string":
            yield f"offsetof({c_type}, ptr)", 0
            yield f"offsetof({c_type}, len)", 4
            if type_["kind"] == "list":
                yield from _numbers(f"__typeof__(*{null}->ptr)", type_["element"])
        case "pointer":
            yield from _numbers(f"__typeof__(**{null})", type_["target"])


def signatures(name: str) -> list[tuple[str, str, tuple[str, ...], tuple[str, ...]]]:
    """Return module, name, parameters and results of every import in a dump, sorted."""
    return sorted(
        (
            module["name"],
            function["name"],
            tuple(param["type"] for param in function["core"]["params"]),
            (function["core"]["result"],) if function["core"]["result"] else (),
        )
        for module in dumped(name)["modules"]
        for function in module["functions"]
    )


# Headers


def write_headers(folder: Path) -> tuple[Path, ...]:
    """Write every header, and `all.h` that includes them all."""
    paths = []
    for name in generated("c"):
        path = folder / f"{name}.h"
        path.write_text(text(name, "c"), encoding="utf-8")
        paths.append(path)
    lines = "".join(f'#include "{path.name}"\n' for path in paths)
    (folder / "all.h").write_text(lines, encoding="utf-8")
    return tuple(paths)


def without_asserts(header: str) -> str:
    """Return a header without its layout asserts, so that the compiler is asked and not told."""
    stripped, count = re.subn(r"^\w+_STATIC_ASSERT\(.*\);\n", "", header, flags=re.MULTILINE)
    assert count or "typedef" not in header
    return stripped


# Tools and goldens


def tool(path: str | Path | None, what: str) -> str:
    """Return a program's path; without it the test is skipped, and fails where `CI` is set."""
    if path is None or not Path(path).exists():
        message = f"{what} is missing"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return str(path)


def wasi_clang(name: str = "clang") -> str:
    """Return the wasi-sdk's compiler."""
    home = Path(os.environ.get("WASI_SDK_PATH") or ROOT / "build/wasi-sdk")
    return tool(home / "bin" / name, f"wasi-sdk's {name} (run `make toolchain`)")


def program(name: str) -> str:
    """Return a program of the machine."""
    return tool(shutil.which(name), name)


def run(*command: str | Path, cwd: Path | None = None, **environment: str) -> None:
    """Run a command; what it says against its input fails the test."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, cwd=cwd, env={**os.environ, **environment}
    )
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}{done.stderr}"


def in_parallel(work: Callable[[T], None], items: Iterable[T]) -> None:
    """Do the work on every item, a compiler per processor; the first failure is raised."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for future in [pool.submit(work, item) for item in items]:
            future.result()


def compare(golden: Path, found: str, *, bless: bool) -> None:
    """Compare with a golden file, or write it when blessing."""
    if bless:
        golden.write_text(found, encoding="utf-8")
    assert golden.exists(), f"{golden.name} is missing: look at it after `pytest tests/codegen --bless`"
    assert found == golden.read_text(encoding="utf-8"), f"{golden.name} differs from what is found"


def as_json(data: Json) -> str:
    """Return the text of a golden dump."""
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"
