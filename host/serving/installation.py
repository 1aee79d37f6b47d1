"""Where a Triton Inference Server is: the user's own, or the one in the package nvidia-pytriton."""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from host.cache import CacheUnusableError, user_cache
from host.group import Group

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VARIABLE: Final = "TRITON"
"""The variable with the server's program, or with the folder that it was installed to, or `provide` made."""

PACKAGES: Final = ("nvidia-pytriton==0.7.0", "numpy<2")
"""What has the server, without what that asks for besides; its tensors are those of a numpy before 2."""

_PROGRAM: Final = "tritonserver"
_STUB: Final = "triton_python_backend_stub"
_READY: Final = "ready"
_PYTHON: Final = re.compile(rb"libpython(3\.[0-9]+)\.so")
_NOT_LOADED: Final = 127
_TRY_SECONDS: Final = 30.0
_OTHER: Final = f"install it anew, or name another with ${VARIABLE}"
_VERSION: Final = f"{sys.version_info.major}.{sys.version_info.minor}"


class UnusableTritonError(Exception):
    """There is no Triton, or none that this Python can be in; the message says what would help."""


@dataclass(frozen=True, slots=True)
class Triton:
    """A server and its backends; `packages` come before all others in its models, `libraries` for itself."""

    program: Path
    backends: Path
    packages: tuple[Path, ...] = ()
    libraries: tuple[Path, ...] = ()

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return the variables for the server: those `given`, and where this Python and its libraries are."""
        found = dict(given)
        before = {"PATH": (Path(sys.executable).parent,), "LD_LIBRARY_PATH": self.libraries}
        for name, folders in before.items():
            parts = [*map(str, folders), *filter(None, [given.get(name)])]
            if parts:
                found[name] = os.pathsep.join(parts)
        return found


def find(given: Mapping[str, str], own: Path | None = None) -> Triton:
    """Return the server that `$TRITON` names, the one on the path, or the one in the folder `own`.

    Args:
        given: The variables of the process.
        own: Where `provide` puts one; `own_folder()` if None.

    Raises:
        UnusableTritonError: There is none of them, or it cannot run models in this Python.
    """
    named, on_path = given.get(VARIABLE), shutil.which(_PROGRAM, path=given.get("PATH", ""))
    if named:
        path = Path(named).absolute()
        if _is_ready(path):
            return _checked(_own(path))
        program = path / "bin" / _PROGRAM if path.is_dir() else path
        if not program.is_file():
            raise UnusableTritonError(f"${VARIABLE} is `{named}`, and there is no program `{program}`")
        return _checked(_installed(program))
    return _checked(_installed(Path(on_path)) if on_path else _own(own or own_folder()))


def provide(own: Path | None = None, notice: Callable[[str], None] = lambda _: None) -> Triton:
    """Return the server in the folder `own`, after its package was put there if need be.

    `notice` hears before what takes long. UnusableTritonError when the package cannot be had, or be run.
    """
    own = own or own_folder()
    if not _is_ready(own):
        notice(f"getting Triton ({PACKAGES[0]}, about 75 MB) into `{own}`")
        _install(own)
    return _checked(_own(own))


def own_folder() -> Path:
    """Return where `provide` puts a server: in the user's cache folder, for this version of Python.

    UnusableTritonError when there can be no such folder.
    """
    try:
        return user_cache().folder / f"triton-{_VERSION}"
    except CacheUnusableError as error:
        raise UnusableTritonError(f"no place for a Triton of its own: {error}") from error


def _install(own: Path) -> None:
    """Make the folder `own`, whole or not at all."""
    new = own.with_name(f".{own.name}.{os.getpid()}.tmp")
    try:
        packages = new / "packages"
        packages.mkdir(parents=True)
        _run_pip(packages, new)
        server = packages / "pytriton" / _PROGRAM
        shutil.copytree(server / "backends", new / "backends")
        stub = server / "python_backend_stubs" / _VERSION / _STUB
        if not stub.exists():
            raise UnusableTritonError(f"{PACKAGES[0]} has no Python backend for Python {_VERSION} here")
        shutil.copy(stub, new / "backends" / "python")
        (new / _READY).write_text(" ".join(PACKAGES))
        shutil.rmtree(own, ignore_errors=True)
        new.rename(own)
    except OSError as error:
        if _is_ready(own):  # another process was quicker
            return
        raise UnusableTritonError(f"`{own}` cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _run_pip(packages: Path, new: Path) -> None:
    """Have PACKAGES put into the folder `packages`.

    What pip needs meanwhile is in `new`, which goes with pip should this process be killed.
    """
    words = ["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-compile"]
    with TemporaryDirectory(dir=new) as temporary, closing(Group(glob.escape(str(new)))) as group:
        pip = group.start(
            [sys.executable, "-m", "pip", *words, "--target", str(packages), *PACKAGES],
            {**os.environ, "TMPDIR": temporary},
            subprocess.PIPE,
        )
        said = pip.communicate()[1].decode(errors="replace").strip().splitlines() or ["it said nothing"]
    if pip.returncode:
        raise UnusableTritonError(f"`pip install {' '.join(PACKAGES)}` fails: {said[-1]}")


def _own(own: Path) -> Triton:
    if not _is_ready(own):
        raise UnusableTritonError(
            f"there is no `{_PROGRAM}` on the path: name one with ${VARIABLE}, or have one put into "
            f"`{own}` with `--get-triton`"
        )
    packages = own / "packages"
    program = packages / "pytriton" / _PROGRAM / "bin" / _PROGRAM
    libraries = (packages / "nvidia_pytriton.libs", *_python_libraries())
    return Triton(program, own / "backends", (packages,), libraries)


def _is_ready(own: Path) -> bool:
    """Return whether `own` was made by `provide`, to its end, and of these packages."""
    try:
        return (own / _READY).read_text() == " ".join(PACKAGES)
    except OSError:
        return False


def _installed(program: Path) -> Triton:
    """Return a server by its program, as an installation of NVIDIA's has it: in `bin`, beside `backends`."""
    program = program.resolve()
    return Triton(program, program.parent.parent / "backends")


