"""What the inputs of a job were when it was run: noted beside the shards, so that none of others stays."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from host.batch.work import TEMPORARY

if TYPE_CHECKING:
    from pathlib import Path

    from host.batch.plan import Plan

NOTE: Final = "_inputs.json"
"""Maps the name of each input to its size in bytes and two times of its file system, to be compared only."""


def forget_changed(out: Path, found: Plan) -> None:
    """Remove the shards of inputs that are not as they were, and note how they are now; OSError.

    One that changes after this is another the next time, whether it was read before that or not.
    """
    note = out / NOTE
    before = _noted(note)
    now = {name: _state(found.folder / name) for shard in found.shards for name in shard.sources}
    if now == before:
        return
    for shard in found.shards:
        if any(before.get(name) != now[name] for name in shard.sources):
            (out / shard.name).unlink(missing_ok=True)
    new = out / f".{uuid4().hex}{TEMPORARY}"
    with new.open("x", encoding="utf-8") as file:
        json.dump(now, file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(note)


def _state(path: Path) -> list[int] | None:
    """Return what tells a file from another, and from itself after a change; None when it cannot be seen."""
    try:
        found = path.stat()
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _noted(note: Path) -> dict[str, list[int] | None]:
    try:
        found = json.loads(note.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
