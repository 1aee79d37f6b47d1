"""A guest with all that it is given, as a folder: for another process to read, on another machine maybe.

The folder has `service.json`, `guest.wasm`, and the files of models where they are to go with it. Knows no
server.
"""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from host.abi import ExecutionTarget
from host.backends.remote_address import Remote
from host.errors import Condition, NnError
from host.job import Bounds, Job, Preopen
from host.models import files, graphs
from host.models.options import ModelOptions
from host.nn import Limits, Serving
from host.serving import description

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from host.models.registry import NamedModel
    from host.serving.description import Description

SERVICE: Final = "service.json"
GUEST: Final = "guest.wasm"
MODELS: Final = "models"

_FORM: Final = 1
"""Of the file; another means another version of this package."""

_OWNER_ONLY: Final = 0o600
"""Who may read the service: it has the variables of the guest."""


class DeploymentError(Exception):
    """A folder that does not hold what was written there; the message is one line."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is served: the job, its tensors, how many records are given to the guest at once, and how.

    The job is that of a worker, which has the guest's code with it. `output_bytes` is what one answer of the
    guest may have at most; `has_cache` says whether what is compiled is kept in the cache of the user who
    runs it.
    """

    job: Job
    description: Description
    per_call: int
    output_bytes: int
    has_cache: bool


def write(folder: Path, what: Deployment, *, has_models: bool) -> None:
    """Write a deployment into the empty `folder`.

    `has_models` says that models are copied, in place of being named where they are.

    Raises:
        NnError: A model cannot be read.
        OSError: The folder cannot be written.
    """
    job = what.job
    assert job.code is not None  # noqa: S101 - see Deployment
    (folder / GUEST).write_bytes(job.code)
    tables = {}
    for at, (name, model) in enumerate(job.registry.models.items()):
        path = model.path
        if isinstance(path, Path) and has_models:
            path = _copied(path, folder, Path(MODELS, str(at)))
        tables[name] = _table(model, path)
    content = {
        "form": _FORM,
        "guest": job.guest.name,
        "arguments": job.arguments,
        "environment": job.environment,
        "folders": [{**asdict(each), "host": str(each.host.absolute())} for each in job.preopens],
        "graphs": tables,
        "abi": job.abi,
        "limits": asdict(job.limits),
        "bounds": asdict(job.bounds),
        "options": asdict(job.serving.options),
        "devices": {target.name.lower(): device for target, device in job.serving.devices.items()},
        "rows_per_call": what.per_call,
        "output_bytes": what.output_bytes,
        "cache": what.has_cache,
        **description.to_tables(what.description),
    }
    service = folder / SERVICE
    service.touch(_OWNER_ONLY, exist_ok=False)
    service.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read(folder: Path) -> Deployment:
    """Return the deployment in `folder`.

    Raises:
        DeploymentError: It was written by another version, or is damaged.
        RegistrationError: A model is not there.
        OSError: A file cannot be read.
    """
    path = folder / SERVICE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        form = content["form"]
        if form != _FORM:
            raise DeploymentError(f"`{path}` is of another version of wasinn-sdk (form {form}, not {_FORM})")
        return _deployment(folder, content)
    except (ValueError, TypeError, KeyError, AttributeError, description.DescriptionError) as error:
        raise DeploymentError(f"`{path}` is damaged: {type(error).__name__}: {error}") from error


def _copied(path: Path, folder: Path, into: Path) -> Path:
    """Copy the files of the model at `path`; return where it is then, relative to `folder`."""
    with _reading():
        found = files.files_of(path)
    for file in found:
        copy = folder / into / file.relative_to(path.parent)
        copy.parent.mkdir(parents=True, exist_ok=True)
        with _reading():
            source = file.open("rb")
        with source, copy.open("wb") as written:
            shutil.copyfileobj(source, written)
    return into / path.name


@contextmanager
def _reading() -> Iterator[None]:
    """Have an OSError of the block tell of the model: all others are of the folder that is written."""
    try:
        yield
    except OSError as error:
        raise NnError(Condition.NOT_A_MODEL, f"`{error.filename}`: {error.strerror or error}") from error


def _table(model: NamedModel, path: Path | Remote) -> dict[str, object]:
    """Return the table of a model as a manifest has it."""
    table: dict[str, object] = {"path": str(path)}
    if isinstance(path, Remote):
        table["timeout"] = path.timeout
        if path.ca:
            table["ca"] = str(path.ca.absolute())
        if header := path.header:
            place = str(Path(header.place).absolute()) if header.is_file else header.place
            table["header"] = str(replace(header, place=place))
        return table
    table |= {key: getattr(model.options, key) for key in sorted(model.fixed)}
    if "threads" in table:
        table["threads"] = table["threads"] or "auto"
    return {key: value for key, value in {**table, "sha256": model.sha256}.items() if value is not None}


def _deployment(folder: Path, content: Mapping[str, Any]) -> Deployment:
    devices = {ExecutionTarget[name.upper()]: device for name, device in content["devices"].items()}
    serving = Serving(ModelOptions(**content["options"]), MappingProxyType(devices))
    base = serving.options_for(ExecutionTarget.CPU)
    entries = [
        graphs.from_table(f"`{folder / SERVICE}`, graph `{name}`", name, table, base, folder)
        for name, table in content["graphs"].items()
    ]
    job = Job(
        guest=Path(content["guest"]),
        arguments=tuple(content["arguments"]),
        environment=tuple((name, value) for name, value in content["environment"]),
        preopens=tuple(Preopen(**{**each, "host": Path(each["host"])}) for each in content["folders"]),
        registry=graphs.register(entries),
        abi=content["abi"],
        limits=Limits(**content["limits"]),
        bounds=Bounds(**content["bounds"]),
        serving=serving,
        code=(folder / GUEST).read_bytes(),
    )
    tensors = description.from_tables({key: content[key] for key in ("inputs", "outputs")})
    return Deployment(job, tensors, content["rows_per_call"], content["output_bytes"], content["cache"])
