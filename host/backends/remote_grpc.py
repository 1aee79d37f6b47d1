"""A model on a server of the Open Inference Protocol v2, by gRPC: calls, their time, and what errors mean.

The messages and the stub are `tritonclient`'s. Its client class is not used: it takes tensors as arrays of
numpy's, which would copy them twice more, and its channel follows `http_proxy`.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from host.backends.remote_tensors import (
    METADATA_BYTES,
    Metadata,
    Tensor,
    answer_bytes,
    described,
    lies,
    packed,
    shape_of,
    shown,
    too_large,
)
from host.errors import Condition, NnError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from host.backends.remote_address import Remote
    from host.backends.remote_credential import Credential

INSTALL: Final = "pip install 'wasinn-sdk[remote]'"

_OPTIONS: Final = (
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),  # a credential goes to the server that was named, and nowhere else
    ("grpc.service_config_disable_resolution", 1),  # else DNS could have calls made twice
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),  # else a server that is back is passed over for two minutes
)
_OVER_THE_CAP: Final = "message larger than max"  # received, or decompressed

_OF_THE_CALL: Final = frozenset(
    {"INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE", "UNIMPLEMENTED", "ALREADY_EXISTS"}
)
"""What says that the server is there and does not take these inputs."""

_CONTENTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "BOOL": "bool_contents",
        "UINT8": "uint_contents",
        "UINT16": "uint_contents",
        "UINT32": "uint_contents",
        "UINT64": "uint64_contents",
        "INT8": "int_contents",
        "INT16": "int_contents",
        "INT32": "int_contents",
        "INT64": "int64_contents",
        "FP32": "fp32_contents",
        "FP64": "fp64_contents",
    }
)
"""Where an answer has numbers that it does not have as raw bytes."""


class GrpcServer:
    """A model on a server, by one channel for all threads, after one for its metadata."""

    remark = "by gRPC"

    def __init__(self, remote: Remote, credential: Credential) -> None:
        """Prepare calls to `remote`; NnError when `tritonclient` is not there, or a certificate."""
        # Its core writes to stderr by itself, in the words of servers; it looks here when it is loaded.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        try:
            import grpc  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra: only for who uses it
            from tritonclient.grpc import (  # type: ignore[import-untyped]  # noqa: PLC0415 - likewise
                service_pb2,
                service_pb2_grpc,
            )
        except ImportError as error:
            reason = f"{remote.scheme} needs tritonclient ({error}): {INSTALL}, or use v2+http"
            raise NnError(Condition.REMOTE_FAILED, reason) from error
        self._grpc: Any = grpc
        self._messages: Any = service_pb2
        self._remote = remote
        self._credential = credential
        self._most = METADATA_BYTES
        self._tls: Any = grpc.ssl_channel_credentials(_roots(remote)) if remote.has_tls else None
        self._stub_on: Any = service_pb2_grpc.GRPCInferenceServiceStub
        self._open()

    def link(self) -> GrpcServer:
        """Return this: a channel is for all threads."""
        return self

    def metadata(self) -> Metadata:
        """Ask the server for the model's metadata."""
        asked = self._messages.ModelMetadataRequest(name=self._remote.model, version=self._remote.version)
        answer = self._call(self._stub.ModelMetadata, asked)
        inputs, outputs = (
            [(each.name, each.datatype, tuple(each.shape)) for each in tensors]
            for tensors in (answer.inputs, answer.outputs)
        )
        found = described(inputs, outputs)
        self._channel.close()
        self._most = answer_bytes(found)
        self._open()
        return found

    def infer(self, inputs: Sequence[Tensor], outputs: Sequence[str]) -> tuple[Tensor, ...]:
        """Send the inputs as raw bytes; return the outputs as they come, raw or as numbers."""
        request = self._messages.ModelInferRequest(
            model_name=self._remote.model,
            model_version=self._remote.version,
            raw_input_contents=[tensor.data for tensor in inputs],
        )
        for tensor in inputs:
            request.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        for name in outputs:
            request.outputs.add(name=name)
        answer = self._call(self._stub.ModelInfer, request)
        raw = answer.raw_output_contents
        if raw and len(raw) != len(answer.outputs):
            raise lies(f"it has {len(answer.outputs)} outputs and the data of {len(raw)}")
        return tuple(
            Tensor(
                each.name,
                each.datatype,
                shape_of(tuple(each.shape)),
                raw[index] if raw else _numbers(each),
            )
            for index, each in enumerate(answer.outputs)
        )

    def _open(self) -> None:
        """Make a new channel: how much an answer may have is said of all its calls."""
        target = f"dns:///{self._remote.authority}"
        options = (*_OPTIONS, ("grpc.max_receive_message_length", self._most))
        self._channel: Any = (
            self._grpc.secure_channel(target, self._tls, options=options)
            if self._tls is not None
            else self._grpc.insecure_channel(target, options=options)
        )
        self._stub: Any = self._stub_on(self._channel)

    def _call(self, method: Callable[..., Any], request: object) -> Any:  # noqa: ANN401 - messages have no types
        metadata = tuple((name.lower(), value) for name, value in self._credential.headers().items())
        try:
            return method(request, timeout=self._remote.timeout, metadata=metadata)
        except self._grpc.RpcError as error:
            # Without its cause: that has what the server said, secrets and all.
            raise self._failed(error.code().name, error.details() or "") from None

    def _failed(self, code: str, said: str) -> NnError:
        if code == "RESOURCE_EXHAUSTED" and _OVER_THE_CAP in said:
            return too_large(self._most)
        match code:
            case "DEADLINE_EXCEEDED":
                reason = f"no answer within {self._remote.timeout:g} s, which is its `timeout`"
                return NnError(Condition.REMOTE_FAILED, reason)
            case "RESOURCE_EXHAUSTED":
                return NnError(Condition.REMOTE_BUSY, f"{code}: {said}")
            case _ if code in _OF_THE_CALL:
                return NnError(Condition.COMPUTE_FAILED, f"{code}: {said}")
        return NnError(Condition.REMOTE_FAILED, f"{code}: {said}")


def _numbers(output: Any) -> bytes:  # noqa: ANN401 - a message, which has no types
    contents = _CONTENTS.get(output.datatype)
    if contents is None:
        raise lies(f"the output `{shown(output.name)}` of {shown(output.datatype)} has no data")
    return packed(output.datatype, list(getattr(output.contents, contents)))


def _roots(remote: Remote) -> bytes | None:
    """Return the certificates to trust; None for those that come with gRPC, where the system has none."""
    try:
        if remote.ca is not None:
            return remote.ca.read_bytes()
        places = ssl.get_default_verify_paths()
        found = [Path(places.cafile)] if places.cafile else []
        found += [Path(places.capath, "ca-certificates.crt")] if places.capath else []
        return next((path.read_bytes() for path in found if path.is_file()), None)
    except OSError as error:
        reason = f"certificates in `{error.filename}`: {error.strerror}"
        raise NnError(Condition.REMOTE_FAILED, reason) from error
