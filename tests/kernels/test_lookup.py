from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.kernels.common import every_code
from tflreplay.ops.base.lookup import look_up

eight_bit = st.sampled_from(["int8", "uint8"])


@given(st.data(), eight_bit, eight_bit)
def test_look_up_is_indexing_by_code(data: st.DataObject, source: str, target: str) -> None:
    table = np.frombuffer(data.draw(st.binary(min_size=256, max_size=256)), target)
    entry = dict(zip(every_code(source).tolist(), table.tolist(), strict=True))
    rows, columns = data.draw(st.integers(0, 4)), data.draw(st.integers(1, 4))
    raw = data.draw(st.binary(min_size=rows * columns, max_size=rows * columns))
    codes = np.frombuffer(raw, source).reshape(rows, columns).T
    found = look_up(codes, table)
    assert (found.dtype, found.shape) == (table.dtype, codes.shape)
    assert found.tolist() == [[entry[code] for code in row] for row in codes.tolist()]
