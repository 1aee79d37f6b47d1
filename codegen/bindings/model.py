"""A model as bindings need it: its ports under identifiers, its parts with their hashes.

It knows no target language, and reads no file.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Final, Literal

from codegen import naming

Kind = Literal["input", "output"]

_LONGEST: Final = 48
"""Characters of an identifier that come from a name: C promises 63 of the whole."""

_HEADERS: Final = frozenset(
    """
    aio alloca ar assert byteswap complex cpio crypt ctype cxxabi dirent dlfcn elf endian err errno fcntl
    features fenv float fmtmsg fnmatch ftw getopt glob grp iconv ifaddrs inttypes iso646 langinfo libgen
    libintl limits link locale malloc math memory mntent monetary mqueue netdb nl_types paths poll pthread
    pty pwd regex resolv sched search semaphore setjmp shadow signal spawn stdalign stdarg stdatomic stdbit
    stdbool stdckdint stddef stdint stdio stdio_ext stdlib stdnoreturn string strings stropts syscall
    sysexits syslog tar termios tgmath threads time uchar ucontext ulimit unistd unwind utime utmp utmpx
    values wait wasm_simd128 wchar wctype wordexp
    """.split()
)
"""What C libraries and their compilers call headers: a file beside the guest would be taken for them."""
_RUST_MODULES: Final = frozenset("alloc core lib main std wasinn".split())
_TAKEN: Final = naming.C_KEYWORDS | naming.RUST_KEYWORDS | _HEADERS | _RUST_MODULES


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output.

    `name` is the model's, `identifier` is snake case and differs from that of all others of its `kind`.
    `shape` has a length, or the text of those possible (`?`, `1..8`), for each dimension; None is any number
    of dimensions. `type` is an element type by the interface's name, `element_size` its bytes.
    """

    kind: Kind
    index: int
    name: str
    identifier: str
    type: str
    element_size: int
    shape: tuple[int | str, ...] | None

    @property
    def dynamic(self) -> tuple[int, ...]:
        """The dimensions that have no one length."""
        return tuple(n for n, length in enumerate(self.shape or ()) if isinstance(length, str))

    @property
    def count(self) -> int | None:
        """How many elements; None when that is not fixed."""
        lengths = [length for length in self.shape or () if isinstance(length, int)]
        return None if self.shape is None or self.dynamic else math.prod(lengths)

    @property
    def shown(self) -> str:
        """The type and shape for people."""
        if self.shape is None:
            return f"`{self.type}` of any shape"
        return f"`{self.type} [{', '.join(map(str, self.shape))}]`"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a model as the `load` of the interface takes it; without a file it is empty."""

    file: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Model:
    """A model.

    `name` is an identifier for its bindings, `files` are names without folders. `encoding` is the interface's
    name. `sha256` is that of all files, one after the other. `parts` are empty for a model that cannot be
    loaded from bytes, since it has data in other files.
    """

    name: str
    format: str
    encoding: str
    files: tuple[str, ...]
    sha256: str
    parts: tuple[Part, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    @property
    def ports(self) -> tuple[Port, ...]:
        """All of them, the inputs first."""
        return self.inputs + self.outputs


def model_name(name: str) -> str:
    """Return what bindings are called: file, functions and constants start with it.

    What would be a keyword, a header of C, a crate or a name of the SDK's gets `model_` in front.
    """
    identifier = _short("_".join(naming.words(name)).lower())
    if identifier in _TAKEN or identifier[0].isdigit() or identifier.startswith("wasi"):
        return f"model_{identifier}"
    return identifier


def least_lengths(shape: tuple[int | str, ...]) -> tuple[int, ...]:
    """Return a length for each dimension: its own, or the least it may have, though not 0."""
    return tuple(
        length if isinstance(length, int) else max(int(length.partition("..")[0].replace("?", "1")), 1)
        for length in shape
    )


def port_identifiers(kind: Kind, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return an identifier for each port.

    One without a name is called by its kind and index. Every further one of a name gets a number behind: its
    index, or the next that is free.
    """
    found: list[str] = []
    for index, name in enumerate(names):
        plain = _short("_".join(naming.words(name)).lower()) if name else f"{kind}_{index}"
        numbered = (f"{plain}_{number}" for number in itertools.count(index))
        found.append(next(each for each in itertools.chain([plain], numbered) if each not in found))
    return tuple(found)


def _short(identifier: str) -> str:
    return identifier[:_LONGEST].rstrip("_")
