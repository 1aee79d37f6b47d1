"""Guests with a model on a server, and what servers of such models may answer."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tritonclient.grpc import service_pb2  # type: ignore[import-untyped]  # likewise

from host.backends.remote_address import Remote
from host.models.graphs import from_text, register
from host.nn import Session
from tests.host.guests import Guest, f32
from tests.servers import wrong
from tests.servers.wrong import reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from host.backends import Backend
    from host.errors import Condition

ROOT: Final = Path(__file__).resolve().parents[2]
SECRET: Final = "s3cr3t-t0ken"  # noqa: S105 - no real one
M = service_pb2


def address(text: str) -> Remote:
    """Return the address in what `--graph` takes."""
    path = from_text(f"m={text}").model.path
    assert isinstance(path, Remote)
    return path


def guest(text: str) -> Guest:
    """Return a guest with a model on a server, `m`."""

    def none() -> Backend:
        raise AssertionError("a remote model needs no backend")

    return Guest(Session(none, register([from_text(f"m={text}")]), lambda _: None))


def compute(text: str) -> Guest:
    """Return a guest that has loaded `m` and computed on [1, 2]; how that went is in its reports."""
    made = guest(text)
    assert made.load_by_name(b"m") == 0, made.reports
    context = made.context_of(made.u32())
    assert made.set_input(context, f32(1, 2), (2,)) == 0, made.reports
    made.call("compute", context)
    return made


def failed(made: Guest) -> tuple[Condition, str]:
    """Return what the last call that failed failed with."""
    assert made.reports, "nothing failed"
    error = made.reports[-1][1]
    return error.condition, error.reason


def output(**changed: object) -> dict[str, object]:
    """Return an answer whose output is changed."""
    return {"outputs": [{"name": "y", "datatype": "FP32", "shape": [2], "data": [1, 2], **changed}]}


def binary(size: object = 8, data: bytes = f32(1, 2), length: object = None) -> bytes:
    """Return an answer whose output is bytes."""
    head = json.dumps(output(parameters={"binary_data_size": size}, data=None)).encode()
    told = str(len(head) if length is None else length)
    return reply(head + data, Inference_Header_Content_Length=told)


def answer(**changed: object) -> Any:  # noqa: ANN401 - a message
    """Return the right answer, changed."""
    tensor = {"name": "y", "datatype": "FP32", "shape": [2]}
    return M.ModelInferResponse(**{"outputs": [tensor], "raw_output_contents": [f32(1, 2)], **changed})


def metadata_of(**changed: object) -> bytes:
    """Return the metadata as a message, its input changed."""
    port = {"datatype": "FP32", "shape": [2]}
    made = M.ModelMetadataResponse(inputs=[{"name": "x", **port, **changed}], outputs=[{"name": "y", **port}])
    return bytes(made.SerializeToString())


@contextmanager
def by_grpc(infer: Callable[[Any, Any], bytes], metadata: bytes | None = None) -> Iterator[str]:
    """Serve a model that answers so; give its address."""
    told = metadata_of() if metadata is None else metadata
    with wrong.by_grpc(lambda *_: told, infer) as port:
        yield f"v2+grpc://127.0.0.1:{port}/m,timeout=5"
