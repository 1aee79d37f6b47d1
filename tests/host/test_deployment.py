"""What is served, as a folder: read as it was written, and a repository of Triton's around it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from host.api import Host
from host.backends.remote_address import Header, Remote
from host.job import Bounds, Preopen
from host.models.graphs import from_text, register
from host.models.options import ModelOptions
from host.nn import Limits, Serving
from host.serving import deployment, repository
from host.serving.deployment import Deployment, DeploymentError
from host.serving.description import AS_BYTES, Description, Tensor
from host.serving.repository import BadNameError, Model, TakenNameError
from tests.host import batches
from tests.host.reactors import reactor

if TYPE_CHECKING:
    from collections.abc import Callable

    from host.job import Job
    from tests.host import models

X, Y = Tensor("x", "FP32", (4,)), Tensor("y", "INT64", (2,))


def job(path: Path, tmp_path: Path, **changes: Any) -> Job:  # noqa: ANN401 - any field of it
    """Return a job that has something in every field."""
    made = Host().worker(reactor()).job
    entries = [
        from_text(f"net={path},threads=2,precision=f32"),
        from_text(f"plain={path}"),
        from_text(f"auto={path},threads=auto"),
        from_text("far=v2+https://h:1/m/2,timeout=3,header=Authorization:env:TOKEN"),
    ]
    return replace(
        made,
        guest=Path("some/guest.wasm"),
        arguments=("a", "é"),
        environment=(("K", "v=1"),),
        preopens=(Preopen(tmp_path, "/data", is_read_only=True),),
        registry=register(entries),
        abi="2022",
        limits=Limits(graphs=3),
        bounds=Bounds(timeout=2.5, fuel=10),
        serving=Serving(ModelOptions(threads=1)),
        **changes,
    )


@pytest.fixture
def net(tmp_path: Path, pair: models.IR) -> Path:
    """Return a model's file."""
    return batches.model(tmp_path, pair)


@pytest.mark.parametrize("has_models", [True, False])
def test_deployment_is_read_as_it_was_written(tmp_path: Path, net: Path, *, has_models: bool) -> None:
    what = Deployment(job(net, tmp_path), Description((X,), (Y,)), 7, 99, has_cache=False)
    folder = tmp_path / "out"
    folder.mkdir()
    deployment.write(folder, what, has_models=has_models)
    if has_models:
        folder = folder.rename(tmp_path / "elsewhere")
        net.unlink()
    found = deployment.read(folder)
    assert (found.description, found.per_call, found.output_bytes, found.has_cache) == (
        what.description,
        7,
        99,
        False,
    )
    for name in ("arguments", "environment", "preopens", "abi", "limits", "bounds", "code"):
        assert getattr(found.job, name) == getattr(what.job, name), name
    assert found.job.guest.name == "guest.wasm"
    assert found.job.serving.options == what.job.serving.options
    assert dict(found.job.serving.devices) == dict(what.job.serving.devices)
    here, there = what.job.registry.models, found.job.registry.models
    assert list(there) == list(here)
    assert there["far"].path == Remote(
        "v2+https", "h", 1, "m", "2", 3.0, header=Header("Authorization", is_file=False, place="TOKEN")
    )
    for name in ("net", "plain", "auto"):
        assert there[name].fixed == here[name].fixed
        assert isinstance(there[name].path, Path)
        assert Path(str(there[name].path)).is_relative_to(folder) is has_models
    assert there["net"].options == here["net"].options
    assert there["auto"].options.threads is None
    assert there["plain"].options.threads == 1, "what was not given is that of the service"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda content: {**content, "form": 0}, "of another version of wasinn-sdk"),
        (lambda content: {key: content[key] for key in content if key != "abi"}, "damaged: KeyError: 'abi'"),
        (lambda content: {**content, "limits": {"none": 1}}, "damaged: TypeError"),
        (lambda content: {**content, "inputs": []}, "damaged: DescriptionError"),
        (lambda _: [], "damaged: TypeError"),
    ],
)
def test_folder_of_another_version_or_damaged_is_refused(
    tmp_path: Path, net: Path, change: Callable[[Any], object], told: str
) -> None:
    what = Deployment(job(net, tmp_path), AS_BYTES, 1, 99, has_cache=False)
    folder = tmp_path / "out"
    folder.mkdir()
    deployment.write(folder, what, has_models=False)
    path = folder / deployment.SERVICE
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(DeploymentError, match=told):
        deployment.read(folder)


def model(per_call: int = 1, name: str = "m") -> Model:
    """Return a model of a guest that answers with the record."""
    return Model(
        name,
        Deployment(Host().worker(reactor()).job, Description((X,), (Y,)), per_call, 9, has_cache=False),
        3,
    )


def test_configuration_has_the_tensors_and_the_instances() -> None:
    text = repository.configuration(model())
    assert 'input [ { name: "x", data_type: TYPE_FP32, dims: [ 4 ] } ]' in text
    assert 'output [ { name: "y", data_type: TYPE_INT64, dims: [ 2 ] } ]' in text
    assert "count: 3" in text
    assert "max_batch_size: 0" in text
    assert "dynamic_batching" not in text


def test_many_rows_a_call_are_a_batch_that_the_server_puts_together() -> None:
    text = repository.configuration(model(256))
    assert "max_batch_size: 256" in text
    assert "dynamic_batching" in text


def test_model_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    written = repository.write(tmp_path, model(), has_models=True)
    written.write_text("mine")
    with pytest.raises(TakenNameError):
        repository.write(tmp_path, model(), has_models=True)
    assert written.read_text() == "mine"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "é", "-x", 'a"', "a\n", "x" * 101])
def test_name_that_is_no_folders_is_refused(name: str) -> None:
    with pytest.raises(BadNameError):
        repository.check_name(name)
