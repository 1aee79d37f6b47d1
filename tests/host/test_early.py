"""A lone named model is loaded while the guest is got ready; what fails then is told when it is asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from host import abi, early
from host.backends.openvino import OpenVino
from host.backends.openvino_c import OpenVinoMissingError
from host.backends.remote_address import remote
from host.early import Early, is_wanted
from host.errors import NnError
from host.models.registry import NamedModel, Registry
from tests.host import models


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """Return a model."""
    xml, weights = models.double([2])
    (tmp_path / "net.xml").write_bytes(xml)
    (tmp_path / "net.bin").write_bytes(weights)
    return tmp_path / "net.xml"


def test_lone_model_is_loaded_before_it_is_asked_for(net: Path) -> None:
    notices: list[str] = []
    registry = Registry({"net": NamedModel(net)})
    work = Early(registry, None, notices.append)
    work.join()
    assert [notice.split()[0] for notice in notices] == ["loading", "loaded"]
    registry.graph("net", work.backend, notices.append)
    assert len(notices) == 2
    assert isinstance(work.backend(), OpenVino)
    assert work.backend() is work.backend()


def test_of_several_models_none_is(net: Path) -> None:
    notices: list[str] = []
    work = Early(Registry({"a": NamedModel(net), "b": NamedModel(net)}), None, notices.append)
    work.join()
    assert not notices


def test_model_on_a_server_is_not_asked_for(tmp_path: Path) -> None:
    model = NamedModel(remote("v2+http://127.0.0.1:9/net", {}))
    guest = tmp_path / "guest.wasm"
    guest.write_bytes(abi.MODULE.encode())
    assert not is_wanted(Registry({"net": model}), guest)


@pytest.mark.parametrize("module", sorted({epoch.module for epoch in abi.EPOCHS.values()}))
def test_guest_that_names_wasi_nn_wants_a_backend(tmp_path: Path, module: str) -> None:
    """Even with no model by name: it may bring one."""
    guest = tmp_path / "guest.wat"
    guest.write_text(f'(module (import "{module}" "load" (func)))')
    assert is_wanted(Registry({}), guest)


def test_guest_that_does_not_wants_none(tmp_path: Path) -> None:
    guest = tmp_path / "guest.wat"
    guest.write_text("(module)")
    assert not is_wanted(Registry({}), guest)
    assert not is_wanted(Registry({}), tmp_path)
    assert not is_wanted(Registry({}), tmp_path / "missing")
    assert not is_wanted(Registry({}), Path("a\0b"))


def test_guest_in_a_pipe_is_not_read_twice(tmp_path: Path) -> None:
    """It would be gone, or waited for without end."""
    pipe = tmp_path / "guest.wasm"
    os.mkfifo(pipe)
    assert not is_wanted(Registry({}), pipe)


def test_model_that_does_not_load_is_told_when_asked_for(net: Path) -> None:
    net.write_bytes(b"<net/>")
    registry = Registry({"net": NamedModel(net)})
    work = Early(registry, None, lambda _: None)
    work.join()
    with pytest.raises(NnError, match="does not load"):
        registry.graph("net", work.backend, lambda _: None)


def test_backend_that_cannot_be_had_is_told_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> OpenVino:
        raise OpenVinoMissingError("it is not there")

    monkeypatch.setattr(early.Early, "_new", fail)
    work = Early(Registry({}), None, lambda _: None)
    work.join()
    with pytest.raises(OpenVinoMissingError, match="it is not there"):
        work.backend()


def test_guest_that_needs_no_model_does_not_wait_for_one(tmp_path: Path, net: Path) -> None:
    guest = tmp_path / "guest.wat"
    guest.write_text('(module (memory (export "memory") 1) (func (export "_start")))')
    command = (sys.executable, "-m", "host", "run", str(guest), "--graph", f"net={net}")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
