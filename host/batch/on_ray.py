"""Have shards answered by Ray: a plain task each, on this machine or on a cluster that is there already."""

from __future__ import annotations

import os
import re
import socket
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from host.batch import work as unit
from host.batch.extras import needed
from host.batch.work import Outcome, Work

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from host.batch.plan import Shard

ADDRESS: Final = "RAY_ADDRESS"
"""The variable that says where a cluster is."""

HERE: Final = "local"
"""The address of a Ray that is started on this machine, as Ray has it."""

_LOCAL: Final[Mapping[str, str]] = MappingProxyType(
    {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # else it listens on all interfaces
        "RAY_USAGE_STATS_ENABLED": "0",
    }
)
_MEMORY_RETRIES: Final = "RAY_task_oom_retries"
"""How often a task goes again that Ray ended for its memory: for ever unless told."""

_LOOK: Final = 0.2
_PATIENCE: Final = 10.0
"""Seconds for a cluster to accept a connection."""

_AHEAD: Final = 256
"""How many shards Ray is given at a time; a cluster that grows by itself goes by those that wait."""

_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")


class RayUnusableError(Exception):
    """Ray does not start, or its cluster cannot be reached; the message is one line."""


def outcomes(
    work: Work, shards: Sequence[Shard], workers: int | None, retries: int, address: str | None
) -> Generator[Outcome | None, None, None]:
    """Yield what becomes of each shard, as they are done; None now and then while none is.

    Args:
        work: What to do; its models go with it.
        shards: What to do it with.
        workers: How many shards are worked on at a time; None for all processors that Ray has.
        retries: How often a shard is tried anew whose process or machine died.
        address: Of a cluster; None to start Ray on this machine, on loopback, for as long as this takes.

    Raises:
        MissingExtraError: Ray is not installed.
        RayUnusableError: It does not start.
    """
    if not shards:
        return
    os.environ.setdefault(_MEMORY_RETRIES, str(retries))  # read when it is imported
    ray = started(workers, address)
    try:
        task = ray.remote(num_cpus=1, max_retries=retries)(unit.run)
        shared = ray.put(work)
        ahead = workers if address and workers else _AHEAD
        todo = iter(shards)
        waiting: dict[Any, Shard] = {}
        while True:
            for shard in islice(todo, ahead - len(waiting)):
                waiting[task.remote(shared, shard)] = shard
            if not waiting:
                return
            done, _ = ray.wait(list(waiting), num_returns=1, timeout=_LOOK)
            if not done:
                yield None
            for ref in done:
                shard = waiting.pop(ref)
                try:
                    yield ray.get(ref)
                except ray.exceptions.RayError as error:
                    yield Outcome(shard.name, problem=f"{type(error).__name__}: {_reason(error)}")
    finally:
        ray.shutdown()


def started(workers: int | None, address: str | None) -> Any:  # noqa: ANN401 - Ray has types for little of it
    """Return Ray, connected to the cluster at `address` or else started here; raises as `outcomes`."""
    if address is None:
        for name, value in _LOCAL.items():
            os.environ.setdefault(name, value)  # read when it is imported
    ray = needed("ray")
    if address is not None:
        _check_reached(address)
    options: dict[str, object] = {"address": address} if address else {
        "address": HERE, "num_cpus": workers, "include_dashboard": False
    }  # fmt: skip
    try:
        ray.init(log_to_driver=False, logging_level="error", **options)
    except (RuntimeError, OSError, ValueError, ray.exceptions.RayError) as error:
        where = f"the cluster at `{address}`" if address else "Ray on this machine"
        raise RayUnusableError(f"{where} does not answer: {_reason(error)}") from error
    return ray


def _check_reached(address: str) -> None:
    """Raise RayUnusableError when nobody listens at HOST:PORT: Ray would wait for minutes."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        return  # `auto`, or `ray://HOST:PORT`
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise RayUnusableError(f"the cluster at `{address}` does not answer: {error}") from error


def _reason(error: Exception) -> str:
    """Return the line of Ray's that says why: the first, or the last where it begins with a traceback."""
    said = _COLOURS.sub("", str(error)).splitlines()
    lines = [line.strip() for line in said if line.strip()] or ["no reason given"]
    return lines[-1] if lines[0].startswith("ray::") else lines[0]
