"""The op computed by another formula: what its card says of how ports get it wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tflreplay.judgement.diagnosis.families.change import Change
from tflreplay.judgement.diagnosis.in_order import kernel_in_order
from tflreplay.judgement.diagnosis.made import Arrays, Form, Made
from tflreplay.judgement.diagnosis.reals import computed_in_reals, real_row
from tflreplay.judgement.diagnosis.said import Said
from tflreplay.ops import card
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.ported import Ported


def changes(call: Call, arrays: Arrays) -> Iterator[Change]:
    for ported in card(call.op.name).ported:
        if ported.real == computed_in_reals(call):
            yield Change(Said(ported.title, ported.you, ported.fix), _form(ported))


def _form(ported: Ported) -> Form:
    def form(call: Call, arrays: Arrays) -> Made | None:
        if ported.real:
            return Made(replace(call, row=real_row(call.row, ported.kernel)), arrays)
        kernel = kernel_in_order(call.op.name, ported.kernel)
        return Made(replace(call, row=replace(call.row, kernel=kernel)), arrays)

    return form
