"""Raw binary: a tensor's memory as it lay there."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tflreplay.runtimes.formats.found import Found, Kind


def read(path: Path, content: bytes) -> list[Found]:
    return [Found("", str(path), np.frombuffer(content, np.uint8), Kind.BYTES)]
