"""`--templates`: the AssemblyScript example compiles and runs; what a template does wrong is one line."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from wasmtime import Engine, Func, FuncType, Linker, Memory, Module, Store

from codegen import dump, generate
from codegen.cli import main
from codegen.source import WitxError

if TYPE_CHECKING:
    from collections.abc import Callable

    from wasmtime import Caller

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "template-assemblyscript"
README = (EXAMPLE / "README.md").read_text(encoding="utf-8")
INSTALL, GENERATE, RUN = re.findall(r"^```sh\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
(SAID,) = re.findall(r"^```text\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
VERSION: str = json.loads((EXAMPLE / "package.json").read_text())["devDependencies"]["assemblyscript"]
TOOLS = ROOT / "build" / "toolchains" / f"assemblyscript-{VERSION}"
ASC = TOOLS / "node_modules" / "assemblyscript" / "bin" / "asc.js"
MODEL = ROOT / "build" / "models" / "squeezenet"


def shell(script: str) -> subprocess.CompletedProcess[str]:
    """Run shell lines at the root, without the variables of a surrounding make."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        capture_output=True, text=True, cwd=ROOT, env=env, timeout=300, check=False,
    )  # fmt: skip


def lacking(what: str) -> None:
    """Skip here, fail in CI."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def asc() -> Path:
    """The compiler; fetched once, as the README says, into `build/toolchains`."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        lacking("no node or npm: install Node.js 20 or later")
    if not (TOOLS / "node_modules" / ".package-lock.json").is_file():  # what npm writes last
        done = shell(f"export npm_config_fetch_retries=1; {INSTALL}")
        if done.returncode != 0:
            lacking(f"npm could not install AssemblyScript: {done.stderr.strip()}")
    return ASC


# ---- the example ----


def generated(out: Path, *more: str) -> str:
    """Return what the example's template makes of wasi-nn, or of a spec in `more`."""
    arguments = ["headers", *more, "--templates", str(EXAMPLE), "--lang", "assemblyscript", "--out", str(out)]
    assert main(arguments) == 0
    (made,) = out.glob("*.ts")
    return made.read_text(encoding="utf-8")


