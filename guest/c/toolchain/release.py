"""A wasi-sdk from its own pinned release: downloaded, checked, unpacked.

It does not look for newer releases: a new one is a change to the pins below.
"""

from __future__ import annotations

import hashlib
import platform
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from guest.c.toolchain import sdk
from guest.c.toolchain.sdk import Unusable, say

VERSION = "27.0"
BASE_URL = "https://github.com/WebAssembly/wasi-sdk/releases/download/wasi-sdk-27"
SHA256 = {
    "x86_64-linux": "b7d4d944c88503e4f21d84af07ac293e3440b1b6210bfd7fe78e0afd92c23bc2",
    "arm64-linux": "4cf4c553c4640e63e780442146f87d83fdff5737f988c06a6e3b2f0228e37665",
    "x86_64-macos": "163dfd47f989b1a682744c1ae1f0e09a83ff5c4bbac9dcd8546909ab54cda5a1",
    "arm64-macos": "055c3dc2766772c38e71a05d353e35c322c7b2c6458a36a26a836f9808a550f8",
}
_CONNECT_SECONDS = 4
_READ_SECONDS = 60
_BLOCK = 1 << 20


def platform_name() -> str:
    """Return this machine's name as wasi-sdk's releases spell it."""
    machine = {"amd64": "x86_64", "aarch64": "arm64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    system = {"linux": "linux", "darwin": "macos"}.get(sys.platform, sys.platform)
    return f"{machine}-{system}"


def make(toolchains: Path, *, base_url: str = BASE_URL, sha256: str | None = None) -> Path:
    """Download and unpack the release for this machine below `toolchains`, and return its folder.

    Raises:
        Unusable: there is none for this platform, no network, or the file is not the pinned one.
    """
    name = platform_name()
    expected = sha256 or SHA256.get(name)
    if expected is None:
        raise Unusable(f"wasi-sdk {VERSION} has no release for {name}")
    if not hasattr(tarfile, "data_filter"):
        raise Unusable("this Python cannot unpack archives safely (needs 3.11.4 or newer)")
    final = toolchains / f"wasi-sdk-{VERSION}-{name}"
    if sdk.works(final):
        return final
    url = f"{base_url}/{final.name}.tar.gz"
    toolchains.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".download.", dir=toolchains) as folder:
        archive = Path(folder) / "archive.tar.gz"
        _download(url, archive, expected)
        with sdk.making(final) as made:
            _unpack(archive, made)
    return final


def _download(url: str, destination: Path, expected: str) -> None:
    """Stream `url` to `destination` and compare its SHA-256."""
    digest = hashlib.sha256()
    try:
        # First only the headers and a short wait: a machine without the network moves on at once.
        probe = urllib.request.Request(url, method="HEAD")  # noqa: S310 - the scheme is that of the constant above
        urllib.request.urlopen(probe, timeout=_CONNECT_SECONDS).close()  # noqa: S310 - as above
        with (
            urllib.request.urlopen(url, timeout=_READ_SECONDS) as response,  # noqa: S310 - as above
            destination.open("wb") as file,
        ):
            size = int(response.headers.get("Content-Length") or 0)
            say(f"    downloading {url} ({size / 1e6:.0f} MB)")
            done, reported = 0, 0
            while block := response.read(_BLOCK):
                digest.update(block)
                file.write(block)
                done += len(block)
                if size and done * 10 // size > reported:
                    reported = done * 10 // size
                    say(f"    {reported * 10} %")
    except (OSError, ValueError) as error:  # URLError and HTTPError are OSErrors
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise Unusable(f"could not download {url}: {reason}") from error
    if digest.hexdigest() != expected:
        raise Unusable(f"{url} is not the pinned file: expected SHA-256 {expected}, got {digest.hexdigest()}")


def _unpack(archive: Path, destination: Path) -> None:
    """Unpack the one folder of a release archive as `destination`."""
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(destination, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise Unusable(f"could not unpack the wasi-sdk release: {error}") from error
    folders = [path for path in destination.iterdir() if path.is_dir()]
    if len(folders) != 1:
        raise Unusable("the wasi-sdk release does not hold exactly one folder")
    inner = folders[0].rename(destination / ".inner")
    for path in inner.iterdir():
        path.rename(destination / path.name)
    inner.rmdir()
