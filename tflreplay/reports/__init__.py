"""Reports: a run's verdict as a terminal table, CSV, JSON and HTML.

Only this package and the command line print. :mod:`~tflreplay.judgement.run` holds what they say,
:mod:`~tflreplay.reports.rows` documents the columns.
"""

from tflreplay.judgement.run import Run
from tflreplay.reports.write import FILES, check, prepare
from tflreplay.reports.write import write as report

__all__ = ["FILES", "Run", "check", "prepare", "report"]
