"""Folders of the host's: a guest sees those it was given, under the names it was told, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import host
from host import Preopen
from host.api import Host
from host.preopens import checked, named, preopen
from tests.host import wasi

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(__file__).with_name("fs.c")


@pytest.fixture(scope="module")
def fs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the guest of `fs.c`."""
    path = tmp_path_factory.mktemp("fs") / "fs.wasm"
    flags = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([wasi.clang(), *flags, SOURCE, "-o", path], check=True)
    return path


@pytest.fixture(scope="module")
def shared() -> Host:
    """Return one host for all tests."""
    return Host()


@dataclass(frozen=True)
class Tree:
    """A folder for the guest, and beside it what it must not get at."""

    folder: Path
    outside: Path
    fs: Path
    host: Host

    def attempt(self, *words: str | Path, mode: str = "rw") -> tuple[int, str]:
        """Try something as a guest to which the folder is `in`; return how it went."""
        done = self.host.run(self.fs, [str(word) for word in words], dirs=[f"{self.folder}::in::{mode}"])
        return done.exit_code, done.stdout.decode()

    def state(self) -> dict[str, object]:
        """Return everything that a guest could have changed."""
        return {
            str(path.relative_to(self.folder.parent)): (
                path.lstat().st_mtime_ns,
                path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None,
            )
            for path in sorted(self.folder.parent.rglob("*"))
        }


@pytest.fixture
def tree(tmp_path: Path, fs: Path, shared: Host) -> Tree:
    """Return a folder with files in it, and links that lead out in every way there is."""
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    (folder / "sub").mkdir(parents=True)
    (folder / "empty").mkdir()
    outside.mkdir()
    (outside / "secret").write_text("secret")
    for name in ("file", "other", "sub/file"):
        (folder / name).write_text("text")
    links: dict[str, str | Path] = {
        "inside": "file",
        "absolute": outside / "secret",
        "relative": "../outside/secret",
        "sub/relative": "../../outside/secret",
        "to-folder": outside,
        "to-a-link": "sub/relative",
        "up": "..",
        "root": "/",
    }
    for name, target in links.items():
        (folder / name).symlink_to(target)
    return Tree(folder, outside, fs, shared)


@pytest.mark.parametrize("mode", ["rw", "ro"])
@pytest.mark.parametrize("path", ["in/file", "in/sub/file", "in/inside", "in/sub/../file", "in/./file"])
def test_what_is_in_the_folder_can_be_read(tree: Tree, path: str, mode: str) -> None:
    assert tree.attempt("read", path, mode=mode) == (0, "text")


WAYS_OUT = [
    "in/absolute",
    "in/relative",
    "in/sub/relative",
    "in/to-folder/secret",
    "in/to-a-link",
    "in/up/outside/secret",
    "in/../outside/secret",
    "in/sub/../../outside/secret",
    "../outside/secret",
    "outside/secret",
    "{outside}/secret",
    "in/{outside}/secret",
    "in/root{outside}/secret",
    "{outside}/../outside/secret",
]


@pytest.mark.parametrize("mode", ["rw", "ro"])
@pytest.mark.parametrize("what", ["read", "stat", "write", "truncate"])
@pytest.mark.parametrize("path", WAYS_OUT)
def test_no_path_leads_out_of_the_folder(tree: Tree, what: str, path: str, mode: str) -> None:
    before = tree.state()
    code, said = tree.attempt(what, path.format(outside=tree.outside), mode=mode)
    assert code == 1
    assert "secret" not in said
    assert tree.state() == before


@pytest.mark.parametrize(
    ("what", "paths"),
    [
        ("list", ["in/.."]),
        ("list", ["in/to-folder"]),
        ("list", ["in/root"]),
        ("list", ["/"]),
        ("list", ["."]),
        ("create", ["in/to-folder/new"]),
        ("create", ["in/up/new"]),
        ("mkdir", ["in/up/new"]),
        ("unlink", ["in/to-folder/secret"]),
        ("rename", ["in/file", "in/to-folder/file"]),
        ("rename", ["in/to-folder/secret", "in/mine"]),
        ("link", ["in/to-folder/secret", "in/mine"]),
        ("symlink", ["/etc/passwd", "in/mine"]),
        ("utimes", ["in/absolute"]),
    ],
)
def test_nothing_outside_can_be_listed_made_or_changed(tree: Tree, what: str, paths: list[str]) -> None:
    before = tree.state()
    assert tree.attempt(what, *paths)[0] == 1
    assert tree.state() == before


def test_link_that_the_guest_makes_leads_nowhere_either(tree: Tree) -> None:
    tree.attempt("symlink", "../outside/secret", "in/mine")
    assert tree.attempt("read", "in/mine")[0] == 1


CHANGES = [
    ("write", ["in/file"]),
    ("append", ["in/file"]),
    ("create", ["in/new"]),
    ("create-to-read", ["in/new"]),
    ("truncate", ["in/file"]),
    ("truncate-to-read", ["in/file"]),
    ("unlink", ["in/file"]),
    ("mkdir", ["in/new"]),
    ("rmdir", ["in/empty"]),
    ("rename", ["in/file", "in/new"]),
    ("rename", ["in/file", "in/other"]),
    ("link", ["in/file", "in/new"]),
    ("symlink", ["file", "in/new"]),
    ("utimes", ["in/file"]),
    ("futimes", ["in/file"]),
    ("write", ["in/inside"]),
]


