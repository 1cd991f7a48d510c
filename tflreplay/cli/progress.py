"""A bar with the time left on standard error, for stages that take longer than a second."""

from __future__ import annotations

import sys
import time

DELAY = 1.0


class ProgressBar:
    """Shows itself a second after it was made, on a terminal only."""

    def __init__(self, hidden: bool = False):
        self.hidden = hidden or not sys.stderr.isatty()
        self.start = time.perf_counter()
        self.stage = ""

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.stage:
            self.bar.stop()

    def update(self, stage: str, done: int, total: int) -> None:
        if self.hidden or time.perf_counter() - self.start < DELAY:
            return
        if not self.stage:
            from rich.console import Console
            from rich.progress import Progress

            self.bar = Progress(console=Console(stderr=True), transient=True)
            self.bar.start()
        if stage != self.stage:
            self.stage = stage
            self.task = self.bar.add_task(stage, total=total)
        self.bar.update(self.task, completed=done)
