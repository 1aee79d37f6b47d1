"""Unpacking packages without installing them, also with lists of apt that name files replaced since."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from guest.c.toolchain import debian, sdk

if TYPE_CHECKING:
    from pathlib import Path

APT_GET = """#!/bin/sh
echo "$1" >>"{log}"
case $1 in
  download) grep -q update "{log}" || {{ echo '404  Not Found' >&2; exit 100; }}; : >package.deb ;;
esac
"""
DPKG_DEB = '#!/bin/sh\nmkdir -p "$3" && cp "$2" "$3"\n'


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand for an apt whose lists are old until they are updated; return what it notes its commands in."""
    log = tmp_path / "log"
    sdk.write_script(tmp_path / "bin/apt-get", APT_GET.format(log=log))
    sdk.write_script(tmp_path / "bin/dpkg-deb", DPKG_DEB)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return log


def test_root_updates_lists_that_are_old(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    debian.unpack(["package"], tmp_path / "made/root")
    assert log.read_text().split() == ["download", "update", "download"]
    assert [path.name for path in (tmp_path / "made").rglob("*")] == ["root", "package.deb"]


def test_anybody_else_is_told_what_apt_said(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(sdk.Unusable, match="404"):
        debian.unpack(["package"], tmp_path / "made/root")
    assert log.read_text().split() == ["download"]
    assert list((tmp_path / "made").iterdir()) == []
