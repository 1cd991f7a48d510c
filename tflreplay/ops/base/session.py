"""What a model keeps from one inference to the next."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from tflreplay.ground.rounding import Array


@dataclass
class Session:
    """Variables of consecutive inferences; hand the same one to the replay of each.

    ``variables`` holds resource variables by (container, name), and variable tensors by (subgraph,
    tensor index). ``initialized`` holds the subgraphs that CALL_ONCE has run.
    """

    variables: dict[Hashable, Array] = field(default_factory=dict, repr=False)
    initialized: set[int] = field(default_factory=set)
