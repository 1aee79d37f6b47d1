"""What Triton's Python backend runs: a guest that answers requests. To be had inside of Triton only."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import triton_python_backend_utils as triton  # type: ignore[import-not-found]  # Triton has it

from host.api import Host
from host.batch.answering import answers
from host.batch.parcel import Caller
from host.console import printable
from host.lanes import StuckError
from host.serving import deployment
from host.serving.description import DescriptionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from host.lanes import Answer
    from host.serving.description import Tensor

EXIT_STUCK: Final = 70
"""Of a process that has more threads which do not end than it may have; it is to be replaced."""


class TritonPythonModel:
    """One instance, in a process of its own: a guest that is started once and stays."""

    def initialize(self, arguments: Mapping[str, str]) -> None:
        """Start the guest; whatever is raised is what Triton says of the model."""
        folder = Path(arguments["model_repository"]) / arguments["model_version"]
        self._what = what = deployment.read(folder)
        self._is_batched = json.loads(arguments["model_config"])["max_batch_size"] > 0
        worker = Host(cache=what.has_cache).job_worker(what.job, what.output_bytes)
        worker.start()
        self._caller = Caller(worker)

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer requests, which Triton may have put together; each gets a response or an error."""
        records = [self._records(request) for request in requests]
        try:
            found = answers(
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

    def _response(self, found: list[Answer]) -> Any:  # noqa: ANN401 - see above
        failed = [(at, answer) for at, answer in enumerate(found) if answer.error is not None]
        if failed:
            at, answer = failed[0]
            _log(answer)
            is_refused = all(each.is_refused and not each.notes for _, each in failed)
            where = f"record {at}: " if self._is_batched else ""
            return _error(f"{where}{answer.error}", is_refused=is_refused)
        try:
            return triton.InferenceResponse(self._outputs([answer.output for answer in found]))
        except (DescriptionError, ValueError) as error:  # of numpy: rows of several lengths
            return _error(str(error), is_refused=False)

    def _outputs(self, rows: list[bytes]) -> list[Any]:
        split = [self._what.description.split(row) for row in rows]
        return [self._output([row[at] for row in split]) for at in range(len(self._what.description.outputs))]

    def _output(self, rows: list[tuple[Tensor, tuple[int, ...], bytes]]) -> Any:  # noqa: ANN401 - see above
        tensor, shape, _ = rows[0]
        if tensor.is_bytes:
            array = np.array([data for *_, data in rows], dtype=np.object_).reshape(-1, 1)
        else:
            if any(other != shape for _, other, _ in rows):
                raise DescriptionError(
                    f"output `{tensor.name}` has another length for each record of a request"
                )
            dtype = triton.triton_string_to_numpy(f"TYPE_{tensor.datatype}")
            array = np.frombuffer(b"".join(data for *_, data in rows), dtype).reshape(len(rows), *shape)
        return triton.Tensor(tensor.name, array if self._is_batched else array[0])


def _bytes(tensor: Tensor, row: Any) -> bytes:  # noqa: ANN401 - see above
    if tensor.is_bytes:
        return bytes(row[0])
    return bytes(row.tobytes())


def _error(message: str, *, is_refused: bool) -> Any:  # noqa: ANN401 - see above
    """Return a response that says why there is no other, as one line: Triton would end it at a NUL."""
    code = triton.TritonError.INVALID_ARG if is_refused else triton.TritonError.INTERNAL
    return triton.InferenceResponse(error=triton.TritonError(printable(message), code))


def _log(answer: Answer) -> None:
    for note in answer.notes:
        triton.Logger.log_warn(printable(note))