@pytest.mark.parametrize(("what", "paths"), CHANGES)
def test_read_only_folder_cannot_be_changed(tree: Tree, what: str, paths: list[str]) -> None:
    """Not even its times. The same attempt on a writable folder succeeds: it is the mode that stops it."""
    before = tree.state()
    assert tree.attempt(what, *paths, mode="ro") == (1, "Operation not permitted")
    assert tree.state() == before
    assert tree.attempt(what, *paths, mode="rw")[0] == 0
    assert tree.state() != before


def test_guest_without_a_folder_opens_nothing(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree.folder)
    for path in (
        "file",
        "./file",
        tree.folder / "file",
        "/",
        ".",
        "/etc/passwd",
        "/dev/fd/1",
        "/proc/self/environ",
    ):
        for what in ("read", "list", "write"):
            assert tree.host.run(tree.fs, [what, str(path)]).exit_code == 1


def test_two_folders_are_apart(tree: Tree) -> None:
    """Each has its own mode, also when one is inside of the other."""
    dirs = [f"{tree.folder}::a::ro", f"{tree.folder / 'sub'}::b"]
    assert tree.host.run(tree.fs, ["write", "a/sub/file"], dirs=dirs).exit_code == 1
    assert tree.host.run(tree.fs, ["write", "b/file"], dirs=dirs).exit_code == 0
    assert tree.host.run(tree.fs, ["read", "b/../file"], dirs=dirs).exit_code == 1


@pytest.mark.parametrize("spelled", ["{}::ro", "{}::::ro", "{}::in::ro"])
def test_read_only_on_the_command_line(tree: Tree, spelled: str) -> None:
    name = "in" if "in" in spelled else str(tree.folder)
    folder = spelled.format(tree.folder)
    words: list[str | Path] = [sys.executable, "-m", "host", "run", tree.fs, "--dir", folder, "--"]
    done = subprocess.run([*words, "read", f"{name}/file"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "text", "")
    assert subprocess.run([*words, "write", f"{name}/file"], capture_output=True, check=False).returncode == 1
    assert (tree.folder / "file").read_text() == "text"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("photos", Preopen(Path("photos"), "photos")),
        ("photos::", Preopen(Path("photos"), "photos")),
        ("photos::in", Preopen(Path("photos"), "in")),
        ("photos::ro", Preopen(Path("photos"), "photos", is_read_only=True)),
        ("photos::rw", Preopen(Path("photos"), "photos")),
        ("photos::in::ro", Preopen(Path("photos"), "in", is_read_only=True)),
        ("photos::in::rw", Preopen(Path("photos"), "in")),
        ("photos::ro::rw", Preopen(Path("photos"), "ro")),
        ("photos::ro::ro", Preopen(Path("photos"), "ro", is_read_only=True)),
        ("photos::./ro", Preopen(Path("photos"), "./ro")),
        ("ro", Preopen(Path("ro"), "ro")),
        ("a:b::/c:d", Preopen(Path("a:b"), "/c:d")),
    ],
)
def test_how_a_folder_is_named(text: str, found: Preopen) -> None:
    assert preopen(text) == found


@pytest.mark.parametrize("text", ["", "::in", "::ro", "a::b::c", "a::b::c::ro", "a::ro::b", "a::b::RO"])
def test_folder_that_is_not_named_right(text: str) -> None:
    with pytest.raises(host.BadGuestError, match=r"HOST\[::GUEST\]"):
        preopen(text)


def _two(folder: Path) -> Iterator[Preopen]:
    yield Preopen(folder, "in")
    yield Preopen(folder, "in", is_read_only=True)


def test_two_folders_of_one_name(tmp_path: Path) -> None:
    with pytest.raises(host.BadGuestError, match="already"):
        checked(_two(tmp_path))


@pytest.mark.parametrize(("one", "other"), [("a", "a/"), ("./a", "a"), ("/a//b", "/a/b"), ("a/../b", "b")])
def test_two_spellings_of_one_name(tmp_path: Path, one: str, other: str) -> None:
    with pytest.raises(host.BadGuestError, match="already"):
        checked([preopen(f"{tmp_path}::{one}"), preopen(f"{tmp_path}::{other}")])


def test_names_that_are_alike_are_not_one(tmp_path: Path) -> None:
    folders = tuple(Preopen(tmp_path, name) for name in ("a", "A", "/a", "a/b", "a "))
    assert checked(folders) == folders


def test_path_is_a_folder_under_its_own_name(tree: Tree) -> None:
    """It may have `::` in it, which a text may not."""
    odd = tree.folder / "a::ro"
    odd.mkdir()
    assert named(odd) == Preopen(odd, str(odd))
    done = tree.host.run(tree.fs, ["list", str(odd)], dirs=[odd])
    assert done.exit_code == 0


def test_folder_whose_name_is_not_utf_8(tmp_path: Path) -> None:
    """A system may have such a folder; WASI has no name for it."""
    folder = tmp_path / "\udcff"
    folder.mkdir()
    for each in (folder, tmp_path / "\ud800"):
        with pytest.raises(host.BadGuestError, match="is not UTF-8"):
            host.run(wasi.command(""), dirs=[Preopen(each, "in")])


def test_folder_that_cannot_be_looked_at(tmp_path: Path) -> None:
    with pytest.raises(host.BadGuestError, match="cannot be used: File name too long"):
        checked([Preopen(tmp_path / ("x" * 300), "in")])


@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_folder_that_is_none(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(host.BadGuestError, match="not a folder"):
        checked([Preopen(tmp_path / name, "in")])
