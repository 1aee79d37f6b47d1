"""The package fetcher: only the pinned file is ever used, and a failure leaves the cache as it was."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from examples import packages
from examples.packages import Package, PackageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let pip see only a folder of this test, which plays the index; return it."""
    index = tmp_path / "index"
    index.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    return index


def wheel(index: Path, name: str = "toy") -> Package:
    """Put a small wheel into `index`."""
    path = index / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/data.bin", b"payload")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return Package(name, "1.0", hashlib.sha256(path.read_bytes()).hexdigest())


def test_a_member_is_read_and_the_second_time_needs_no_index(offline: Path, tmp_path: Path) -> None:
    package = wheel(offline)
    assert packages.read(package, "toy/data.bin", tmp_path / "cache") == b"payload"
    (offline / "toy-1.0-py3-none-any.whl").unlink()
    assert packages.read(package, "toy/data.bin", tmp_path / "cache") == b"payload"
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_wrong_hash_names_package_expected_and_got(offline: Path, tmp_path: Path) -> None:
    package = wheel(offline)
    wrong = replace(package, sha256="0" * 64)
    with pytest.raises(PackageError, match=f"toy==1.0 is .*expected SHA-256 0{{64}}, got {package.sha256}"):
        packages.fetch(wrong, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_no_network_says_what_to_check_and_where_the_file_could_go(tmp_path: Path) -> None:
    package = Package("toy", "1.0", "0" * 64)
    with pytest.raises(PackageError) as caught:
        packages.fetch(package, tmp_path / "cache")
    assert "could not download toy==1.0" in str(caught.value)
    assert f"put the file (SHA-256 {'0' * 64}) at {tmp_path}/cache/toy-1.0-000" in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_damaged_cached_file_is_downloaded_again(offline: Path, tmp_path: Path) -> None:
    package = wheel(offline)
    packages.fetch(package, tmp_path / "cache").write_bytes(b"damaged")
    assert packages.read(package, "toy/data.bin", tmp_path / "cache") == b"payload"


def test_a_missing_member_is_named(offline: Path, tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"toy==1\.0 has no file toy/none"):
        packages.read(wheel(offline), "toy/none", tmp_path / "cache")


def cached(cache: Path, data: bytes) -> Package:
    """Put a file into the cache as its owner would by hand."""
    package = Package("toy", "1.0", hashlib.sha256(data).hexdigest())
    cache.mkdir()
    (cache / f"toy-1.0-{package.sha256}").write_bytes(data)
    return package


def test_an_sdist_put_into_the_cache_by_hand_is_used(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("toy-1.0/data.bin")
        member.size = 7
        tar.addfile(member, io.BytesIO(b"payload"))
    package = cached(tmp_path / "cache", buffer.getvalue())
    assert packages.read(package, "toy-1.0/data.bin", tmp_path / "cache") == b"payload"


def test_a_package_that_is_no_archive_is_an_error(tmp_path: Path) -> None:
    package = cached(tmp_path / "cache", b"neither zip nor tar")
    with pytest.raises(PackageError, match="cannot be read"):
        packages.read(package, "x", tmp_path / "cache")


def test_without_npm_a_package_of_its_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    package = Package("toy", "1.0", "0" * 64, index="npm")
    with pytest.raises(PackageError, match=r"could not download toy==1\.0: npm is not installed"):
        packages.fetch(package, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def npm(folder: Path, script: str) -> None:
    """Put a program called npm into `folder`."""
    folder.mkdir()
    (folder / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "npm").chmod(0o755)


def test_what_npm_says_is_passed_on_without_its_codes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm(
        tmp_path / "bin",
        'echo "npm warn x\nnpm error code ETARGET\nnpm error notarget No such version" >&2; exit 1',
    )
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    package = Package("toy", "1.0", "0" * 64, index="npm")
    with pytest.raises(PackageError, match=r"toy==1\.0: notarget No such version\nCheck the network"):
        packages.fetch(package, tmp_path / "cache")


def test_what_npm_brings_is_held_to_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm(
        tmp_path / "bin",
        'for word; do case $word in --pack-destination=*) echo bad > "${word#*=}/a.tgz";; esac; done',
    )
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    with pytest.raises(PackageError, match=r"toy==1\.0 is not the pinned file"):
        packages.fetch(Package("toy", "1.0", "0" * 64, index="npm"), tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
