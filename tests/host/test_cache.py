"""What was compiled is found again when it is the same in all that matters, and never otherwise."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from wasmtime import wat2wasm

from host import cache
from host.api import Host
from host.backends.openvino import OpenVino
from host.backends.openvino_c import library
from host.backends.openvino_compile import Compiler, Source
from host.backends.openvino_graph import OpenVinoRequest
from host.cache import Cache, CacheUnusableError, user_cache
from host.engines import Engines
from host.errors import Condition, NnError
from host.formats import Format
from host.job import Bounds
from host.models import files
from host.models.options import DEFAULT, ModelOptions
from tests.host import models
from tests.host.compiled import property_of

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = cache.key("a test")
EMPTY = bytes(wat2wasm('(module (memory (export "memory") 1) (func (export "_start")))'))
NO_BOUNDS = Bounds(None, None, None)
IR = models.double([1, 2])
ABSOLUTE = models.absolute([1, 2])
THREADS = "INFERENCE_NUM_THREADS"
SQUEEZENET = Path(__file__).parents[2] / "build" / "models" / "squeezenet" / "model.xml"


@pytest.fixture
def kept(tmp_path: Path) -> Cache:
    """Return an empty cache."""
    folder = tmp_path / "kept"
    folder.mkdir(mode=0o700)
    return Cache(folder)


def put(kept: Cache, key: str, content: bytes) -> None:
    kept.put(key, lambda path: path.write_bytes(content))


def entries(kept: Cache) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in kept.folder.iterdir()}


def got(kept: Cache, key: str) -> bytes | None:
    found = kept.get(key)
    return None if found is None else bytes(found)


@pytest.mark.parametrize("content", [b"", b"x", b"abc" * 1_000_000], ids=len)
def test_what_was_put_is_got(kept: Cache, content: bytes) -> None:
    assert got(kept, KEY) is None
    put(kept, KEY, content)
    assert got(kept, KEY) == content
    assert kept.usage().entries == 1


@pytest.mark.parametrize("at", [0, 5, 9, 10, 20, -1])
def test_one_wrong_byte_makes_an_entry_none_and_removes_it(kept: Cache, at: int) -> None:
    put(kept, KEY, b"0123456789")
    (path,) = kept.folder.iterdir()
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    assert got(kept, KEY) is None
    assert entries(kept) == {}


@pytest.mark.parametrize("length", [0, 1, 9, 39, 49])
def test_short_entry_is_none(kept: Cache, length: int) -> None:
    put(kept, KEY, b"0123456789")
    (path,) = kept.folder.iterdir()
    path.write_bytes(path.read_bytes()[:length])
    assert got(kept, KEY) is None


def test_entry_under_another_key_is_none(kept: Cache) -> None:
    put(kept, KEY, b"0123456789")
    (path,) = kept.folder.iterdir()
    other = cache.key("another")
    path.rename(path.with_name(path.name.replace(KEY, other)))
    assert got(kept, other) is None


def test_link_is_no_entry(kept: Cache, tmp_path: Path) -> None:
    put(kept, KEY, b"0123456789")
    (path,) = kept.folder.iterdir()
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert got(kept, KEY) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_entry_of_another_user_is_none(kept: Cache) -> None:
    put(kept, KEY, b"0123456789")
    (path,) = kept.folder.iterdir()
    os.chown(path, 1, 1)
    assert got(kept, KEY) is None


def test_entries_are_for_the_user_alone(kept: Cache) -> None:
    put(kept, KEY, b"0123456789")
    (path,) = kept.folder.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_got_stays_when_its_entry_goes(kept: Cache) -> None:
    put(kept, KEY, b"0123456789" * 10_000)
    found = kept.get(KEY)
    kept.clear()
    assert found is not None
    assert bytes(found) == b"0123456789" * 10_000


def test_write_that_fails_leaves_nothing(kept: Cache) -> None:
    def full(path: Path) -> None:
        path.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    kept.put(KEY, full)
    assert entries(kept) == {}


def test_what_was_not_used_for_longest_makes_room(kept: Cache) -> None:
    small = replace(kept, most=350)
    keys = [cache.key(str(number)) for number in range(3)]
    for age, key in zip((30, 20, 10), keys, strict=True):
        put(small, key, bytes(60))
        os.utime(small.folder / f"{key}.entry", (1e9 - age, 1e9 - age))
    assert small.get(keys[0]) is not None  # used now
    put(small, KEY, bytes(60))
    assert [key for key in (*keys, KEY) if small.get(key) is not None] == [keys[0], keys[2], KEY]


def test_what_alone_is_too_much_is_not_kept_and_drives_nothing_out(kept: Cache) -> None:
    small = replace(kept, most=350)
    put(small, KEY, bytes(60))
    put(small, cache.key("big"), bytes(1000))
    assert small.get(KEY) is not None
    assert small.usage().entries == 1


KILLED = """
import os, pathlib, signal, sys
from host.cache import Cache
def write(path):
    path.write_bytes(bytes(1000))
    os.kill(os.getpid(), signal.SIGKILL)
