"""A model on a server of the Open Inference Protocol v2, as a graph: an inference is a call.

How a server is spoken to is in `host.backends.remote_grpc` and `host.backends.remote_http`.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from host.backends.remote_credential import Credential
from host.backends.remote_http import HttpServer
from host.backends.remote_tensors import Tensor, checked
from host.errors import NnError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from host.backends import Port
    from host.backends.remote_address import Remote
    from host.backends.remote_tensors import Metadata, Server


def connect(remote: Remote) -> RemoteGraph:
    """Return the model at `remote` as its server describes it now; NnError when that cannot be had."""
    server: Server
    credential = Credential(remote.header)
    if remote.is_grpc:
        from host.backends.remote_grpc import GrpcServer  # noqa: PLC0415 - what it needs is an extra

        server = GrpcServer(remote, credential)
    else:
        server = HttpServer(remote, credential)
    with _scrubbing(credential):
        return RemoteGraph(remote, credential, server, server.metadata())


@contextmanager
def _scrubbing(credential: Credential, before: str = "") -> Iterator[None]:
    """Put `before` in front of what an NnError says, and take a credential out that the server gave back."""
    try:
        yield
    except NnError as error:
        reason = f"{before}{credential.scrubbed(error.reason)}"
        raise NnError(error.condition, reason, error.limit) from None  # the cause may have it, too


@dataclass(frozen=True, slots=True, weakref_slot=True)
class RemoteGraph:
    """A model on a server."""

    remote: Remote
    credential: Credential
    server: Server
    metadata: Metadata

    @property
    def inputs(self) -> tuple[Port, ...]:
        """The inputs, in the order of the metadata."""
        return tuple(each.port for each in self.metadata.inputs)

    @property
    def outputs(self) -> tuple[Port, ...]:
        """The outputs, in the order of the metadata."""
        return tuple(each.port for each in self.metadata.outputs)

    @property
    def remark(self) -> str:
        """How tensors travel."""
        return self.server.remark

    def request(self) -> RemoteRequest:
        """Return a new request."""
        return RemoteRequest(self)


class RemoteRequest:
    """One inference at a time; one that a server failed may go again when the server is back."""

    def __init__(self, graph: RemoteGraph) -> None:
        """Run on `graph`."""
        self.graph = graph
        self._link = graph.server.link()
        self._inputs: dict[int, tuple[tuple[int, ...], bytearray]] = {}
        self._outputs: tuple[bytes, ...] = ()

    def set_input(self, index: int, dimensions: tuple[int, ...], data: bytes | memoryview) -> None:
        """Copy `data` in."""
        self._inputs[index] = dimensions, bytearray(data)

    def input(self, index: int) -> memoryview:
        """Return the copy."""
        return memoryview(self._inputs[index][1])

    def infer(self) -> None:
        """Send the inputs and take the outputs, if they are what the metadata says."""
        metadata = self.graph.metadata
        inputs = [
            Tensor(each.name, each.datatype, self._inputs[index][0], bytes(self._inputs[index][1]))
            for index, each in enumerate(metadata.inputs)
        ]
        with _scrubbing(self.graph.credential, f"{self.graph.remote}: "):
            answer = self._link.infer(inputs, [each.name for each in metadata.outputs])
            self._outputs = checked(answer, metadata.outputs)

    def output(self, index: int) -> memoryview:
        """Return an output of the last answer."""
        return memoryview(self._outputs[index])
