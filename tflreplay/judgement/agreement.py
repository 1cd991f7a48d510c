"""Several sources of tensors at once: who agrees with whom, bit for bit, in every layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tflreplay.ground.machine import Machine
from tflreplay.judgement.difference import same_bits
from tflreplay.model import Model, Tensor

Array = np.ndarray[Any, Any]

NOT_COMPARED = -1


@dataclass(frozen=True)
class LayerAgreement:
    """One op output. ``mismatches[i, j]`` counts the elements in which sources i and j differ.

    It is :data:`NOT_COMPARED` where one of the two has no such tensor, or one of another shape or
    type. ``groups`` holds the sources' positions by tensor: those in one group agree on every bit.
    """

    op_index: int
    op: str
    tensor: Tensor
    elements: int
    mismatches: Array = field(repr=False)
    groups: tuple[tuple[int, ...], ...]

    @property
    def unanimous(self) -> bool:
        """True where every source has the tensor, and all are bit-identical."""
        return bool((self.mismatches == 0).all())

    @property
    def status(self) -> str:
        """``exact``, ``mismatch``, or ``incomplete``: none differ, but not all were compared."""
        if (self.mismatches > 0).any():
            return "mismatch"
        return "exact" if self.unanimous else "incomplete"


@dataclass(frozen=True)
class Agreement:
    """Every layer of one model over ``sources``.

    ``origins`` says in words what each source is, ``machines`` where it ran, ``inputs`` where the
    input came from, ``notes`` what a reader must know, ``failures`` how a runtime died, and
    ``command`` what to type to do the same again.
    """

    model: Model = field(repr=False)
    sources: tuple[str, ...]
    layers: tuple[LayerAgreement, ...] = field(repr=False)
    origins: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    command: str = ""
    machines: tuple[Machine, ...] = ()

    @property
    def verdict(self) -> str:
        """``exact``, ``mismatch``, or ``incomplete``: nothing differs, but not all was compared."""
        found = {layer.status for layer in self.layers}
        if "mismatch" in found:
            return "mismatch"
        return "exact" if found == {"exact"} and not self.failures else "incomplete"

    @property
    def first_divergence(self) -> LayerAgreement | None:
        """The first layer in which two sources differ."""
        return next((layer for layer in self.layers if layer.status == "mismatch"), None)

    @property
    def exit_code(self) -> int:
        """The command's: 0 where all agree on everything, 1 where two do not, 2 where unknown."""
        return {"exact": 0, "mismatch": 1, "incomplete": 2}[self.verdict]

    def differing_elements(self) -> Array:
        """``(sources, sources)``: in how many elements two sources differ, where compared."""
        size = len(self.sources)
        total = np.zeros((size, size), np.int64)
        for layer in self.layers:
            total += np.maximum(layer.mismatches, 0)  # NOT_COMPARED counts nothing
        return total

    def differing_layers(self) -> Array:
        """``(sources, sources)``: in how many layers two sources differ."""
        size = len(self.sources)
        total = np.zeros((size, size), np.int64)
        for layer in self.layers:
            total += layer.mismatches > 0
        return total

    def compared_layers(self) -> Array:
        """``(sources, sources)``: in how many layers two sources were compared."""
        size = len(self.sources)
        total = np.zeros((size, size), np.int64)
        for layer in self.layers:
            total += layer.mismatches != NOT_COMPARED
        return total


def agree(model: Model, sources: Mapping[str, Mapping[int, Array]]) -> Agreement:
    """Compare every two sources of the main subgraph's tensors.

    Args:
        model: whose op outputs are the layers.
        sources: for each source's name its tensors by index.
    """
    tensors = list(sources.values())
    layers = [
        _layer(op.index, op.name, model.main.tensors[index], [t.get(index) for t in tensors])
        for op in model.main.operators
        for index in op.outputs
    ]
    return Agreement(model, tuple(sources), tuple(layers))


def _layer(
    op_index: int, op: str, tensor: Tensor, arrays: Sequence[Array | None]
) -> LayerAgreement:
    size = len(arrays)
    mismatches = np.full((size, size), NOT_COMPARED, np.int64)
    for i, a in enumerate(arrays):
        for j, b in enumerate(arrays[: i + 1]):
            if a is None or b is None or a.shape != b.shape or a.dtype != b.dtype:
                continue
            differ = 0 if i == j else int(np.count_nonzero(~same_bits(a, b)))
            mismatches[i, j] = mismatches[j, i] = differ
    groups: list[list[int]] = []
    for i, array in enumerate(arrays):
        if array is None:
            continue
        home = next((group for group in groups if mismatches[i, group[0]] == 0), None)
        if home is None:
            groups.append([i])
        else:
            home.append(i)
    elements = next((array.size for array in arrays if array is not None), 0)
    return LayerAgreement(op_index, op, tensor, elements, mismatches, tuple(map(tuple, groups)))
