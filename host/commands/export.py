"""`python -m host export triton`: write a guest as a model repository, for servers of the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from host.commands import service_options
from host.console import Parser, UsageError, say, write
from host.errors import NnError

_USAGE: Final = (
    "python -m host export triton GUEST.wasm --out REPOSITORY [--service FILE.toml] [--name NAME] "
    "[--instances N] [--rows-per-call K] [--graph NAME=MODEL[,option=value]...]... [--dir ...]... "
    "[--env K=V]... [-- args...]"
)

_EPILOG: Final = """\
Writes REPOSITORY/NAME: the guest, its models, and what Triton's Python backend needs to run them. There the
package wasinn-sdk has to be installed, of this version, for the Python of that backend (docs/serve.md).
Variables of `--env` are in it as they are; folders of `--dir` have to be there under the same paths.

example:
  python -m host export triton photo.wasm --graph squeezenet=model.xml --out repository
  tritonserver --model-repository=repository

exit codes: 0 written, 2 bad usage or input, or there is such a model already.
"""


def main(arguments: list[str]) -> int:
    """Write the repository; return the exit code."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    parser = Parser("export", "Write a guest as a model repository.", _EPILOG, _USAGE)
    parser.add_argument("kind", choices=("triton",), help="whose repository")
    service_options.add_to(parser)
    parser.add_argument(
        "--out", metavar="REPOSITORY", required=True, help="the folder to write the model's into"
    )
    options = parser.parse_args(arguments[:at])
    model = service_options.model_from(options, arguments[at + 1 :])

    from host.serving import repository  # noqa: PLC0415 - loads wasmtime: help and usage errors come without it

    out = Path(options.out)
    try:
        repository.write(out, model, has_models=True)
    except FileExistsError as error:
        raise UsageError(
            f"`{out / model.name}` is there already: remove it, or give another `--name`"
        ) from error
    except NnError as error:
        raise UsageError(f"a model cannot be read: {error.reason}") from error
    for folder in model.what.job.preopens:
        say("note", f"`{folder.host}` has to be on the server too, under this path")
    write(f"{out / model.name}\n")
    return 0
