"""Where imports come from that are not wasi-nn's: which hosts have them, and what to do without; data only.

Facts were read in the hosts' sources or, of Wasmtime, tried. A host is in a row when it has every import the
row matches, as far as is known; which functions of wasi-nn a host has is in `host.imports`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

WASI: Final = "wasi_snapshot_preview1"

WASMTIME: Final = "Wasmtime with `-S nn`"
WASMEDGE: Final = "WasmEdge"
WAMR: Final = "WAMR"
WAMR_LEGACY: Final = "WAMR before 2025-08"
_WAMRS: Final = (WAMR, WAMR_LEGACY)
_JAVASCRIPT: Final = ("JavaScript hosts",)

_TARGET: Final = "build for wasm32-wasip1"


class Family(NamedTuple):
    """Imports of one origin; the patterns `module` and `name` match them from start to end.

    `what` names the origin, `help` says what to do where it is not.
    """

    module: str
    name: str
    what: str
    help: str
    hosts: tuple[str, ...] = ()


FAMILIES: Final = (
    Family(
        WASI, "sock_.*", "sockets beyond WASI preview 1",
        "this host gives a guest no network: pass data as files, as arguments or on stdin. (WasmEdge's "
        "sockets are not WAMR's: elsewhere it runs on the one it was built for.)",
        (WASMEDGE, *_WAMRS),
    ),
    Family(
        WASI, ".*", "no function of WASI preview 1",
        f"{_TARGET} with an unpatched wasi-sdk or rustc; if the name is a typing mistake, correct it",
    ),
    Family(
        "wasi_unstable", ".*", "WASI from before preview 1",
        f"{_TARGET} with a toolchain from 2020 or later", (WASMTIME, *_WAMRS),
    ),
    Family(
        "wasi", "thread-spawn", "threads of wasi-threads",
        f"{_TARGET}, not wasm32-wasip1-threads: an inference uses the host's threads without", _WAMRS,
    ),
    Family(
        "env", "memory", "a memory the host makes: `--import-memory` or wasi-threads",
        f"{_TARGET}, not wasm32-wasip1-threads, and without `--import-memory`: here a guest brings its own",
    ),
    Family(
        r"GOT\.(func|mem)|env", "__(memory|table)_base|__stack_pointer|__indirect_function_table|.*@GOT",
        "a shared library's", "link statically, without `-shared` or `-sSIDE_MODULE`",
    ),
    Family(
        "env", "emscripten_.*|_emscripten_.*|__syscall_.*|invoke_.*|__asyncjs__.*|_abort_js|_tzset_js",
        "Emscripten's JavaScript",
        f"{_TARGET} with wasi-sdk in place of emcc; `-sSTANDALONE_WASM` alone leaves some of these",
        _JAVASCRIPT,
    ),
    Family(
        "a", "[A-Za-z_$]{1,2}", "Emscripten's JavaScript, names shortened",
        f"{_TARGET} with wasi-sdk in place of emcc", _JAVASCRIPT,
    ),
    Family(
        "env", "__cxa_.*|_Unwind_.*|__gxx_.*|__wasm_(lpad|longjmp|setjmp).*",
        "C++ exceptions or setjmp, not linked",
        "compile with `-fno-exceptions`, or link with clang++ and the libraries that support them",
    ),
    Family(
        "env", r"abort|seed|trace|console\.log", "AssemblyScript's default host functions",
        "build with @assemblyscript/wasi-shim, or give asc `--use abort=` and `--use seed=` of your own",
        _JAVASCRIPT,
    ),
    Family(
        "env", ".*", "undefined when it was linked",
        "link the library that defines it, and do not link with `--allow-undefined`",
    ),
    Family(
        "wasi_ephemeral_crypto_.*", ".*", "WASI crypto",
        "use a crypto library compiled into the guest", ("WasmEdge with its wasi_crypto plug-in",),
    ),
    Family(
        "wasmedge_(tensorflow(lite)?|image|opencvmini).*", ".*",
        "WasmEdge's own inference and pictures",
        "use wasi-nn, and decode pictures in the guest", ("WasmEdge with that plug-in",),
    ),
    Family(
        "wasmedge_.*|wasi_logging|wasi:logging/.*", ".*", "an extension of WasmEdge's",
        "build the guest without it", ("WasmEdge with that plug-in",),
    ),
    Family(
        "wasix_.*", ".*", "WASIX", f"{_TARGET}, not wasm32-wasix or wasm32-wasmer-wasi", ("Wasmer",),
    ),
    Family("extism:host/.*", ".*", "Extism's plug-in kit", "build a command without that kit", ("Extism",)),
    Family(
        "(wasi|[a-z][a-z0-9-]*):.*|cm32p2.*|.*/.*@.*", ".*", "an interface of the component model",
        f"{_TARGET}, not wasm32-wasip2, and with bindings for core modules, not made by wit-bindgen",
        ("hosts of components, once made one",),
    ),
    Family(
        "gojs|go", ".*", "Go's JavaScript", "build with GOOS=wasip1 GOARCH=wasm, not GOOS=js", _JAVASCRIPT,
    ),
    Family(
        r"__wbindgen_.*|wbg|\./.*_bg\.js", ".*", "wasm-bindgen's JavaScript",
        f"{_TARGET}, not wasm32-unknown-unknown, and leave out what needs a browser: often the `js` or "
        "`wasm-bindgen` feature of a dependency",
        _JAVASCRIPT,
    ),
    Family(
        "bench", ".*", "marks for a benchmark's harness",
        "this host has only `start` and `end` of these: build the guest without the others", ("Sightglass",),
    ),
    Family(
        ".*", ".*", "neither WASI nor wasi-nn",
        f"{_TARGET}; the host that the guest was written for has to provide it",
    ),
)  # fmt: skip
"""The first row that matches is meant."""
