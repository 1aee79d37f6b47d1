"""Operations that reach outside of their data are refused in a guest's model, by any name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import openvino  # type: ignore[import-untyped]  # the wheel has stubs but no py.typed
import pytest
from openvino import opset1
from openvino import opset13 as ops

from host.abi import GraphEncoding, NnErrno
from host.backends.unsafe_ops import check_op
from host.errors import Condition, NnError
from tests.host import models

if TYPE_CHECKING:
    from tests.host.guests import Guest

NAMES = """
GatherND gather_nd GATHER_ND ResourceGatherNd FlexGatherNd
ScatterElementsUpdate ScatterElements Scatter scatter put_along_axis
CTCLoss CTCGreedyDecoder CTCGreedyDecoderSeqLen CTCLossV2 FlexCTCLoss ctc_align warpctc
Roll roll ROLL FlexRoll
PSROIPooling psroi_pool DeformablePSROIPooling
""".split()

HARMLESS = "Gather GatherElements ScatterND ScatterNDUpdate ScatterUpdate ROIAlign Unroll Add".split()


@pytest.mark.parametrize("name", NAMES)
def test_unsafe_operation_is_refused(name: str) -> None:
    with pytest.raises(NnError, match=f"`{name}`") as caught:
        check_op(name)
    assert caught.value.condition is Condition.MODEL_UNSAFE


@pytest.mark.parametrize("name", HARMLESS)
def test_other_operation_is_not(name: str) -> None:
    check_op(name)


def _model(kind: str) -> models.IR:
    x = ops.parameter([1], np.int64)
    zeros = ops.constant(np.zeros(8, np.float32))
    one = ops.constant(np.array([1], np.int64))
    match kind:
        case "ScatterElementsUpdate":
            axis = ops.constant(np.int64(0))
            y = ops.scatter_elements_update(zeros, x, ops.constant(np.zeros(1, np.float32)), axis)
        case "Roll":
            y = ops.roll(zeros, one, x)
        case "CTCLoss":
            logits = ops.constant(np.zeros((1, 1, 5), np.float32))
            labels = ops.reshape(x, ops.constant(np.array([1, 1])), special_zero=False)
            y = ops.ctc_loss(logits, one, labels, one, ops.constant(np.int64(4)))
        case _:
            batch = ops.reshape(ops.convert(x, "f32"), ops.constant(np.array([1, 1])), special_zero=False)
            corners = ops.constant(np.zeros((1, 4), np.float32))
            picture = ops.constant(np.zeros((1, 4, 8, 8), np.float32))
            y = opset1.psroi_pooling(picture, ops.concat([batch, corners], 1), 1, 2, 1.0, 1, 1, "average")
    return models.ir(openvino.Model([y], [x], kind))


@pytest.mark.parametrize("kind", ["ScatterElementsUpdate", "Roll", "CTCLoss", "PSROIPooling"])
def test_ir_that_openvino_writes_of_it_is_refused(guest: Guest, kind: str) -> None:
    assert guest.load(_model(kind)) == NnErrno.UNSUPPORTED_OPERATION
    assert guest.condition is Condition.MODEL_UNSAFE


@pytest.mark.parametrize("name", ["ScatterElements", "Scatter", "CTCLoss"])
def test_onnx_with_it_is_refused(guest: Guest, name: str) -> None:
    assert guest.load((models.onnx_of(name),), GraphEncoding.ONNX) == NnErrno.UNSUPPORTED_OPERATION
