"""Who agrees with whom: a terminal table, and ``agreement`` as HTML, CSV and JSON."""

from tflreplay.reports.compare.table import render
from tflreplay.reports.compare.text import csv_text, dumps
from tflreplay.reports.compare.words import headline, story
from tflreplay.reports.compare.write import check, write

__all__ = ["check", "csv_text", "dumps", "headline", "render", "story", "write"]
