"""`python -m host export triton`: write a guest as a model repository, for servers of the user's own."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from host.backends.remote_address import Remote
from host.commands import service_options
from host.console import Parser, UsageError, say, write
from host.errors import NnError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from host.job import Job

_USAGE: Final = (
    "python -m host export triton GUEST.wasm --out REPOSITORY [--service FILE.toml] [--name NAME] "
    "[--instances N] [--rows-per-call K] [--graph NAME=MODEL[,option=value]...]... [--dir ...]... "
    "[--env K=V]... [-- args...]"
)

_DESCRIPTION: Final = (
    "Write a guest and its models as a model of a Triton Inference Server or KServe of your own."
)

_EPILOG: Final = """\
Writes REPOSITORY/NAME: the guest, its models, and what Triton's Python backend needs to run them. There the
package wasinn-sdk has to be installed, of this version, for the Python of that backend (docs/serve.md).
Folders of `--dir` have to be there under the same paths. Variables of `--env` are in it as they are, in a
file that only you can read: the server has to run as you, or be given that file.

example:
  python -m host export triton photo.wasm --graph squeezenet=model.xml --out repository
  tritonserver --model-repository=repository

exit codes: 0 written; 2 bad usage or input, or there is such a model already; 130 when interrupted. Whatever
the code, there is the whole model or nothing of it.
"""


def main(arguments: list[str]) -> int:
    """Write the repository; return the exit code."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    parser = Parser("export", _DESCRIPTION, _EPILOG, _USAGE)
    parser.add_argument("kind", choices=("triton",), help="for which kind of server; there is one so far")
    parser.add_argument(
        "--out", metavar="REPOSITORY", required=True,
        help="the folder with the models of the server; made if need be, and others in it are kept",
    )  # fmt: skip
    service_options.add_to(parser)
    options = parser.parse_args(arguments[:at])
    model = service_options.model_from(options, arguments[at + 1 :])

    from host.serving import repository  # noqa: PLC0415 - loads wasmtime: help and usage errors come without it

    out = Path(options.out)
    try:
        with _interruptible():
            repository.write(out, model, has_models=True)
    except repository.TakenNameError as error:
        raise UsageError(
            f"`{out / model.name}` is there already: remove it, or give another `--name`"
        ) from error
    except NnError as error:
        raise UsageError(f"a model cannot be read: {error.reason}") from error
    except OSError as error:
        raise UsageError(f"`--out {out}` cannot be written: {error.strerror or error}") from error
    for each in _needs(model.what.job):
        say("note", f"the server has to have {each} too")
    write(f"{out / model.name}\n")
    return 0


def _needs(job: Job) -> Iterator[str]:
    """Yield what is not in the repository, and is looked for where it was here."""
    for folder in job.preopens:
        yield f"the folder `{folder.host.absolute()}`"
    for model in job.registry.models.values():
        if not isinstance(model.path, Remote):
            continue
        if model.path.ca:
            yield f"the file `{model.path.ca.absolute()}`"
        if header := model.path.header:
            yield (
                f"the file `{Path(header.place).absolute()}`"
                if header.is_file
                else f"the variable `{header.place}`"
            )


@contextmanager
def _interruptible() -> Iterator[None]:
    """Have SIGTERM and SIGHUP end the block as Ctrl-C does, so that it cleans up."""
    usual = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) is signal.SIG_DFL]
    for number in usual:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in usual:
            signal.signal(number, signal.SIG_DFL)
