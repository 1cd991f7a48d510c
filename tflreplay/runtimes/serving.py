"""Captures of one model on many independent inputs, by one interpreter that stays alive."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from tflreplay.ground.rounding import Array
from tflreplay.runtimes.process import Feed
from tflreplay.runtimes.running import Capture, Running

Inputs = Mapping[int, Array]
Tag = TypeVar("Tag")


class Captures:
    """What a runtime computes of inputs, of each as if it were the first.

    A model with variables gets a new interpreter for each. The first input is captured as one
    alone is, and so is one that kills the interpreter: as far as can be.
    """

    def __init__(self, start: Callable[[Inputs], Running], ahead: bool) -> None:
        """
        Args:
            start: starts an ordinary capture.
            ahead: have the next input computed while the last one is looked at.
        """
        self._begin, self._ahead = start, ahead
        self._running: Running | None = None
        self._feed: Feed | None = None

    def of(self, inputs: Iterable[tuple[Tag, Inputs]]) -> Iterator[tuple[Tag, Capture]]:
        """A capture of each, in order, with what it was given with; raises as ``capture``."""
        sent: tuple[Tag, Inputs] | None = None
        for tag, arrays in inputs:
            if not self._ahead:
                self._send(arrays)
                yield tag, self._receive(arrays)
                continue
            done = None if sent is None else (sent[0], self._receive(sent[1]))
            self._send(arrays)
            sent = tag, arrays
            if done is not None:
                yield done
        if sent is not None:
            yield sent[0], self._receive(sent[1])

    def _send(self, arrays: Inputs) -> None:
        if self._running is not None and not self._running.result().failure:
            self._feed = self._feed or self._running.feed()
            self._feed.send(arrays)

    def _receive(self, arrays: Inputs) -> Capture:
        if self._feed is not None and self._running is not None:
            outcome = self._feed.receive()
            if outcome.ok:
                return self._running.taken(arrays, outcome)
            self._feed = None
        running = self._begin(arrays)
        self._running = self._running or running
        return running.result()