Cache(pathlib.Path(sys.argv[1])).put("0" * 64, write)
"""


def test_left_over_of_a_killed_process_is_removed_even_before_another_is_killed(kept: Cache) -> None:
    for _ in range(3):
        subprocess.run([sys.executable, "-c", KILLED, str(kept.folder)], check=False)
        assert len(entries(kept)) == 1
    put(kept, KEY, b"x")
    assert list(entries(kept)) == [f"{KEY}.entry"]


def test_what_is_being_written_is_left_alone(kept: Cache) -> None:
    def slowly(path: Path) -> None:
        put(kept, cache.key("another"), b"quick")
        path.write_bytes(b"slow")

    kept.put(KEY, slowly)
    assert got(kept, KEY) == b"slow"


def test_entry_that_cannot_be_touched_is_got(kept: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an image that is mounted to be read only."""

    def fail(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    put(kept, KEY, b"x")
    monkeypatch.setattr(os, "utime", fail)
    assert got(kept, KEY) == b"x"


def test_what_is_no_file_is_passed_over(kept: Cache) -> None:
    put(kept, KEY, b"x")
    (kept.folder / "folder.entry").mkdir()
    assert kept.clear().entries == 1
    assert [path.name for path in kept.folder.iterdir()] == ["folder.entry"]


def test_folder_that_is_gone_or_read_only_is_no_error(kept: Cache) -> None:
    shutil.rmtree(kept.folder)
    put(kept, KEY, b"x")
    assert got(kept, KEY) is None


def test_many_at_once_get_what_one_of_them_put(kept: Cache) -> None:
    wrong: list[object] = []

    def work() -> None:
        for _ in range(50):
            put(kept, KEY, b"x" * 10_000)
            found = got(kept, KEY)
            if found not in {None, b"x" * 10_000}:
                wrong.append(found)

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert kept.usage().entries == 1


@pytest.mark.parametrize(
    "other",
    [("ab", "c"), ("a", "bc"), ("abc",), ("a", "b", "c", "")],
    ids=repr,
)
def test_keys_differ_when_a_part_does(other: tuple[str, ...]) -> None:
    assert cache.key(*other) != cache.key("a", "b", "c")


def test_key_is_for_this_processor_only(monkeypatch: pytest.MonkeyPatch) -> None:
    before = cache.key("a")
    monkeypatch.setattr(cache, "processor", lambda: "another")
    assert cache.key("a") != before


def test_folder_is_where_xdg_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a" / "b"))
    assert user_cache().folder == tmp_path / "a" / "b" / "wasinn"
    assert user_cache().folder.stat().st_mode & 0o777 == 0o700
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored, says XDG
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert user_cache().folder == tmp_path / "home" / ".cache" / "wasinn"


def _open_to_all(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)


def _a_file(folder: Path) -> None:
    folder.write_text("")


def _a_link(folder: Path) -> None:
    folder.symlink_to("/tmp")  # noqa: S108 - is not used


@pytest.mark.parametrize("spoil", [_open_to_all, _a_file, _a_link])
def test_unsafe_folder_is_refused_and_the_guest_runs_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    spoil(tmp_path / "wasinn")
    with pytest.raises(CacheUnusableError, match="no cache in"):
        user_cache()
    (tmp_path / "guest.wasm").write_bytes(EMPTY)
    command = (sys.executable, "-m", "host", "run", str(tmp_path / "guest.wasm"))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("note: no cache in `")
    assert Host().run(EMPTY).exit_code == 0


def test_user_without_a_home_runs_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr("pathlib.Path.expanduser", fail)
    with pytest.raises(CacheUnusableError, match=r"no cache in `~/.cache/wasinn`: Could not determine"):
        user_cache()
    assert Host().run(EMPTY).exit_code == 0


def test_wrong_size_of_the_cache_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WASINN_CACHE_SIZE", "much")
    with pytest.raises(CacheUnusableError, match="`WASINN_CACHE_SIZE` `much` is no size"):
        user_cache()
    monkeypatch.setenv("WASINN_CACHE_SIZE", "2M")
    assert user_cache().most == 2 << 20


def test_guest_is_compiled_once(kept: Cache, tmp_path: Path) -> None:
    for _ in range(2):
        Engines(kept).compiled(tmp_path, EMPTY, NO_BOUNDS)
        assert kept.usage().entries == 1
    Engines(kept).compiled(tmp_path, EMPTY, Bounds(1.0, None, None))  # with a clock: other code
    Engines(kept).compiled(tmp_path, EMPTY + b"\0\2\1x", NO_BOUNDS)  # with one more section
    assert kept.usage().entries == 3


def test_code_that_wasmtime_refuses_is_compiled_anew(kept: Cache, tmp_path: Path) -> None:
    Engines(kept).compiled(tmp_path, EMPTY, NO_BOUNDS)
    (path,) = kept.folder.iterdir()
    put(kept, path.stem, b"sealed, but no code")
    Engines(kept).compiled(tmp_path, EMPTY, NO_BOUNDS)
    found = got(kept, path.stem)
    assert found is not None
    assert found.startswith(b"\x7fELF")


def doubled(backend: OpenVino, options: ModelOptions = DEFAULT, ir: models.IR = IR) -> tuple[float, ...]:
    """Load the IR of y = x + x and run it."""
    request = backend.load(ir, Format.OPENVINO, options).request()
    request.set_input(0, (1, 2), struct.pack("<2f", 1.5, -2))
    request.infer()
    return struct.unpack("<2f", request.output(0))


def test_model_from_the_cache_answers_the_same(kept: Cache) -> None:
    one = replace(DEFAULT, threads=1)
    assert doubled(OpenVino(kept), one) == (3, -4)
    (entry,) = entries(kept)
    before = (kept.folder / entry).stat().st_ino
    assert doubled(OpenVino(kept), one) == (3, -4)
    assert list(entries(kept)) == [entry]
    assert (kept.folder / entry).stat().st_ino == before  # it was not made again


def test_model_from_the_cache_is_that_of_the_cache(kept: Cache) -> None:
    """Put another model's entry in its place: it is what runs, so nothing was compiled."""
    one = replace(DEFAULT, threads=1)
    doubled(OpenVino(kept), one)
    (first,) = entries(kept)
    doubled(OpenVino(kept), one, ABSOLUTE)
    (second,) = set(entries(kept)) - {first}
    content = got(kept, second.removesuffix(".entry"))
    assert content is not None
    put(kept, first.removesuffix(".entry"), content)
    assert doubled(OpenVino(kept), one) == (1.5, 2)


IMPORTED = """
import gc, pathlib, sys
from dataclasses import replace
from host.backends.openvino import OpenVino
from host.cache import Cache
from host.models import files
from host.models.options import DEFAULT
kept = Cache(pathlib.Path(sys.argv[1]))
answers = []
for _ in range(2):
    backend = OpenVino(kept)
    graph = files.load(pathlib.Path(sys.argv[2]), None, replace(DEFAULT, threads=1), lambda: backend)
    del backend
    gc.collect()
    request = graph.request()
    request.clear_input(0, graph.inputs[0].static_shape)
    del graph
    gc.collect()
    request.infer()
    answers.append(bytes(request.output(0)))
print(len(answers[0]), answers[0] == answers[1])
"""


def test_weights_of_a_model_from_the_cache_live_as_long_as_its_requests(kept: Cache) -> None:
    """OpenVINO reads some where they are mapped, at the first inference."""
    if not SQUEEZENET.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no example model: run `make model`")
    command = [sys.executable, "-c", IMPORTED, str(kept.folder), str(SQUEEZENET)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "4000 True\n"), done.stderr


def test_model_whose_files_changed_meanwhile_is_not_kept(kept: Cache) -> None:
    ov = library()
    compiler = Compiler(ov, kept)
    backend = OpenVino(kept)
    source = Source(lambda: backend._read(IR, Format.OPENVINO), lambda: "it", 1, lambda: False)  # noqa: SLF001 - an `ov_model_t *`
    compiler.graph(source, "CPU", DEFAULT)
    assert entries(kept) == {}
    compiler.graph(replace(source, is_same=lambda: True), "CPU", DEFAULT)
    assert len(entries(kept)) == 2


def test_model_larger_than_the_cache_is_not_even_written(kept: Cache) -> None:
    doubled(OpenVino(replace(kept, most=sum(map(len, IR)) - 1)))
    assert entries(kept) == {}


def test_model_of_another_openvino_is_another_entry(kept: Cache) -> None:
    one = replace(DEFAULT, threads=1)
    doubled(OpenVino(kept), one)
    backend = OpenVino(kept)
    other = replace(backend._ov, version="another")  # noqa: SLF001 - there is only one to be had
    backend._compiler = replace(backend._compiler, ov=other)  # noqa: SLF001 - see above
    doubled(backend, one)
    assert kept.usage().entries == 2


def test_entry_that_openvino_refuses_is_made_anew(kept: Cache) -> None:
    one = replace(DEFAULT, threads=1)
    doubled(OpenVino(kept), one)
    (entry,) = entries(kept)
    put(kept, entry.removesuffix(".entry"), b"sealed, but no model")
    assert doubled(OpenVino(kept), one) == (3, -4)
    content = got(kept, entry.removesuffix(".entry"))
    assert content is not None
    assert len(content) > 100


@pytest.mark.parametrize(
    "options",
    [
        ModelOptions(threads=2),
        ModelOptions(threads=1, precision="auto"),
        ModelOptions(threads=1, hint="throughput"),
    ],
    ids=str,
)
def test_other_options_are_another_entry(kept: Cache, options: ModelOptions) -> None:
    backend = OpenVino(kept)
    doubled(backend, ModelOptions(threads=1))
    doubled(backend, options)
    assert kept.usage().entries == 2


def test_precision_of_a_model_from_the_cache_is_the_one_asked_for(kept: Cache) -> None:
    """An import takes it from the core, where that of another model must not be left."""
    plain, own = replace(DEFAULT, threads=1), replace(DEFAULT, threads=1, precision="auto")
    fresh = property_of(OpenVino().load(IR, Format.OPENVINO, own), "INFERENCE_PRECISION_HINT")
    for _ in range(2):
        backend = OpenVino(kept)
        graphs = [backend.load(IR, Format.OPENVINO, options) for options in (own, plain, own, plain)]
        precisions = [property_of(graph, "INFERENCE_PRECISION_HINT") for graph in graphs]
        assert precisions == [fresh, "f32", fresh, "f32"]


def test_changed_file_is_another_model(kept: Cache, tmp_path: Path) -> None:
    """Even with the same name, size and time."""
    path = tmp_path / "model.xml"
    states = []
    for xml, weights in (IR, ABSOLUTE):
        path.write_bytes(xml)
        path.with_suffix(".bin").write_bytes(weights)
        os.utime(path, (1e9, 1e9))
        backend = OpenVino(kept)
        request = files.load(path, None, replace(DEFAULT, threads=1), lambda: backend).request()  # noqa: B023
        request.set_input(0, (1, 2), struct.pack("<2f", 1.5, -2))
        request.infer()
        states.append(struct.unpack("<2f", request.output(0)))
    assert states == [(3, -4), (1.5, 2)]


def test_file_that_changes_while_it_is_read_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"one")
    contents = cache.Contents((path,))
    contents.identity()
    assert contents.are_same()
    path.write_bytes(b"two")
    assert not contents.are_same()
    path.unlink()
    assert not contents.are_same()