def _python_libraries() -> tuple[Path, ...]:
    """Return where the shared library of this Python is, if it has one of its own."""
    folder, name = sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME")
    return (Path(folder),) if folder and name and Path(folder, name).exists() else ()


def _checked(triton: Triton) -> Triton:
    """Return it; UnusableTritonError when models of this Python cannot run in its Python backend."""
    stub = triton.backends / "python" / _STUB
    if not os.access(triton.program, os.X_OK):
        raise UnusableTritonError(f"`{triton.program}` may not be run: {_OTHER}")
    try:
        wanted = _PYTHON.search(stub.read_bytes())
    except OSError as error:
        raise UnusableTritonError(
            f"`{triton.program}` has no Python backend: `{stub}`: {error.strerror}"
        ) from error
    if wanted and wanted[1].decode() != _VERSION:
        raise UnusableTritonError(
            f"the Python backend of `{triton.program}` is for Python {wanted[1].decode()}, and this is "
            f"{_VERSION}: use that Python, or `python -m host export triton` and install wasinn-sdk there"
        )
    code, said = _tried(stub, triton)
    if code == _NOT_LOADED:
        said = said.strip().rpartition(": error while loading shared libraries: ")[2]
        help_ = f"; on Debian `apt-get install libpython{_VERSION}`" if "libpython" in said else ""
        raise UnusableTritonError(f"the Python backend of `{triton.program}` does not start: {said}{help_}")
    return triton


def _tried(stub: Path, triton: Triton) -> tuple[int, str]:
    """Return the exit code and the words of the Python backend's program: without arguments it ends at once.

    UnusableTritonError when it does not start, or not end.
    """
    try:
        done = subprocess.run(
            [stub], env=triton.environment(os.environ), stdin=subprocess.DEVNULL, capture_output=True,
            check=False, timeout=_TRY_SECONDS,
        )  # fmt: skip
    except OSError as error:
        raise UnusableTritonError(f"`{stub}` does not start: {error.strerror or error}: {_OTHER}") from error
    except subprocess.TimeoutExpired as error:
        raise UnusableTritonError(f"`{stub}` does not end, as it should at once: {_OTHER}") from error
    return done.returncode, done.stderr.decode(errors="replace")
