"""A running Triton with one model: started, waited for, asked to load the model anew, ended."""

from __future__ import annotations

import glob
import ipaddress
import json
import os
import re
import secrets
import socket
import stat
import subprocess
import time
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Final

import host
from host.group import Group
from host.serving.repository import PATHS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from host.serving.installation import Triton

_KEY: Final = "wasinn-key"
_RESTRICTED: Final = "model-repository,shared-memory,trace,logging"
"""What only this process may ask of the server: to load models is to have any code run."""

_SHARED: Final = "wasinn_"
"""What the memory begins with that the server shares with its instances."""

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - where Linux has it

_LOOK: Final = 0.05
_CALL_SECONDS: Final = 5.0
_LOAD_SECONDS: Final = 600.0
_DYING_SECONDS: Final = 5.0
_STOP_SECONDS: Final = 10.0
_STUB: Final = "triton_python_b"
"""What the kernel calls the processes of instances: the first fifteen characters."""

_SAYS: Final = re.compile(r"failed to load '[^']*' version 1: (.*)|^error: (.*)", re.MULTILINE)
_LOG_BYTES: Final = 1 << 16
_LOG_MOST: Final = 1 << 22


class ServerError(Exception):
    """The server does not start, or ended, or does not do as asked; the message is one line."""


class CrashError(ServerError):
    """A signal ended the server, of which a client may be the cause: it says nothing of the next start."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: str
    port: int

    @property
    def is_public(self) -> bool:
        """Whether others than this machine may reach it."""
        return not ipaddress.ip_address(self.host).is_loopback

    @property
    def bracketed(self) -> str:
        """The host as it is before a port."""
        return f"[{self.host}]" if ":" in self.host else self.host

    def __str__(self) -> str:
        return f"{self.bracketed}:{self.port}"


@dataclass(frozen=True, slots=True)
class Places:
    """Where the server listens, where its models are, what it writes to, and whether all of that is kept."""

    http: Address
    grpc: Address | None
    repository: Path
    log: Path
    is_log_kept: bool = True


class Server:
    """A Triton that serves the model `name` of a repository; close it when done."""

    def __init__(self, triton: Triton, places: Places, name: str, *litter: Path) -> None:
        """Start it; ServerError when it cannot be. It is not ready yet.

        Should this process be killed, the server ends, and the folders `litter` are removed.
        """
        self.name = name
        self.places = places
        self._lost_since = 0.0
        self._key, self._id = secrets.token_hex(16), secrets.token_hex(8)
        self._regions = f"{_SHARED}{self._id}*"
        environment = triton.environment(os.environ)
        ours = str(Path(host.__file__).parent.parent)
        environment[PATHS] = os.pathsep.join([*map(str, triton.packages), ours])
        try:
            with ExitStack() as undo:
                self._group = Group(
                    str(_MEMORY / self._regions), *(glob.escape(str(each)) for each in litter)
                )
                undo.callback(self._group.close)
                with places.log.open("ab") as log:
                    self._log_start = log.tell()
                    self.process = self._group.start(self._command(triton), environment, log)
                undo.pop_all()
        except OSError as error:
            raise ServerError(f"`{triton.program}` cannot be started: {error.strerror or error}") from error

    def wait(self, look: Callable[[], None] = lambda: None) -> None:
        """Wait until the model is ready; `look` is called now and then.

        ServerError when the server ends, or an instance does: Triton would wait for that one without end.
        CrashError among them.
        """
        seen: set[int] = set()
        while not self.is_ready():
            if self.process.poll() is not None:
                code = self.process.returncode
                if code < 0:
                    raise CrashError(f"Triton was ended by signal {-code} while it started")
                raise ServerError(f"Triton ended (exit code {code}): {self._said()}")
            self._check_born(seen)
            look()
            time.sleep(_LOOK)  # it has no other way to tell that it is ready
        self._close_shared()

    def is_ready(self) -> bool:
        """Return whether the server, and not another that is at its address, takes requests for the model."""
        try:
            told = json.loads(self._ask("GET", "", _CALL_SECONDS)[1])
            is_ours = isinstance(told, dict) and told.get("name") == self._id
            return (
                is_ours and self._ask("GET", f"/models/{self.name}/ready", _CALL_SECONDS)[0] == HTTPStatus.OK
            )
        except (OSError, HTTPException, ValueError):
            return False

    def instances(self) -> tuple[int, ...]:
        """Return the processes in which guests answer."""
        return tuple(pid for pid, is_alive in self._stubs().items() if is_alive)

    def _stubs(self) -> dict[int, bool]:
        """Return the processes of instances, and whether each lives: Triton does not take note of an end."""
        found = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                pid, _, rest = path.read_text(errors="replace").partition(" (")
            except OSError:  # it has ended
                continue
            name, _, numbers = rest.rpartition(") ")
            state, parent, *_ = numbers.split()
            if name == _STUB and int(parent) == self.process.pid:
                found[int(pid)] = state != "Z"
        return found

    def reload(self) -> None:
        """Have all instances loaded anew; those that live answer until then.

        ServerError when it fails. The server is ended where it would wait without end for an instance that
        died.
        """
        old, seen, answer = self._stubs().keys(), set[int](), list[tuple[int, str]]()

        def load() -> None:
            with suppress(OSError, HTTPException):
                answer.append(self._ask("POST", f"/repository/models/{self.name}/load", _LOAD_SECONDS))

        asking = Thread(target=load, name="load", daemon=True)
        asking.start()
        while asking.is_alive():
            asking.join(_LOOK)
            if asking.is_alive():
                self._check_born(seen, old)
        if not answer:
            raise ServerError("Triton does not answer")
        code, said = answer[0]
        if code != HTTPStatus.OK:
            raise ServerError(f"Triton does not load `{self.name}`: {_reason(said)}")
        self._close_shared()

    def trim_log(self) -> None:
        """Throw away what it wrote when that is much, unless it is kept: it goes on at the beginning."""
        with suppress(FileNotFoundError):  # it lies where others tidy too
            if not self.places.is_log_kept and self.places.log.stat().st_size > _LOG_MOST:
                os.truncate(self.places.log, 0)

    def close(self) -> None:
        """End it, and its instances with it."""
        try:
            if self.process.poll() is None:
                self.process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(_STOP_SECONDS)
        finally:
            self._kill()

    def _close_shared(self) -> None:
        """Keep other users from the memory in which requests lie: Triton makes it for all to read."""
        for region in _MEMORY.glob(self._regions):
            with suppress(FileNotFoundError):
                region.chmod(stat.S_IRUSR | stat.S_IWUSR)

    def _kill(self) -> None:
        """End it at once, and what is left of its instances: they are of one process group."""
        try:
            self._group.close()
        finally:
            for region in _MEMORY.glob(self._regions):
                region.unlink(missing_ok=True)

    def _check_born(self, seen: set[int], old: Collection[int] = ()) -> None:
        """Note in `seen` the instances that are new; ServerError when one ended, and with it the server.

        One that could not be made ends too, of which the server itself tells soon after.
        """
        born = {pid: is_alive for pid, is_alive in self._stubs().items() if pid not in old}
        if seen <= born.keys() and all(born.values()):
            self._lost_since = time.monotonic()
        elif time.monotonic() - self._lost_since > _DYING_SECONDS and self.process.poll() is None:
            self._kill()
            raise ServerError(f"an instance of `{self.name}` ended while it was loaded: {self._said()}")
        seen |= born.keys()

    def _ask(self, method: str, path: str, seconds: float) -> tuple[int, str]:
        """Return the code and the text of the server's answer; OSError, HTTPException."""
        at = _reached(self.places.http)
        with closing(HTTPConnection(at.host, at.port, timeout=seconds)) as connection:
            if method == "GET":
                connection.request(method, f"/v2{path}")
            else:
                connection.request(method, f"/v2{path}", "{}", {_KEY: self._key})
            answer = connection.getresponse()
            return answer.status, answer.read(_LOG_BYTES).decode(errors="replace")

    def _command(self, triton: Triton) -> list[str]:
        http, grpc = self.places.http, self.places.grpc
        return [
            str(triton.program),
            f"--model-repository={self.places.repository}",
            f"--backend-directory={triton.backends}",
            f"--id={self._id}",
            f"--backend-config=python,shm-region-prefix-name={_SHARED}{self._id}",
            "--model-control-mode=explicit",
            "--disable-auto-complete-config",
            f"--load-model={self.name}",
            f"--http-address={'ipv6:' if ':' in http.host else ''}{http.host}",
            f"--http-port={http.port}",
            f"--http-restricted-api={_RESTRICTED}:{_KEY}={self._key}",
            *([f"--grpc-address={grpc.bracketed}", f"--grpc-port={grpc.port}",
               f"--grpc-restricted-protocol={_RESTRICTED}:{_KEY}={self._key}"] if grpc
              else ["--allow-grpc=false"]),
            "--allow-metrics=false",
            "--exit-timeout-secs=5",
        ]  # fmt: skip

    def _said(self) -> str:
        """Return what the log has, since this server began, of why there is none."""
        with self.places.log.open("rb") as log:
            log.seek(max(self._log_start, log.seek(0, os.SEEK_END) - _LOG_BYTES))
            text = log.read().decode(errors="replace")
        found = [left or right for left, right in _SAYS.findall(text)]
        return (
            found[0].partition(r"\n\nAt:")[0]
            if found
            else (text.strip().splitlines() or ["it said nothing"])[-1]
        )


def resolved(name: str) -> str:
    """Return the number of the host `name`: Triton takes no others. OSError when it has none."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return str(found[0][4][0])


def _reason(said: str) -> str:
    """Return what is to be told of an answer that says no: JSON, with a traceback in it."""
    with suppress(ValueError, AttributeError):
        said = str(json.loads(said).get("error", said))
    return said.partition("\n\nAt:")[0]


def free_port(host: str) -> int:
    """Return a port of the host that nobody has now; OSError when there is no such host here."""
    with listening(Address(host, 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def listening(address: Address) -> socket.socket:
    """Return a socket that listens there; OSError when it cannot be.

    At `::` it listens for IPv4 too, as Triton does for gRPC.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    return socket.create_server(
        (address.host, address.port), family=family, dualstack_ipv6=address.host == "::"
    )


def _reached(address: Address) -> Address:
    """Return by which address this process reaches what listens at `address`."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, and not bound
    return Address(everywhere.get(address.host, address.host), address.port)