def test_model_whose_trial_fails_is_loaded_for_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """At any of its inferences: zeros need not make sense to a model."""
    infer = OpenVinoRequest.infer
    for good in range(4):
        calls: list[int] = []

        def now_and_then(self: OpenVinoRequest, calls: list[int] = calls, good: int = good) -> None:
            calls.append(1)
            if len(calls) > good:
                raise NnError(Condition.COMPUTE_FAILED, "not for zeros")
            infer(self)

        monkeypatch.setattr(OpenVinoRequest, "infer", now_and_then)
        graph = OpenVino().load(IR, Format.OPENVINO, DEFAULT)
        assert (len(calls), graph.remark) == (good + 1, "compiled for all threads")


def test_number_of_threads_is_chosen_once(kept: Cache) -> None:
    doubled(OpenVino(kept))
    before = entries(kept)
    choices = [name for name, data in before.items() if data[:3] in {b"one", b"all"}]
    assert len(choices) == 1
    assert len(before) == 2
    doubled(OpenVino(kept))
    assert entries(kept) == before


@pytest.mark.parametrize(("choice", "threads"), [(b"one", "1"), (b"all", None)])
def test_choice_that_is_kept_is_taken(kept: Cache, choice: bytes, threads: str | None) -> None:
    doubled(OpenVino(kept))
    (name,) = [name for name, data in entries(kept).items() if data[:3] in {b"one", b"all"}]
    put(kept, name.removesuffix(".entry"), choice)
    graph = OpenVino(kept).load(IR, Format.OPENVINO, DEFAULT)
    everything = property_of(OpenVino().load(IR, Format.OPENVINO, ModelOptions(threads=64)), THREADS)
    assert property_of(graph, THREADS) == (threads or everything)


def test_command_tells_and_clears(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}

    def run(*arguments: str) -> str:
        command = (sys.executable, "-m", "host", *arguments)
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout

    (tmp_path / "guest.wasm").write_bytes(EMPTY)
    run("run", "--no-cache", str(tmp_path / "guest.wasm"))
    assert json.loads(run("cache", "--json"))["entries"] == 0
    run("run", str(tmp_path / "guest.wasm"))
    told = json.loads(run("cache", "--json"))
    assert (told["folder"], told["entries"], told["cleared"]) == (str(tmp_path / "wasinn"), 1, False)
    assert run("cache", "--clear").startswith(f"{tmp_path / 'wasinn'}: 1 entries, ")
    assert run("cache") == f"{tmp_path / 'wasinn'}: 0 entries, 0 bytes of at most 1 GiB\n"
