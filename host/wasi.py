"""Give a guest's store what its job gives it of WASI: arguments, variables, streams and folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from host.job import BadGuestError
from host.wasmtime_c import CData, check, ffi, library

if TYPE_CHECKING:
    from collections.abc import Iterable

    from host.job import Job, Stdio
    from host.wasmtime_objects import Store


def configure(store: Store, job: Job) -> None:
    """Set all of it.

    Raises:
        BadGuestError: A folder cannot be opened.
        OSError: A file of `job.stdio` cannot.
        WasmtimeError: The store has been given it already.
    """
    lib = library()
    config = lib.wasi_config_new()
    try:
        _set_texts(lib, config, job)
        _set_streams(lib, config, job.stdio)
        _set_folders(lib, config, job)
    except BaseException:  # at once: who reads what the guest writes waits for its end of it to be closed
        lib.wasi_config_delete(config)
        raise
    check(lib.wasmtime_context_set_wasi(store.context, config))  # it is the store's now


def _set_texts(lib: CData, config: CData, job: Job) -> None:
    """Set arguments and variables, which are UTF-8 without a NUL: nothing else is refused."""
    arguments = _strings([job.guest.name, *job.arguments])
    names, values = (_strings(pair[at] for pair in job.environment) for at in (0, 1))
    lib.wasi_config_set_argv(config, len(arguments), _array(arguments))
    lib.wasi_config_set_env(config, len(names), _array(names), _array(values))


def _set_streams(lib: CData, config: CData, stdio: Stdio | None) -> None:
    if stdio is None:
        lib.wasi_config_inherit_stdin(config)
        lib.wasi_config_inherit_stdout(config)
        lib.wasi_config_inherit_stderr(config)
        return
    files = (
        (lib.wasi_config_set_stdin_file, stdio.stdin, "stdin"),
        (lib.wasi_config_set_stdout_file, stdio.stdout, "stdout"),
        (lib.wasi_config_set_stderr_file, stdio.stderr, "stderr"),
    )
    for set_file, path, name in files:
        if path is not None and not set_file(config, path.encode()):  # it does not say why
            raise OSError(f"no file for the guest's {name}; too many files may be open")


def _set_folders(lib: CData, config: CData, job: Job) -> None:
    for preopen in job.preopens:
        folder, name = str(preopen.host).encode(), preopen.guest.encode()
        if not lib.wasi_config_preopen_dir(config, folder, name, not preopen.is_read_only):  # nor does it
            raise BadGuestError(f"cannot open `{preopen.host}` for the guest: it may not be read")


def _strings(texts: Iterable[str]) -> list[CData]:
    return [ffi.new("char[]", text.encode()) for text in texts]


def _array(strings: list[CData]) -> CData:
    """Return an array of pointers to strings, which have to live as long."""
    return ffi.new("const char *[]", strings)
