"""A directory in wasi-sdk's shape from Debian's packages, installed as root or unpacked without.

It does not touch apt's sources or settings, and unpacks only below the folder it is given.
"""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING

from guest.c.toolchain import sdk, wrapper
from guest.c.toolchain.sdk import Unusable, run, say

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

VERSIONS = tuple(range(22, 13, -1))
"""LLVM versions to look for, newest first."""

_CONFIG = """\
--target=wasm32-wasip1
--sysroot=<CFGDIR>/wasi-sysroot
-fuse-ld=<CFGDIR>/../bin/wasm-ld
"""


def packages(version: int) -> tuple[str, ...]:
    """Name the Debian packages that together are a wasi-sdk."""
    return (
        f"clang-{version}",
        f"lld-{version}",
        f"llvm-{version}",
        "wasi-libc",
        f"libclang-rt-{version}-dev-wasm32",
        f"libc++-{version}-dev-wasm32",
        f"libc++abi-{version}-dev-wasm32",
    )


def parse_policy(text: str) -> dict[str, tuple[bool, bool]]:
    """Read `apt-cache policy` output: package → (is installed, can be installed)."""
    found: dict[str, tuple[bool, bool]] = {}
    for block in re.split(r"^(?=\S)", text, flags=re.MULTILINE):
        name, _, rest = block.partition(":\n")
        facts = dict(re.findall(r"^  (Installed|Candidate): (.*)$", rest, flags=re.MULTILINE))
        if len(facts) == 2:  # noqa: PLR2004 - the two of the pattern
            found[name] = (facts["Installed"] != "(none)", facts["Candidate"] != "(none)")
    return found


def make_installed(toolchains: Path) -> Path:
    """Install the packages, as root, unless they are there already; return the made directory.

    Raises:
        Unusable: this is no Debian, apt does not offer the packages, or only root could install them.
    """
    _need("apt-get", "apt-cache")
    version, present = _choose(is_root=os.geteuid() == 0)
    if not present:
        say(f"    installing LLVM {version} for WebAssembly with apt-get (about 400 MB, half a minute)")
        install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *packages(version)]
        try:
            run(install)
        except Unusable:  # old lists name files that have since been replaced
            say("    that failed; once more after apt-get update")
            run(["apt-get", "update", "--quiet"])
            run(install)
    final = toolchains / f"debian-{version}"
    if not sdk.works(final):
        with sdk.making(final) as made:
            _write_tree(made, version, tools=f"/usr/lib/llvm-{version}/bin", usr="/usr", setup="")
            sdk.write_record(made, "debian", llvm=version, packages=packages(version))
    return final


def make_unpacked(toolchains: Path) -> Path:
    """Download the packages and unpack them below `toolchains`, as any user; return the made directory.

    Raises:
        Unusable: this is no Debian, or apt does not offer the packages.
    """
    _need("apt-get", "apt-cache", "dpkg-deb")
    version, _ = _choose(is_root=os.geteuid() == 0, offered_only=True)
    final = toolchains / f"debian-{version}-unpacked"
    if sdk.works(final):
        return final
    names = _closure(version)
    say(f"    downloading {len(names)} Debian packages of LLVM {version} to unpack them in {final}")
    with sdk.making(final) as made:
        unpack(names, made / "root")
        libraries = ":".join(
            f"$sdk/root/usr/lib/{path.name}" for path in (made / "root/usr/lib").glob("*-linux-gnu*")
        )
        _write_tree(
            made,
            version,
            tools=f"$sdk/root/usr/lib/llvm-{version}/bin",
            usr="../../../root/usr",
            setup=f'export LD_LIBRARY_PATH="{libraries}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"\n',
        )
        sdk.write_record(made, "debian, unpacked", llvm=version, packages=names)
    return final


def unpack(names: Iterable[str], destination: Path) -> None:
    """Download packages (apt checks their hashes) and unpack them below `destination`; no root needed.

    Root refreshes apt's lists when they are so old that a download fails.

    Raises:
        Unusable: apt cannot download one of them.
    """
    _need("apt-get", "dpkg-deb")
    archives = destination.parent / "debs"
    archives.mkdir(parents=True)
    try:
        download = ["apt-get", "download", "--quiet", *names]
        try:
            run(download, cwd=archives)
        except Unusable:  # old lists name files that have since been replaced
            if os.geteuid() != 0:
                raise
            say("    that failed; once more after apt-get update")
            run(["apt-get", "update", "--quiet"])
            run(download, cwd=archives)
        for archive in sorted(archives.glob("*.deb")):
            run(["dpkg-deb", "--extract", archive, destination])
    finally:
        shutil.rmtree(archives)


