"""A bar with the time left on standard error, for stages that take longer than a second."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

DELAY = 1.0


class ProgressBar:
    """Shows itself a second after it was made, on a terminal only."""

    def __init__(self, hidden: bool = False):
        self.hidden = hidden or not sys.stderr.isatty()
        self.start = time.perf_counter()
        self.bar: Progress | None = None

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def update(self, stage: str, op: str, done: int, total: int) -> None:
        if self.hidden or time.perf_counter() - self.start < DELAY:
            return
        if self.bar is None:
            from rich.console import Console
            from rich.progress import Progress

            self.bar = Progress(console=Console(stderr=True), transient=True)
            self.bar.start()
            self.task = self.bar.add_task("")
        self.bar.update(self.task, description=f"{stage}: {op}", completed=done, total=total)
