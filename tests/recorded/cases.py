"""All that is recorded."""

from __future__ import annotations

from tests.recorded import aarch64, micro, others, precision, tables, weighted

CASES = (
    *tables.cases(),
    *weighted.cases(),
    *others.cases(),
    *micro.cases(),
    *precision.cases(),
    *aarch64.cases(),
)