def update_if_unknown(name: str) -> None:
    """Refresh apt's lists when it does not know `name`, which only root can do.

    Raises:
        Unusable: apt cannot reach its sources.
    """
    if (
        os.geteuid() == 0
        and not parse_policy(run(["apt-cache", "policy", name])).get(name, (False, False))[1]
    ):
        say("    apt-get update")
        run(["apt-get", "update", "--quiet"])


def _need(*tools: str) -> None:
    if absent := [tool for tool in tools if shutil.which(tool) is None]:
        raise Unusable(f"this machine has no {', no '.join(absent)}")


def _choose(*, is_root: bool, offered_only: bool = False) -> tuple[int, bool]:
    """Pick the newest LLVM to use, and tell whether all its packages are installed."""
    policy = _policy()
    if is_root and _newest(policy, column=1) is None:
        say("    apt-get update")
        run(["apt-get", "update", "--quiet"])
        policy = _policy()
    offered, installed = _newest(policy, column=1), _newest(policy, column=0)
    if is_root or offered_only:
        if offered is None:
            hint = "" if is_root else "; its lists may be empty: run `apt-get update` as root"
            raise Unusable(
                f"apt offers no LLVM {VERSIONS[-1]} to {VERSIONS[0]} with the wasm32 libraries{hint}"
            )
        return offered, offered == installed
    if installed is None:
        raise Unusable("the packages are not installed, and only root can install them")
    return installed, True


def _policy() -> dict[str, tuple[bool, bool]]:
    names = sorted({name for version in VERSIONS for name in packages(version)})
    return parse_policy(run(["apt-cache", "policy", *names]))


def _newest(policy: dict[str, tuple[bool, bool]], *, column: int) -> int | None:
    nothing = (False, False)
    return next((v for v in VERSIONS if all(policy.get(n, nothing)[column] for n in packages(v))), None)


def _closure(version: int) -> tuple[str, ...]:
    """Name the packages to unpack: ours, the LLVM libraries they need, other libraries not installed here."""
    no = [
        f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
    ]
    listing = run(["apt-cache", "depends", "--recurse", *no, *packages(version)])
    needed = set(re.findall(r"^(\w[^\s:]*)$", listing, flags=re.MULTILINE))
    llvm = {name for name in needed if re.search(rf"(^|\D){version}(\D|$)", name) and "wasm" not in name}
    planned = run(["apt-get", "install", "--simulate", "--no-install-recommends", *packages(version)])
    fresh = set(re.findall(r"^Inst (\S+)", planned, flags=re.MULTILINE)) & needed
    # The host's own development files (libc, libgcc, …) are no use to a wasm compiler.
    libraries = {name for name in fresh if name.startswith("lib") and not name.endswith("-dev")}
    return tuple(sorted({*packages(version), *(llvm & needed), *libraries}))


def _write_tree(made: Path, version: int, *, tools: str, usr: str, setup: str) -> None:
    """Write the scripts, the sysroot's links and the compiler's configuration."""
    for name in sdk.TOOLS:
        if name.startswith("clang"):
            command = f'"{tools}/{name}" --config "$sdk/share/wasi-sdk.cfg"'
            text = wrapper.compiler(command, target="wasm32-wasip1", setup=setup)
        else:
            text = wrapper.tool(f'"{tools}/{name}"', setup=setup)
        sdk.write_script(made / "bin" / name, text)
    sysroot = made / "share" / "wasi-sysroot"
    for folder in ("include", "lib"):
        (sysroot / folder).mkdir(parents=True)
        (sysroot / folder / "wasm32-wasi").symlink_to(f"{usr}/{folder}/wasm32-wasi")
        # Debian knows only the older name of this target.
        (sysroot / folder / "wasm32-wasip1").symlink_to("wasm32-wasi")
    # A configuration file, not arguments: clang does not warn about an unused `-fuse-ld` from one.
    (made / "share" / "wasi-sdk.cfg").write_text(_CONFIG, encoding="utf-8")
    if not (sysroot / "lib" / "wasm32-wasi").exists():
        raise Unusable(f"the packages of LLVM {version} do not hold lib/wasm32-wasi")
