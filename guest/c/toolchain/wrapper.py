"""The small shell scripts that make a compiler from elsewhere behave like the one in wasi-sdk.

They only rewrite arguments; which compiler stands behind them is the caller's business.
"""

from __future__ import annotations

_HEAD = """\
#!/bin/sh
# Made by guest/c/toolchain; changes are lost when it is made again.
sdk=$(readlink -f -- "$0") || exit 1
sdk=${sdk%/bin/*}
"""

# `wasm32-wasi` and `wasm32-wasip1` name one target, but each compiler knows, or likes, only one of the names.
_TARGET_LOOP = """\
before=
for arg do
  shift
  case $before$arg in
    --target=wasm32-wasi | --target=wasm32-wasip1) arg=--target=@TARGET@ ;;
    --target=wasm32-unknown-wasi | --target=wasm32-unknown-wasip1) arg=--target=@TARGET@ ;;
    '-target wasm32-wasi' | '-target wasm32-wasip1') arg=@TARGET@ ;;
    '-target wasm32-unknown-wasi' | '-target wasm32-unknown-wasip1') arg=@TARGET@ ;;
@MORE@  esac
  before=
  if [ "$arg" = -target ]; then before='-target '; fi
  set -- "$@" "$arg"
done
"""

_DROP_SYSROOT = """\
    --sysroot) before='--sysroot '; continue ;;
    '--sysroot '* | --sysroot=*) before=; continue ;;
"""


def tool(command: str, *, setup: str = "") -> str:
    """Return a script that passes its arguments to `command` (shell text; `$sdk` is the made directory)."""
    return f'{_HEAD}{setup}exec {command} "$@"\n'


def compiler(command: str, *, target: str, setup: str = "", drop_sysroot: bool = False) -> str:
    """Return a script like `tool`'s that also spells every WASI target as `target`.

    `drop_sysroot` leaves out the user's `--sysroot`, for a compiler that brings its own.
    """
    more = _DROP_SYSROOT if drop_sysroot else ""
    loop = _TARGET_LOOP.replace("@TARGET@", target).replace("@MORE@", more)
    return f'{_HEAD}{setup}{loop}exec {command} "$@"\n'


def absent(tool_name: str, reason: str) -> str:
    """Return a script that stands for a tool the source does not have, and says so."""
    return f"#!/bin/sh\necho '{tool_name}: {reason}' >&2\nexit 1\n"
