"""`python -m host serve`: put a guest behind a port, by the Open Inference Protocol, and keep it there."""

from __future__ import annotations

import fcntl
import json
import os
import signal
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import TYPE_CHECKING, Final, NoReturn

from host import quantities
from host.commands import service_options
from host.console import EXIT_TRAP, Parser, UsageError, has_terminal, say, status, write
from host.errors import NnError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from host.serving.installation import Triton
    from host.serving.repository import Model
    from host.serving.server import Address, Places, Server

_OFF: Final = "off"
_PORT_MOST: Final = 65535
_SHOWN_AFTER: Final = 1.0
_TOLD_AFTER: Final = 60.0
_PAUSE: Final = 1.0
_ENDINGS: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_END_SECONDS: Final = 20.0
"""What an end in order takes at most."""

_STARTS: Final = 5
"""How often Triton may not start again, one time after the other."""

_USAGE: Final = (
    "python -m host serve GUEST.wasm [--service FILE.toml] [--name NAME] [--http HOST:PORT] "
    "[--grpc HOST:PORT|off] [--instances N] [--rows-per-call K] [--graph NAME=MODEL[,option=value]...]... "
    "[--dir HOST[::GUEST][::ro]]... [--env K=V]... [--timeout SECONDS] [--max-memory SIZE] [--fuel N] "
    "[--get-triton] [--log FILE] [--json] [-- args...]"
)

_EPILOG: Final = """\
Any client of the Open Inference Protocol v2 can ask then, by HTTP and gRPC. The guest is one for
`python -m host map` (docs/map.md): a request is a record, or with --rows-per-call above 1 many. GUEST.toml
has its tensors (docs/serve.md). --timeout and --fuel are for each call of the guest.

It is carried by a Triton Inference Server: the one that $TRITON names, the one on the path, or one that
--get-triton puts into the cache folder. An instance that dies is replaced.

examples:
  python -m host serve photo.wasm --graph squeezenet=model.xml --get-triton
      a photo in, classes out, at http://127.0.0.1:8000/v2/models/photo and by gRPC at 127.0.0.1:8001

  python -m host serve rate.wasm --graph net=model.xml --instances 4 --rows-per-call 256 --http 127.0.0.1:0
      requests of up to 256 rows, on four processes; a port that is free, which it prints

exit codes: 0 ended by SIGTERM or SIGHUP, 130 by Ctrl-C; 1 the server did not start; 2 bad usage or input.
"""


