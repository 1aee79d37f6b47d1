"""The image decoder's header: taken from where the user says or from its package, else a clear message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guest.c.toolchain import stb

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_header_is_copied_from_the_folder_the_user_names(tmp_path: Path) -> None:
    (tmp_path / "mine" / "stb").mkdir(parents=True)
    (tmp_path / "mine" / "stb" / "stb_image.h").write_text("/* mine */")
    (tmp_path / "mine" / "stdio.h").write_text("/* the host's: must not come along */")
    folder = stb.provide(tmp_path / "build", {"STB_INCLUDE_DIR": str(tmp_path / "mine")})
    assert (folder / "stb" / "stb_image.h").read_text() == "/* mine */"
    assert [path.name for path in folder.rglob("*.h")] == ["stb_image.h"]


def test_a_named_folder_without_the_header_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stb.main({"STB_INCLUDE_DIR": str(tmp_path)}, tmp_path / "build") == 1
    assert "has neither stb/stb_image.h nor stb_image.h" in capsys.readouterr().err


def test_a_machine_without_apt_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert stb.main({}, tmp_path / "build", installed=tmp_path / "none") == 1
    assert "set STB_INCLUDE_DIR" in capsys.readouterr().err
    assert list((tmp_path / "build").iterdir()) == []
