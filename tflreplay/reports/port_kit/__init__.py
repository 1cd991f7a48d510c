"""The directory that ``tflreplay extract`` writes; docs/port-kit.md says what is in it."""

from tflreplay.reports.port_kit.readme import summary
from tflreplay.reports.port_kit.write import check, write

__all__ = ["check", "summary", "write"]
