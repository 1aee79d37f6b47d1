"""A guest as a function from table to table, for pipelines of other engines."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from host.api import Host
from host.batch import columns
from host.batch.answering import outputs
from host.batch.parcel import opened, packed
from host.job import RECORD_OUTPUT_BYTES
from host.models.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike
    from typing import Unpack

    from host.api import Graphs, WorkerOptions
    from host.models.registry import NamedModel


class GuestUDF:
    """Answers each row of a `pyarrow.Table` with a guest, which every process starts once and keeps.

    It can be pickled and sent to other machines that have this package: the guest and its models go with it,
    folders (`dirs`) do not. In a process it answers one table at a time.
    """

    def __init__(  # noqa: PLR0913 - each of them is an option of its own, by name
        self,
        guest: str | PathLike[str] | bytes,
        graphs: Graphs | Mapping[str, str | PathLike[str]] | None = None,
        arguments: Sequence[str] = (),
        *,
        columns: Sequence[str] = (),
        rows_per_call: int = 1,
        output_bytes: int = RECORD_OUTPUT_BYTES,
        **options: Unpack[WorkerOptions],
    ) -> None:
        """Read the guest and its models; nothing of them runs yet.

        Args:
            guest: As of `Host.worker`.
            graphs: As of `Host`. A model runs on one thread where its `threads` are not given.
            arguments: As of `Host.worker`.
            columns: Which columns are the record, their bytes one after the other; the only one if empty.
            rows_per_call: How many records the guest gets at once: above 1 framed, see docs/scale.md.
            output_bytes: What the answer to a call may have at most.
            options: As of `Host.worker`; `timeout` and `fuel` are those of a call.

        Raises:
            ValueError: `rows_per_call` is below 1, or another option makes no sense.
            TypeError: `columns` is a str, or as of `Host.worker`.
            BadGuestError: As of `Host.worker`.
            RegistrationError: As of `Host`.
            NnError: A model cannot be sent.
        """
        if rows_per_call < 1:
            raise ValueError(f"`rows_per_call` is at least 1, not {rows_per_call}")
        if isinstance(columns, str):  # its characters would be taken one by one
            raise TypeError(f"`columns` is a list, such as [{columns!r}], not a str")
        host = Host(graphs)
        job = host.worker(guest, arguments, **options).job
        models = {name: _on_one_thread(model) for name, model in job.registry.models.items()}
        worker = host.job_worker(replace(job, registry=Registry(models)), output_bytes)
        self._parcel = packed(worker, has_models=True)
        self._columns = tuple(columns)
        self._per_call = rows_per_call

    def __call__(self, table: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
        """Return the table without the record's columns, and with `output` (binary) and `error` (text).

        One of the two is null in each row. ColumnsError when the record's columns do not do; BadGuestError
        when the guest cannot be linked; StuckError when, with a `timeout`, more than eight rows stay in an
        inference or a call of WASI: the next table has a fresh guest.
        """
        names = columns.chosen(table.schema, self._columns)
        caller = opened(self._parcel)
        try:
            found = outputs(caller.call, columns.records(table, names), self._per_call)
        finally:
            if caller.has_lost:
                opened.cache_clear()
        return columns.answered(table, names, found)


def _on_one_thread(model: NamedModel) -> NamedModel:
    if "threads" in model.fixed:
        return model
    return replace(model, options=replace(model.options, threads=1))