def test_the_example_s_bindings_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    """When this fails, run the README's `wasinn-gen headers` line."""
    assert main([*GENERATE.split()[1:], "--check"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_template_s_output_is_the_same_every_time(tmp_path: Path) -> None:
    assert generated(tmp_path / "a") == generated(tmp_path / "b")
    arguments = ["--templates", str(EXAMPLE), "--lang", "assemblyscript", "--out", str(tmp_path / "c")]
    for seed in ("0", "1"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        subprocess.run(
            [sys.executable, "-m", "codegen.cli", "headers", *arguments], check=True, cwd=tmp_path, env=env,
            capture_output=True,
        )  # fmt: skip
        (made,) = (tmp_path / "c").glob("*.ts")
        assert made.read_text(encoding="utf-8") == generated(tmp_path / "a")
        made.unlink()


def test_the_output_is_indented_by_twos_and_fits_the_page(tmp_path: Path) -> None:
    lines = generated(tmp_path).splitlines()
    assert [line for line in lines if len(line) > 130 or "\t" in line or line != line.rstrip()] == []
    assert {len(line) - len(line.lstrip(" ")) for line in lines} == {0, 2, 4, 6}
    assert not any(above == below == "" for above, below in itertools.pairwise(lines))
    assert not any(line == "" and below.strip() == "}" for line, below in itertools.pairwise(lines))


def test_every_name_and_doc_of_the_interface_is_there(tmp_path: Path) -> None:
    text = generated(tmp_path)
    (module,) = dump.dump(generate.document((ROOT / generate.SPEC,)))["modules"]
    for function in module["functions"]:
        assert f'@external("{module["name"]}", "{function["name"]}")' in text
    words = " ".join(text.replace("///", " ").split())
    for function in module["functions"]:
        assert " ".join(function["docs"].split()) in words


def test_the_lock_file_pins_the_compiler_and_names_no_registry() -> None:
    text = (EXAMPLE / "package-lock.json").read_text()
    assert "://" not in text
    assert "resolved" not in text
    packages = json.loads(text)["packages"]
    assert packages["node_modules/assemblyscript"]["version"] == VERSION
    assert all("integrity" in package for path, package in packages.items() if path)
    assert set(re.findall(r"assemblyscript-(\d[\w.]*\w)", README)) == {VERSION}


def test_the_readme_s_guest_compiles_and_classifies(asc: Path) -> None:
    assert asc.is_file()
    if not (MODEL / "model.xml").exists():
        lacking("no model: run `make model`")
    done = shell(RUN)
    assert done.returncode == 0, done.stderr
    assert done.stdout == SAID


def test_the_guest_names_the_error_and_imports_the_interface_only(asc: Path, tmp_path: Path) -> None:
    guest = tmp_path / "grey.wasm"
    compiled(asc, EXAMPLE / "main.ts", guest, f"abort={EXAMPLE.relative_to(ROOT)}/wasi/abort")
    found = {item.module for item in Module.from_file(Engine(), str(guest)).imports}
    (module,) = generate.document((ROOT / generate.SPEC,)).modules
    assert found == {module.name, "wasi_snapshot_preview1"}
    done = shell(f".venv/bin/python -m host run {guest}")
    assert (done.returncode, done.stdout) == (1, "wasi-nn: not_found\n")


def compiled(asc: Path, source: Path, guest: Path, use: str = "abort=") -> None:
    """Compile without a warning."""
    done = subprocess.run(
        ["node", asc, source, "-O", "--runtime", "stub", "--use", use, "-o", guest],
        capture_output=True, text=True, cwd=ROOT, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


# ---- every kind of type ----

EVERY = """
;;; A number */ with "quotes" and \\ a backslash.
(typename $size u64)
(typename $flag bool)
(typename $text string)
(typename $colour (enum (@witx tag u64) $red $i32 $class))
(typename $rights (flags (@witx repr u64) $read $write))
(typename $pair (record (field $a u8) (field $b s64) (field $ok bool) (field $type $rights)
  (field $name string) (field $f f32) (field $t (tuple u8 u16))))
(typename $pairs (list $pair))
(typename $flags (list bool))
(typename $choice (variant (@witx tag u8)
  (case $none) (case $num u64) (case $pair $pair) (case $text $text) (case $on bool) (case $t (tuple u8 u8))))
(typename $sum (union (@witx tag $colour) $size $pair $flag))
(@witx const $size $MAX 18446744073709551615)
(typename $e (enum (@witx tag u16) $fine $bad))
(typename $result (expected $size (error $e)))
(module $load
  (@interface func (export "load") (param $type $rights) (param $x s8) (param $f f64) (param $on bool)
    (param $this $pair) (param $c $choice) (param $l (list u8)) (param $text $text) (result $ok $size))
  (@interface func (export "two") (param $ok u8)
    (result $error (expected (tuple $size $flag $text) (error $e))))
  (@interface func (export "named") (param $p $pairs) (result $error $result))
  (@interface func (export "ok-size") (param $u $sum) (param $f $flags)
    (result $error (expected $size (error))))
  (@interface func (export "it's \\"<&>\\" \\u{e9}\\u{1f600}")))
(module $other (@interface func (export "load") (param $c s32) (@witx noreturn)))
"""

USES_EVERY = """
import * as every from "./every";
export function run(): void {
  const pair = new every.Pair();
  pair.a = 7; pair.b = -2; pair.ok_ = true; pair.type = every.RIGHTS_WRITE; pair.f = 0.5;
  store<u16>(pair.t, 513, 2);
  pair.name = every.utf8(String.UTF8.encode("n\\u00e4me"));
  const choice = new every.Choice();
  choice.as_pair = pair;
  assert(choice.tag == every.CHOICE_PAIR && choice.as_pair.b == -2 && choice.as_pair.ok_);
  const bytes: StaticArray<u8> = [1, 2, 3];
  const list = new every.Slice().over(changetype<usize>(bytes), bytes.length);
  const text = every.utf8(String.UTF8.encode("hi"));
  assert(every.load_.load(every.RIGHTS_READ | every.RIGHTS_WRITE, -1, 2.5, true, pair, choice, list, text)
    == every.SIZE_MAX);

  const size = new every.Out<every.Size>(), flag = new every.Out<u32>(), answer = new every.Slice();
  assert(every.load_.two(200, size, flag, answer) == every.E_BAD);
  assert(size.value == 1 << 40 && flag.value == 1 && answer.length == 9);
  const pairs = new every.Pairs();
  pairs.over(changetype<usize>(pair), 1);
  assert(pairs.at(0).type == every.RIGHTS_WRITE && pairs.at(0).name.length == 5);
  assert(every.load_.named(pairs, size) == every.E_FINE);
  choice.as_num = every.SIZE_MAX; choice.as_text = text; choice.as_on = true;
  assert(choice.as_on && choice.tag == every.CHOICE_ON);
  choice.tag = every.CHOICE_T;
  assert(choice.as_t == changetype<usize>(choice) + 8);
  const sum = new every.Sum(), flags = new every.Flags();
  const words: StaticArray<u32> = [0, 2];
  flags.over(changetype<usize>(words), 2);
  assert(!flags.at(0) && flags.at(1));
  sum.as_class = true;
  assert(every.load_.ok_size(sum, flags, size) == 1);
  assert(every.colour_name(1) == "i32" && every.colour_name(9) == "9");
  every.load_.it_s();
  every.other.load(3);
}
"""


@pytest.fixture(scope="module")
def every(asc: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A guest that uses all of an interface with every kind of type."""
    folder = tmp_path_factory.mktemp("every")
    (folder / "every.witx").write_text(EVERY, encoding="utf-8")
    generated(folder, str(folder / "every.witx"))
    (folder / "main.ts").write_text(USES_EVERY, encoding="utf-8")
    compiled(asc, folder / "main.ts", folder / "main.wasm")
    return folder / "main.wasm"


def test_the_compiled_imports_are_the_interface_s_core_signatures(every: Path) -> None:
    found = {}
    for item in Module.from_file(Engine(), str(every)).imports:
        assert isinstance(item.type, FuncType)
        found[item.module, item.name] = [str(kind) for kind in (*item.type.params, "->", *item.type.results)]
    wanted = {}
    for module in dump.dump(generate.document((every.with_name("every.witx"),)))["modules"]:
        for function in module["functions"]:
            core = function["core"]
            kinds = [*(param["type"] for param in core["params"]), "->", core["result"]]
            wanted[module["name"], function["name"]] = [kind for kind in kinds if kind]
    assert found == wanted


def _use_of_everything(text: str) -> str:
    """Return statements that touch every function and accessor: the compiler looks into no others."""
    uses, space, of = [], "", ""
    for line in text.splitlines():
        if found := re.match(r"(?:@\w+ )*export (?:namespace|class) (\S+)( extends Slice)?", line):
            space = found[1]
            of = f"v_{space}"
            if line.startswith("@"):
                uses.append(f"const {of} = new {space}();" + (f" {of}.at(0);" if found[2] else ""))
        elif found := re.match(r"  export function (\S+?)\(", line):
            uses.append(f"used += changetype<usize>({space}.{found[1]});")
        elif found := re.match(r"  (get|set) (\S+?)\(", line):
            uses.append(f"{of}.{found[2]};" if found[1] == "get" else f"{of}.{found[2]} = {of}.{found[2]};")
    # The generic class of the bindings themselves has no accessors.
    return "\n".join(use for use in uses if "Out<" not in use and "new Slice" not in use)


def test_the_bindings_of_every_valid_text_compile(asc: Path, tmp_path: Path) -> None:
    """One compilation of all texts of ours and of the corpus, with every function and accessor in use."""
    options = generate.Options(templates=EXAMPLE)
    for spec in (*(ROOT / "witx").rglob("*.witx"), *(ROOT / "tests/codegen/data/valid").rglob("*.witx")):
        try:
            document = generate.document((spec,))
        except WitxError:  # a part of something larger
            continue
        text = generate.text(document, "assemblyscript", options)
        text += "let used: usize = 0;\nexport function use_everything(): void {\n"
        name = "_".join(spec.relative_to(ROOT).with_suffix(".ts").parts)
        (tmp_path / name).write_text(text + _use_of_everything(text) + "\n}\n", encoding="utf-8")
    sources = sorted(tmp_path.glob("*.ts"))
    assert len(sources) >= 2
    done = subprocess.run(
        ["node", asc, *sources, *"--runtime stub --use abort= --disableWarning 235 -o all.wasm".split()],
        capture_output=True, text=True, cwd=tmp_path, timeout=300, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


class _Ended(Exception):  # noqa: N818 (no error: how a function that never returns ends the run)
    """The guest called the function that does not return."""


def _memory(caller: Caller) -> Memory:
    found = caller.get("memory")
    assert isinstance(found, Memory)
    return found


PAIR = struct.Struct("<B7xqi4xQIIfBxH")
"""The record by hand: bool takes 4 bytes, the tuple starts at 44."""


def _load(caller: Caller, *given: int) -> int:
    rights, x, f, on, this, choice, items, count, text, length = given
    data = _memory(caller).read(caller)
    a, b, ok, kind, name, name_length, half, t0, t1 = PAIR.unpack_from(data, this)
    assert (rights, x, f, on) == (3, -1, 2.5, 1)
    assert (a, b, ok, kind, half, t0, t1) == (7, -2, 1, 2, 0.5, 0, 513)
    assert data[name : name + name_length].decode() == "n\u00e4me"
    assert data[choice] == 2
    assert data[choice + 8 : choice + 56] == data[this : this + 48]
    assert data[items : items + count] == b"\1\2\3"
    assert data[text : text + length] == b"hi"
    return -1


def _two(caller: Caller, number: int, size: int, flag: int, text: int) -> int:
    assert number == 200
    for address, data in (
        (size, struct.pack("<Q", 1 << 40)),
        (flag, struct.pack("<I", 1)),
        (text, struct.pack("<II", 0, 9)),
    ):
        _memory(caller).write(caller, data, address)
    return 1


def _ok_size(caller: Caller, of: int, flags: int, count: int, _size: int) -> int:
    data = _memory(caller).read(caller)
    assert struct.unpack_from("<Q", data, of) == (2,)
    assert struct.unpack_from("<I", data, of + 8) == (1,)
    assert struct.unpack_from(f"<{count}I", data, flags) == (0, 2)
    return 1


def _exit(_: Caller, code: int) -> None:
    assert code == 3
    raise _Ended


def test_values_of_every_kind_cross_in_both_directions(every: Path) -> None:
    """The host's side is written by hand: its offsets come from nobody's layout code."""
    handlers: dict[tuple[str, str], Callable[..., int | None]] = {
        ("load", "load"): _load,
        ("load", "two"): _two,
        ("load", "named"): lambda _caller, _pairs, count, _size: count - 1,
        ("load", "ok-size"): _ok_size,
        ("load", 'it\'s "<&>" \u00e9\U0001f600'): lambda _caller: None,
        ("other", "load"): _exit,
    }
    linker = Linker(engine := Engine())
    store = Store(engine)
    guest = Module.from_file(engine, str(every))
    for item in guest.imports:
        assert isinstance(item.type, FuncType)
        name = item.name or ""
        linker.define_func(item.module, name, item.type, handlers[item.module, name], access_caller=True)
    run = linker.instantiate(store, guest).exports(store)["run"]
    assert isinstance(run, Func)
    with pytest.raises(_Ended):
        run(store)


# ---- what can go wrong ----

TARGET = 'template = "x.j2"\nsuffix = ".x"\n'


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run with these files as templates; return the one line of the refusal, without the folder's name."""
    out, folder = tmp_path / "out", tmp_path / "templates"

    def run(files: dict[str, str | bytes], lang: str = "mine") -> str:
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        (tmp_path / "secret.j2").write_text("secret")
        spec = str(ROOT / generate.SPEC)
        assert main(["headers", spec, "--templates", str(folder), "--lang", lang, "--out", str(out)]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert "Traceback" not in said.err
        assert not out.exists()
        assert said.err.startswith("wasinn-gen: error: ")
        (line,) = said.err.removeprefix("wasinn-gen: error: ").splitlines()
        return line.replace(f"{folder}/", "")

    return run


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ("", 'mine/target.toml: needs `template = "file.j2"` and `suffix = ".ext"`'),
        ('template = "x.j2"', 'mine/target.toml: needs `template = "file.j2"` and `suffix = ".ext"`'),
        ('template = "x.j2"\nsuffix = "x"', 'mine/target.toml: needs `template = "file.j2"` and'),
        (TARGET + "keyword = []", "mine/target.toml: unknown key `keyword`"),
        (TARGET + 'keywords = "fn"', "mine/target.toml: `keywords` is a list of strings"),
        (TARGET + "keywords = [1]", "mine/target.toml: `keywords` is a list of strings"),
        ("template = ", "mine/target.toml: Invalid value (at end of document)"),
        (b"\xff\xfe", "mine/target.toml: 'utf-8' codec can't decode"),
        ('template = "y.j2"\nsuffix = ".x"', "mine/y.j2: there is no such template"),
        ('template = "../../secret.j2"\nsuffix = ".x"', "mine/../../secret.j2: there is no such template"),
    ],
)
def test_a_wrong_description_is_one_line(
    refused: Callable[..., str], description: str | bytes, message: str
) -> None:
    assert message in refused({"mine/target.toml": description, "mine/x.j2": "{{ view.banner }}"})


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("one\n{% for %}", "mine/x.j2:2: "),
        ("one\n\n{{ view.banner", "mine/x.j2:3: "),
        ("{{ missing }}", "mine/x.j2:1: UndefinedError: 'missing' is undefined"),
        ("\n{{ view.missing }}", "mine/x.j2:2: UndefinedError: 'dict object' has no attribute 'missing'"),
        ("\n{{ view.banner | missing }}", "mine/x.j2:2: No filter named 'missing'"),
        ("\n{{ 1 / 0 }}", "mine/x.j2:2: ZeroDivisionError: "),
        ("\n{% for i in range(10 ** 9) %}{% endfor %}", "mine/x.j2:2: OverflowError: Range too big"),
        ("{% macro m() %}{{ m() }}{% endmacro %}\n{{ m() }}", "mine/x.j2:1: RecursionError: "),
        ('{% include "mine/x.j2" %}', "mine/x.j2:1: RecursionError: "),
        ('\n{% include "../secret.j2" %}', "../secret.j2: there is no such template"),
        ('{% import "/etc/passwd" as p %}', "/etc/passwd: there is no such template"),
        (
            "{{ ''.__class__.__mro__ }}",
            "mine/x.j2:1: SecurityError: access to attribute '__class__' of 'str'",
        ),
        ("{{ view['__class__'].__name__ }}", "mine/x.j2:1: "),
        ("{{ ''|attr('__class__') }}{{ (''|attr('__class__')).x }}", "mine/x.j2:1: SecurityError: "),
        ("{{ '{0.__class__}'.format('').x }}", "mine/x.j2:1: SecurityError: "),
        ("{{ self.__init__.__globals__ }}", "mine/x.j2:1: SecurityError: "),
        ("{{ view.types.append(1) }}", "mine/x.j2:1: SecurityError: "),
        ("{{ view.update(banner='') }}", "mine/x.j2:1: SecurityError: "),
        (b"\xff", "mine/x.j2: UnicodeDecodeError: "),
    ],
)
def test_a_wrong_template_is_one_line_with_its_place(
    refused: Callable[..., str], template: str | bytes, message: str
) -> None:
    assert refused({"mine/target.toml": TARGET, "mine/x.j2": template}).startswith(message)


def test_an_error_in_an_included_template_says_that_template(refused: Callable[..., str]) -> None:
    files = {
        "mine/target.toml": TARGET,
        "mine/x.j2": '{% include "mine/part.j2" %}',
        "mine/part.j2": "\n\n{{ view.nothing }}",
    }
    assert refused(files).startswith("mine/part.j2:3: UndefinedError: ")


@pytest.mark.parametrize("lang", ["yours", "", "mine,yours", "../mine", "mine/"])
def test_a_language_nobody_adds_is_refused_with_those_there_are(
    refused: Callable[..., str], lang: str
) -> None:
    line = refused({"mine/target.toml": TARGET, "mine/x.j2": "fine"}, lang or ",")
    assert line.startswith(f"no language `{lang.removeprefix('mine,')}`")
    assert line.endswith("(there are c, rust, python, docs, mine)")


def test_a_folder_without_a_description_is_no_language(refused: Callable[..., str]) -> None:
    assert refused({"mine/x.j2": "fine"}).startswith("no language `mine`")


def test_templates_that_are_no_folder_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["headers", "--templates", str(tmp_path / "none"), "--out", str(tmp_path / "out")]
    assert main(arguments) == 2
    assert capsys.readouterr().err == f"wasinn-gen: error: --templates {tmp_path / 'none'}: not a folder\n"
    assert not (tmp_path / "out").exists()


def test_a_template_of_ours_can_be_overridden(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "header.h.j2").write_text("/* {{ view.banner }} */\n{{ view.types[0].name }}\n")
    arguments = ["--templates", str(tmp_path), "--lang", "c", "--out", str(tmp_path / "out")]
    assert main(["headers", *arguments]) == 0
    (made,) = (tmp_path / "out").iterdir()
    banner, name = made.read_text().splitlines()
    assert banner.startswith("/* Generated by wasinn-gen from ")
    assert name.startswith("wasi_nn_")
    assert main(["headers", *arguments, "--check"]) == 0


def test_an_override_runs_in_the_sandbox(refused: Callable[..., str]) -> None:
    line = refused({"c/header.h.j2": "\n{{ view.build.__globals__ }}"}, "c")
    assert line.startswith("c/header.h.j2:2: ")
    assert refused({"c/header.h.j2": "{{ view.__class__ | string }}{{ view.__class__.x }}"}, "c").startswith(
        "c/header.h.j2:1: SecurityError: "
    )


def test_filters_make_identifiers_and_escape_the_target_s_words(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "target.toml").write_text(TARGET + 'keywords = ["fn", "Fn"]')
    (tmp_path / "mine" / "x.j2").write_text(
        '{{ "a-b c" | snake }} {{ "fn" | snake }} {{ "fn" | pascal }} {{ "fn" | upper }} {{ "9" | snake }}'
    )
    assert main(["headers", "--templates", str(tmp_path), "--lang", "mine", "--out", str(tmp_path)]) == 0
    (made,) = tmp_path.glob("*.x")
    assert made.read_text() == "a_b_c fn_ Fn_ FN _9\n"
