"""The tables of a run as pandas DataFrames, with the columns of :mod:`tflreplay.reports.rows`.

Integer columns are nullable (``Int64``), so that a number that was not computed is ``<NA>``; rates
and differences are ``Float64``.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from tflreplay.judgement.run import Run
from tflreplay.reports import rows

_REAL = ("mismatch_rate", "max_abs_diff", "mean_diff")


def layers_frame(run: Run) -> pd.DataFrame:
    """A row for each op output."""
    return _frame(rows.LAYER_COLUMNS, rows.layer_rows(run))


def channels_frame(run: Run) -> pd.DataFrame:
    """A row for each channel of each compared layer."""
    return _frame(rows.CHANNEL_COLUMNS, rows.channel_rows(run))


def histogram_frame(run: Run) -> pd.DataFrame:
    """A row for each layer, channel and difference."""
    return _frame(rows.HISTOGRAM_COLUMNS, rows.histogram_rows(run))


def _frame(columns: tuple[str, ...], records: Iterable[rows.Row]) -> pd.DataFrame:
    frame = pd.DataFrame(list(records), columns=list(columns)).convert_dtypes()
    return frame.astype({name: "Float64" for name in columns if name.endswith(_REAL)})