def main(arguments: list[str]) -> int:
    """Serve the guest that `arguments` name until told to end; return the exit code."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    options = _parser().parse_args(arguments[:at])
    model = service_options.model_from(options, arguments[at + 1 :])

    from host.serving import installation, server  # noqa: PLC0415 - help and usage errors come without it

    try:
        with _stoppable(), _folder() as folder:
            return _serve(options, model, folder)
    except installation.UnusableTritonError as error:
        raise UsageError(str(error)) from error
    except server.ServerError as error:
        say("error", str(error))
        return EXIT_TRAP
    except _Stopped:
        return 0


class _Stopped(BaseException):
    """SIGTERM, or SIGHUP."""


@contextmanager
def _stoppable() -> Iterator[None]:
    """Have SIGTERM, SIGHUP and Ctrl-C end the block in order; a second one does not disturb that.

    Those that are ignored stay so, as `nohup` has it.
    """
    until = 0.0

    def stop(number: int, _: object) -> None:
        nonlocal until
        if monotonic() >= until:
            until = monotonic() + _END_SECONDS
            raise KeyboardInterrupt if number == signal.SIGINT else _Stopped

    before = {number: signal.getsignal(number) for number in _ENDINGS}
    before = {number: handler for number, handler in before.items() if handler != signal.SIG_IGN}
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _folder() -> Iterator[Path]:
    """Have a temporary folder, with a lock that keeps tmpfiles.d from it: else it goes after some days."""
    with TemporaryDirectory(prefix="wasinn-") as name:
        descriptor = os.open(name, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            yield Path(name)
        finally:
            os.close(descriptor)


def _serve(options: argparse.Namespace, model: Model, folder: Path) -> NoReturn:
    """Serve until something raises: _Stopped, KeyboardInterrupt, or ServerError when no server starts."""
    from host.serving import repository, watchdog  # noqa: PLC0415 - as above
    from host.serving.server import CrashError, Server, ServerError  # noqa: PLC0415 - as above

    places = _places(options, folder)
    triton = _triton(options)
    try:
        file = repository.write(places.repository, model, has_models=False)
    except NnError as error:
        raise UsageError(f"a model cannot be read: {error.reason}") from error
    idle = watchdog.idle_seconds(model.what.job.bounds.timeout)
    is_told, failures = False, 0
    while True:
        with closing(Server(triton, places, model.name, folder)) as server:
            try:
                _wait(server)
                if not is_told:
                    _tell(options, server, model.instances)
                is_told, failures = True, 0
                watchdog.watch(server, model.instances, file, idle, say)
            except ServerError as error:
                failures += not isinstance(error, CrashError)
                if not is_told or failures > _STARTS:
                    raise
                say("warning", f"{error}: starting it again")
        sleep(_PAUSE)


def _wait(server: Server) -> None:
    """Wait until the server is ready; show on a terminal that it is not, and tell once if it takes long."""
    began, told_at = monotonic(), _TOLD_AFTER

    def look() -> None:
        nonlocal told_at
        seconds = monotonic() - began
        if seconds > told_at:
            told_at = inf
            if has_terminal():
                status("")
            say(
                "note",
                f"Triton is not ready after {seconds:.0f} s: see what it says in `{server.places.log}`",
            )
        if has_terminal() and seconds > _SHOWN_AFTER:
            status(f"starting Triton: {seconds:.0f} s")

    try:
        server.wait(look)
    finally:
        if has_terminal():
            status("")


def _tell(options: argparse.Namespace, server: Server, instances: int) -> None:
    http, grpc = server.places.http, server.places.grpc
    if options.json:
        facts = {"name": server.name, "http": str(http), "grpc": grpc and str(grpc), "instances": instances}
        write(json.dumps(facts) + "\n")
        return
    by_grpc = f", grpc://{grpc}" if grpc else ""
    write(f"{server.name}: http://{http}/v2/models/{server.name}{by_grpc}\n")


def _triton(options: argparse.Namespace) -> Triton:
    from host.serving import installation  # noqa: PLC0415 - as above

    if options.get_triton:
        return installation.provide(notice=partial(say, "note"))
    return installation.find(os.environ)


def _places(options: argparse.Namespace, folder: Path) -> Places:
    from host.serving.server import Places  # noqa: PLC0415 - as above

    log = Path(options.log) if options.log else folder / "log"
    try:
        log.open("ab").close()
    except OSError as error:
        raise UsageError(f"`--log {log}` cannot be written: {error.strerror or error}") from error
    with ExitStack() as held:  # both at once: else one could get the other's
        http = _address("--http", options.http, held)
        grpc = None if options.grpc == _OFF else _address("--grpc", options.grpc, held)
    return Places(http, grpc, folder / "models", log, is_log_kept=bool(options.log))


def _address(option: str, text: str, held: ExitStack) -> Address:
    """Return where to listen, a free port in place of 0; UsageError when it cannot be.

    It is `held` until Triton is to have it.
    """
    from host.serving.server import Address, free_port, listening, resolved  # noqa: PLC0415 - as above

    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or "//" in text:
        raise UsageError(f"`{option} {text}` is not of the form HOST:PORT, as in `127.0.0.1:8000`")
    try:
        number = quantities.number(port, 0, _PORT_MOST)
        host = resolved(host)
        address = Address(host, number or free_port(host))
        held.enter_context(listening(address))
    except ValueError as error:
        raise UsageError(f"`{option}`: {error}") from error
    except OSError as error:
        help_ = f"give another with `{option} HOST:PORT`, or port 0 for any"
        raise UsageError(f"`{option} {text}`: {error.strerror or error}: {help_}") from error
    if address.is_public:
        say(
            "warning",
            f"`{option} {text}`: whoever reaches it may use the model, without password and TLS",
        )
    return address


def _parser() -> Parser:
    parser = Parser("serve", "Put a guest behind a port.", _EPILOG, _USAGE)
    service_options.add_to(parser)
    parser.add_argument(
        "--http", metavar="HOST:PORT", default="127.0.0.1:8000",
        help="where to listen for HTTP; port 0 is any (default: 127.0.0.1:8000)",
    )  # fmt: skip
    parser.add_argument(
        "--grpc", metavar="HOST:PORT|off", default="127.0.0.1:8001",
        help="where to listen for gRPC (default: 127.0.0.1:8001)",
    )  # fmt: skip
    parser.add_argument(
        "--get-triton", action="store_true",
        help="take the Triton in the cache folder, and put it there first if need be",
    )  # fmt: skip
    parser.add_argument(
        "--log",
        metavar="FILE",
        help="where Triton's own words go (default: the last of them to a file that goes with the command)",
    )
    parser.add_argument("--json", action="store_true", help="print where it is as JSON")
    return parser
