"""What Triton's Python backend runs: a guest that answers requests. To be had inside of Triton only."""

from __future__ import annotations

import json
import os
from itertools import islice
from pathlib import Path
from traceback import format_exc
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import triton_python_backend_utils as triton  # type: ignore[import-not-found]  # Triton has it

from host.api import Host
from host.batch.answering import framed, outputs
from host.batch.parcel import Caller
from host.console import printable
from host.lanes import Answer, StuckError
from host.serving import deployment
from host.serving.description import DescriptionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from host.serving.description import Shape, Tensor

EXIT_STUCK: Final = 70
"""Of a process that has more threads which do not end than it may have; it is to be replaced."""

_MESSAGE_CHARACTERS: Final = 500
"""Of an error: gRPC takes 8 KiB of headers, and up to twelve bytes there for one character."""

_NOT_STARTED: Final = "the guest cannot be started: the server's log says why"


class TritonPythonModel:
    """One instance, in a process of its own: a guest that is started once and stays."""

    def initialize(self, arguments: Mapping[str, str]) -> None:
        """Start the guest; whatever is raised is what Triton says of the model."""
        folder = Path(arguments["model_repository"]) / arguments["model_version"]
        self._what = what = deployment.read(folder)
        self._is_batched = json.loads(arguments["model_config"])["max_batch_size"] > 0
        self._dtypes = [
            np.dtype(triton.triton_string_to_numpy(f"TYPE_{each.datatype}"))
            for each in what.description.outputs
            if not each.is_bytes
        ]
        worker = Host(cache=what.has_cache).job_worker(what.job, what.output_bytes)
        worker.start()
        self._caller = Caller(worker)

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer requests, which Triton may have put together; each gets a response or an error."""
        try:
            return self._responses([self._records(request) for request in requests])
        except StuckError as error:
            triton.Logger.log_error(str(error))
            os._exit(EXIT_STUCK)  # in order it cannot end: its threads do not
        except Exception:  # noqa: BLE001 - Triton would tell it to clients, paths of this machine and all
            triton.Logger.log_error(format_exc())
            return [_error(_NOT_STARTED, is_refused=False) for _ in requests]

    def _records(self, request: Any) -> list[bytes]:  # noqa: ANN401 - Triton has no types
        """Return the records of a request, each the bytes of its inputs end to end."""
        columns = []
        for tensor in self._what.description.inputs:
            array = triton.get_input_tensor_by_name(request, tensor.name).as_numpy()
            rows = array if self._is_batched else array[np.newaxis]
            columns.append([_bytes(tensor, row) for row in rows])
        return [b"".join(parts) for parts in zip(*columns, strict=True)]

    def _responses(self, requests: list[list[bytes]]) -> list[Any]:
        """Return the response to the records of each request."""
        if self._is_batched and len(requests) > 1:
            found = framed(self._caller.call, [record for records in requests for record in records])
            if isinstance(found, list):
                left = iter(found)
                return [self._response(list(islice(left, len(records)))) for records in requests]
        return [self._answered(records) for records in requests]

    def _answered(self, records: list[bytes]) -> Any:  # noqa: ANN401 - see above
        """Return the response to one request: the first record without an answer costs it."""
        if len(records) > 1:
            found = framed(self._caller.call, records)
            if isinstance(found, list):
                return self._response(found)
        rows = []
        for at, record in enumerate(records):
            (output,) = outputs(self._caller.call, [record], self._what.per_call)
            if isinstance(output, Answer):
                return _failed(output, f"record {at}: " if self._is_batched else "")
            rows.append(output)
        return self._response(rows)

    def _response(self, rows: list[bytes]) -> Any:  # noqa: ANN401 - see above
        try:
            return triton.InferenceResponse(self._outputs(rows))
        except (DescriptionError, ValueError) as error:  # of numpy: rows of several lengths
            return _error(str(error), is_refused=False)

    def _outputs(self, rows: Sequence[bytes]) -> list[Any]:
        description = self._what.description
        if description.outputs[0].is_bytes:
            return [self._tensor(description.outputs[0], np.array([[row] for row in rows], np.object_))]
        columns = zip(*map(description.split, rows), strict=True)
        return [self._output(*each) for each in zip(description.outputs, self._dtypes, columns, strict=True)]

    def _output(self, tensor: Tensor, dtype: np.dtype[Any], rows: Sequence[tuple[Shape, bytes]]) -> Any:  # noqa: ANN401 - see above
        shape = rows[0][0]
        if any(other != shape for other, _ in rows):
            raise DescriptionError(f"output `{tensor.name}` has another length for each record of a request")
        array = np.frombuffer(b"".join([data for _, data in rows]), dtype)
        return self._tensor(tensor, array.reshape(len(rows), *shape))

    def _tensor(self, tensor: Tensor, rows: Any) -> Any:  # noqa: ANN401 - see above
        return triton.Tensor(tensor.name, rows if self._is_batched else rows[0])


def _bytes(tensor: Tensor, row: Any) -> bytes:  # noqa: ANN401 - see above
    if tensor.is_bytes:
        return bytes(row[0])
    return bytes(row.tobytes())


def _failed(answer: Answer, where: str) -> Any:  # noqa: ANN401 - see above
    for note in answer.notes:
        triton.Logger.log_warn(printable(note))
    return _error(f"{where}{answer.error}", is_refused=answer.is_refused and not answer.notes)


def _error(message: str, *, is_refused: bool) -> Any:  # noqa: ANN401 - see above
    """Return a response that says why there is no other, as one line: Triton would end it at a NUL."""
    code = triton.TritonError.INVALID_ARG if is_refused else triton.TritonError.INTERNAL
    shown = printable(message)
    if len(shown) > _MESSAGE_CHARACTERS:
        shown = f"{shown[:_MESSAGE_CHARACTERS]}..."
    return triton.InferenceResponse(error=triton.TritonError(shown, code))
