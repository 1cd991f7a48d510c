"""The directory that ``tflreplay extract`` writes; docs/port-kit.md says what is in it."""

from tflreplay.reports.extract.readme import summary
from tflreplay.reports.extract.write import check, write

__all__ = ["check", "summary", "write"]
