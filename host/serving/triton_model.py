"""What Triton's Python backend runs: a guest that answers requests. To be had inside of Triton only."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import triton_python_backend_utils as triton  # type: ignore[import-not-found]  # Triton has it

from host.api import Host
from host.batch.answering import are_all_bytes, outputs
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
        records = [self._records(request) for request in requests]
        try:
            found = outputs(
                self._caller.call, [each for part in records for each in part], self._what.per_call
            )
        except StuckError as error:
            triton.Logger.log_error(str(error))
            os._exit(EXIT_STUCK)  # in order it cannot end: its threads do not
        left = iter(found)
        return [self._response([next(left) for _ in part]) for part in records]

    def _records(self, request: Any) -> list[bytes]:  # noqa: ANN401 - Triton has no types
        """Return the records of a request, each the bytes of its inputs end to end."""
        columns = []
        for tensor in self._what.description.inputs:
            array = triton.get_input_tensor_by_name(request, tensor.name).as_numpy()
            rows = array if self._is_batched else array[np.newaxis]
            columns.append([_bytes(tensor, row) for row in rows])
        return [b"".join(parts) for parts in zip(*columns, strict=True)]

    def _response(self, found: list[bytes | Answer]) -> Any:  # noqa: ANN401 - see above
        if not are_all_bytes(found):
            return self._failure([(at, each) for at, each in enumerate(found) if isinstance(each, Answer)])
        try:
            return triton.InferenceResponse(self._outputs(found))
        except (DescriptionError, ValueError) as error:  # of numpy: rows of several lengths
            return _error(str(error), is_refused=False)

    def _failure(self, failed: list[tuple[int, Answer]]) -> Any:  # noqa: ANN401 - see above
        at, answer = failed[0]
        for note in answer.notes:
            triton.Logger.log_warn(printable(note))
        is_refused = all(each.is_refused and not each.notes for _, each in failed)
        where = f"record {at}: " if self._is_batched else ""
        return _error(f"{where}{answer.error}", is_refused=is_refused)

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


def _error(message: str, *, is_refused: bool) -> Any:  # noqa: ANN401 - see above
    """Return a response that says why there is no other, as one line: Triton would end it at a NUL."""
    code = triton.TritonError.INVALID_ARG if is_refused else triton.TritonError.INTERNAL
    return triton.InferenceResponse(error=triton.TritonError(printable(message), code))
