"""What is said between the process that replays and the one that runs a user's kernels."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.replayer.user_kernels.prepared import Prepared

# What the child leaves in its folder when it dies.
TRACE, PLACES = "trace", "places.json"


@dataclass(frozen=True)
class Start:
    """What to load: a ``library``, or a file of Python; ``source`` is the file that the user gave.

    ``limit``: the seconds that a layer may take.
    """

    path: Path
    source: Path
    library: bool
    limit: float
    folder: Path
    sanitized: bool


@dataclass(frozen=True)
class Known:
    """A kernel of the file."""

    op: str
    name: str


@dataclass(frozen=True)
class Asked:
    """One layer to be computed by the kernel for ``op``."""

    op: str
    call: Call
    arrays: Sequence[Array | None]
    prepared: Prepared


@dataclass(frozen=True)
class Made:
    """The outputs, and what the kernel has set the operator's variables to."""

    outputs: tuple[Array, ...]
    variables: Mapping[Hashable, Array]


@dataclass(frozen=True)
class Failed:
    """Why there is no result, in words; ``broken`` where the process is not to go on."""

    reason: str
    broken: bool = False
