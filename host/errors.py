"""The one table of what can go wrong in a wasi-nn call, and the errno of each; raises nothing itself."""

from __future__ import annotations

from enum import Enum

from host.abi import NnErrno


class Condition(Enum):
    """What a wasi-nn call can fail with: `(errno, what it means)`."""

    BAD_ENCODING = (NnErrno.INVALID_ENCODING, "the encoding is no value of `graph_encoding`")
    ENCODING_NOT_SERVED = (NnErrno.INVALID_ENCODING, "no backend serves this encoding")
    BAD_TARGET = (NnErrno.INVALID_ARGUMENT, "the target is no value of `execution_target`")
    BAD_TENSOR_TYPE = (NnErrno.INVALID_ARGUMENT, "the type is no value of `tensor_type`")
    BUILDER_COUNT = (NnErrno.INVALID_ARGUMENT, "the encoding takes another number of builders")
    NOT_A_MODEL = (NnErrno.RUNTIME_ERROR, "the bytes are not a model of this encoding")
    MODEL_REFERS_TO_FILES = (NnErrno.UNSUPPORTED_OPERATION, "the model wants data from a file of the host")
    MODEL_UNSAFE = (NnErrno.UNSUPPORTED_OPERATION, "the model holds an operation that is unsafe from a guest")
    GUEST_MODELS_OFF = (NnErrno.UNSUPPORTED_OPERATION, "the operator allows models by name only")
    NOT_PROVIDED = (NnErrno.UNSUPPORTED_OPERATION, "the host has this extension function by name only")
    DEVICE_NOT_AVAILABLE = (NnErrno.UNSUPPORTED_OPERATION, "the target has no device on this host")
    PRECISION_NOT_AVAILABLE = (
        NnErrno.UNSUPPORTED_OPERATION,
        "the device does not compute in the precision asked for",
    )
    LAYOUT_DOES_NOT_FIT = (
        NnErrno.UNSUPPORTED_OPERATION,
        "a layout was asked for, and no input of the model is a picture",
    )
    UNKNOWN_NAME = (NnErrno.NOT_FOUND, "no model is registered under this name")
    BAD_NAME = (NnErrno.INVALID_ARGUMENT, "the name is not UTF-8, or has a NUL in it")
    NAMED_MODEL_FAILED = (NnErrno.RUNTIME_ERROR, "the model registered under this name does not load")
    NAMED_MODEL_OPTIONS = (
        NnErrno.UNSUPPORTED_OPERATION,
        "the named model cannot run with the options that the operator chose",
    )
    BAD_CONFIGURATION = (
        NnErrno.INVALID_ARGUMENT,
        "the configuration is no JSON object of options that can be",
    )
    OPTION_FIXED = (NnErrno.UNSUPPORTED_OPERATION, "the operator does not leave this option to the guest")
    OUT_OF_CONFIGURATIONS = (
        NnErrno.BUSY,
        "the named model is compiled in as many configurations as it may be",
    )
    HANDLE_NOT_LIVE = (NnErrno.INVALID_ARGUMENT, "the handle is not live")
    INDEX_OUT_OF_RANGE = (NnErrno.INVALID_ARGUMENT, "the model has no input or output of this index")
    DIMENSIONS_DO_NOT_FIT = (NnErrno.INVALID_ARGUMENT, "the dimensions do not fit the model's input")
    DATA_LENGTH = (NnErrno.INVALID_ARGUMENT, "the data is not as long as its dimensions and type say")
    TYPE_DIFFERS = (NnErrno.INVALID_ARGUMENT, "the element type is not that of the model's input")
    INPUT_NOT_SET = (NnErrno.RUNTIME_ERROR, "`compute` before every input was set")
    NOT_COMPUTED = (NnErrno.RUNTIME_ERROR, "`get_output` before a successful `compute`")
    COMPUTE_FAILED = (NnErrno.RUNTIME_ERROR, "the backend could not run the inference")
    REMOTE_FAILED = (
        NnErrno.RUNTIME_ERROR,
        "the server of a remote model gives no answer, or one that cannot be",
    )
    REMOTE_BUSY = (NnErrno.BUSY, "the server of a remote model says that it has too much to do")
    BUFFER_TOO_SMALL = (NnErrno.TOO_LARGE, "the output is larger than the buffer; its size was written")
    NO_MEMORY = (NnErrno.MISSING_MEMORY, "the guest does not export its memory")
    OUTSIDE_MEMORY = (NnErrno.INVALID_ARGUMENT, "a pointer or length leaves the guest's memory")
    ABSURD_SIZE = (NnErrno.TOO_LARGE, "a count, rank, product or total size is beyond the host's caps")
    OUT_OF_HANDLES = (NnErrno.BUSY, "the guest holds as many graphs or contexts as it may")
    UNFORESEEN = (NnErrno.RUNTIME_ERROR, "something failed that the host did not foresee")

    @property
    def errno(self) -> NnErrno:
        """The number the guest gets."""
        return self.value[0]

    @property
    def concerns_operator(self) -> bool:
        """Whether the operator must hear of it unasked: it is not the guest's doing."""
        return self in {
            Condition.NAMED_MODEL_FAILED,
            Condition.NAMED_MODEL_OPTIONS,
            Condition.REMOTE_FAILED,
            Condition.UNFORESEEN,
        }


class NnError(Exception):
    """A wasi-nn call failed: `condition` decides what the guest gets, `reason` is for a person.

    `limit` is the field of `host.nn.Limits` whose value the guest came up against, None when it was none.
    """

    def __init__(self, condition: Condition, reason: str, limit: str | None = None) -> None:
        super().__init__(reason)
        self.condition = condition
        self.reason = reason
        self.limit = limit

    @property
    def errno(self) -> NnErrno:
        """The number the guest gets."""
        return self.condition.errno


def unforeseen(problem: Exception) -> NnError:
    """Return the error of a call that failed with an exception nobody foresaw."""
    return NnError(Condition.UNFORESEEN, f"{type(problem).__name__}: {problem}")
