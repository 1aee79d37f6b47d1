"""Read how an operator names the folders a guest may use, `HOST[::GUEST][::ro|rw]`; opens none of them."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from posixpath import normpath
from typing import TYPE_CHECKING, Final

from host.job import BadGuestError, Preopen

if TYPE_CHECKING:
    from collections.abc import Iterable

SEPARATOR: Final = "::"
SHAPE: Final = "HOST[::GUEST][::ro|rw]"
_MODES: Final = ("ro", "rw")


def preopen(text: str) -> Preopen:
    """Return the folder that `text` names.

    The guest sees it under its own name where GUEST is left out, and may write to it unless the mode is `ro`.
    The last part is a mode whenever it can be: a folder called `ro` in the guest is `HOST::ro::rw`, or
    `HOST::ro::ro`. Raises BadGuestError for another form.
    """
    parts = text.split(SEPARATOR)
    mode = parts.pop() if len(parts) > 1 and parts[-1] in _MODES else "rw"
    host, *guest = parts
    if not host or len(guest) > 1:
        raise BadGuestError(f"folder `{text}` is not of the form {SHAPE}")
    return Preopen(Path(host), "".join(guest) or host, is_read_only=mode == "ro")


def named(folder: str | PathLike[str] | Preopen) -> Preopen:
    """Return the folder: a text as `preopen` reads it, a path as one that the guest may write to.

    TypeError when it is neither of these, nor a Preopen.
    """
    match folder:
        case Preopen():
            return folder
        case str():
            return preopen(folder)
        case PathLike():
            return Preopen(Path(folder), fspath(folder))
        case _:
            raise TypeError(f"a folder for a guest is a str, a path or a Preopen, not {folder!r}")


def checked(preopens: Iterable[Preopen]) -> tuple[Preopen, ...]:
    """Return the folders; BadGuestError when one is none, or two have the same name in the guest."""
    found: dict[str, Preopen] = {}
    for each in preopens:
        try:
            str(each.host).encode()
            is_folder = each.host.is_dir()
        except UnicodeEncodeError as error:
            raise BadGuestError(f"folder {str(each.host)!a} is not UTF-8, and a guest's has to be") from error
        except OSError as error:  # a folder above that may not be searched, a name that is too long
            raise BadGuestError(f"folder `{each.host}` cannot be used: {error.strerror}") from error
        if not is_folder:
            raise BadGuestError(f"`{each.host}` is not a folder, and so none for the guest")
        name = normpath(each.guest)
        if name in found:
            raise BadGuestError(f"folder `{each.host}`: the guest has a folder `{each.guest}` already")
        found[name] = each
    return tuple(found.values())
