"""Who agrees with whom: a terminal table, and ``agreement`` as HTML, CSV and JSON."""

from tflreplay.reports.agreement.table import render
from tflreplay.reports.agreement.text import csv_text, dumps
from tflreplay.reports.agreement.words import headline, story
from tflreplay.reports.agreement.write import check, write

__all__ = ["check", "csv_text", "dumps", "headline", "render", "story", "write"]
