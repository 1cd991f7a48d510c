"""All that is recorded."""

from __future__ import annotations

from tests.recorded import micro, others, precision, tables, weighted

CASES = (*tables.cases(), *weighted.cases(), *others.cases(), *micro.cases(), *precision.cases())
