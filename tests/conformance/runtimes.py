"""Run a conformance guest on a runtime and judge what it said; knows nothing of the guests' contents."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tests.conformance.build import GRAPHS, ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.conformance.build import Guest

Outcome = Literal["pass", "errno", "fail", "trap", "abort", "unlinked", "timeout", "no answer"]
"""`errno`: every call that had to fail did, with another number. `abort`: the runtime itself died."""

TIMEOUT = 60.0
"""Seconds for one guest; the slowest takes two here."""

ABORTED = 128 + 6
"""How a shell shows SIGABRT; Wasmtime also exits so when a guest traps."""

ERRNO_BASE = 16
"""What a silent guest adds to the errno it got, to make an exit code of it."""

_PLAN = re.compile(r"1\.\.(\d+)$", re.MULTILINE)
_CHECK = re.compile(r"^(?:not )?ok .*$", re.MULTILINE)
_OTHER_ERRNO = re.compile(r"not ok .*: expected [1-9]\d* .*, got [1-9]\d* ")
_TRAP = re.compile(r"wasm trap|wasm backtrace|guest trapped", re.IGNORECASE)
_UNLINKED = re.compile(r"unknown import|imports? that this host|missing import|no such import", re.IGNORECASE)
_PANIC = re.compile(r"^.*panicked at .*\n(.*)", re.MULTILINE)
_DETAIL_CHARACTERS = 160


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a guest came out: `detail` is one line for a person, empty for a pass."""

    outcome: Outcome
    detail: str


@dataclass(frozen=True, slots=True)
class Runtime:
    """A command that runs a guest; its words may hold `{guest}`, the file, and `{graphs}`, the folder."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, guest: Guest, out: Path) -> Verdict:
        """Run a guest that was built into `out`."""
        places = {"{guest}": str(guest.wasm(out)), "{graphs}": str(out / GRAPHS)}
        command = [re.sub(r"\{guest\}|\{graphs\}", lambda m: places[m[0]], word) for word in self.command]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                cwd=ROOT,
                env={**os.environ, **self.environment},
                timeout=TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Verdict("timeout", f"not done after {TIMEOUT:g} s")
        stdout, stderr = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
        if guest.is_silent:
            return judge_silent(done.returncode, stdout, stderr)
        return judge(done.returncode, stdout, stderr)


def custom(name: str, command: str) -> Runtime:
    """Return a runtime from a command as in a shell; ValueError when it does not name `{guest}`."""
    words = tuple(shlex.split(command))
    if not any("{guest}" in word for word in words):
        raise ValueError(f"the command of `{name}` does not say where `{{guest}}` goes")
    return Runtime(name, words)


def host() -> Runtime:
    """Return this project's host."""
    command = (sys.executable, "-m", "host", "run", "--graph", "double={graphs}/double", "{guest}")
    return Runtime("host", command)


def wasmtime(links: Path) -> Runtime | None:
    """Return the Wasmtime command of the development tools; None when it is not there.

    `links` is a folder for links to OpenVINO's libraries: Wasmtime opens them without a version in the name.
    """
    command, libraries = _package("wasmtime_cli") / "wasmtime", _package("openvino") / "libs"
    found = {name: next(libraries.glob(f"{name}.so.*"), None) for name in ("libopenvino", "libopenvino_c")}
    if not os.access(command, os.X_OK) or None in found.values():
        return None
    links.mkdir(parents=True, exist_ok=True)
    for name, library in found.items():
        link = links / f"{name}.so"
        link.unlink(missing_ok=True)
        link.symlink_to(library or "")
    options = ("-C", "cache=n", "-S", "nn", "-S", "nn-graph=openvino::{graphs}/double")
    environment = {"LD_LIBRARY_PATH": f"{links}:{libraries}", "RUST_BACKTRACE": "0"}
    return Runtime("wasmtime", (str(command), "run", *options, "{guest}"), environment)


def judge(code: int, stdout: str, stderr: str) -> Verdict:
    """Return the verdict on a guest that prints: TAP on `stdout`, an exit `code` as Python has it."""
    checks = _CHECK.findall(stdout)
    failed = [line for line in checks if line.startswith("not ")]
    plan = _PLAN.search(stdout)
    if plan is None:
        after = f"after `{checks[-1]}`: " if checks else ""
        end = _unfinished(code, stderr)
        return Verdict(end.outcome, one_line(after + end.detail))
    if int(plan[1]) != len(checks):
        return Verdict("fail", f"{len(checks)} checks of the {plan[1]} planned")
    if failed:
        outcome: Outcome = "errno" if all(map(_OTHER_ERRNO.match, failed)) else "fail"
        # The worst first: a call that succeeded and should not have says more than another number.
        failed.sort(key=lambda line: bool(_OTHER_ERRNO.match(line)))
        more = f" (and {len(failed) - 1} more)" if failed[1:] else ""
        return Verdict(outcome, one_line(failed[0].removeprefix("not ok ") + more))
    return Verdict("pass", "") if code == 0 else Verdict("fail", f"all checks held, but exit code {code}")


def judge_silent(code: int, stdout: str, stderr: str) -> Verdict:
    """Return the verdict on a guest whose exit code is all it says."""
    if code == 0 and not stdout:
        return Verdict("pass", "")
    if code == ERRNO_BASE:
        return Verdict("fail", "the call succeeded")
    if ERRNO_BASE < code < ABORTED and not stderr:
        return Verdict("errno", f"got errno {code - ERRNO_BASE}")
    return _unfinished(code, stderr)


def _unfinished(code: int, stderr: str) -> Verdict:
    """Return the verdict on a guest that did not come to its end."""
    panic = _PANIC.search(stderr)
    if code < 0 or panic or (code == ABORTED and not _TRAP.search(stderr)):
        return Verdict("abort", one_line(panic[1] if panic else _last(stderr) or f"exit code {code}"))
    lines = stderr.splitlines()
    if missing := next((line for line in lines if _UNLINKED.search(line)), None):
        return Verdict("unlinked", one_line(_last(missing)))
    outcome: Outcome = "trap" if _TRAP.search(stderr) else "no answer"
    return Verdict(outcome, one_line(_last(stderr) or f"exit code {code}"))


def one_line(text: str) -> str:
    """Return a line of someone else's program, short and without control characters."""
    printable = "".join(character if character.isprintable() else " " for character in text.strip())
    return printable if len(printable) <= _DETAIL_CHARACTERS else printable[: _DETAIL_CHARACTERS - 3] + "..."


def _last(text: str) -> str:
    """Return the last line that is not blank, without the number that a chain of causes gives it."""
    line = next((line for line in reversed(text.splitlines()) if line.strip()), "")
    return re.sub(r"^\s*\d+: ", "", line)


def _package(name: str) -> Path:
    spec = find_spec(name)
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) if places else Path(name)
