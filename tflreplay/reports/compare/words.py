"""Sentences about sources that agree or do not."""

from __future__ import annotations

from tflreplay.judgement.agreement import NOT_COMPARED, Agreement, LayerAgreement


def headline(result: Agreement) -> str:
    """The verdict in a sentence."""
    layers, sources = len(result.layers), len(result.sources)
    if result.verdict == "exact":
        return f"{sources} sources, alike in every bit of {layers} layers"
    if result.verdict == "incomplete":
        return f"{sources} sources; nothing differs, but not every layer could be compared"
    apart = sum(layer.status == "mismatch" for layer in result.layers)
    return f"{sources} sources, not all alike in {apart} of {layers} layers"


def story(result: Agreement, layer: LayerAgreement) -> str:
    """Who agrees with whom in one layer, in words."""
    names = [", ".join(result.sources[member] for member in group) for group in layer.groups]
    if layer.unanimous:
        return f"{names[0]} agree."
    if len(names) < 2:
        return f"There is nothing to compare: only from {', '.join(names) or 'none'}."
    first = layer.groups[0]
    parts = []
    for name, group in zip(names[1:], layer.groups[1:], strict=True):
        differ = layer.mismatches[first[0], group[0]]
        parts.append(f"{name} not comparable" if differ == NOT_COMPARED else f"{name} {differ:,}")
    agree, them = (f"{names[0]} agree. ", "them") if len(first) > 1 else ("", names[0])
    return f"{agree}Of {layer.elements:,} elements, different from {them}: {', '.join(parts)}."


def groups(result: Agreement, layer: LayerAgreement) -> str:
    """``reference=tflm | xnnpack (213)``: the count is against the first group."""
    parts = []
    for number, group in enumerate(layer.groups):
        names = "=".join(result.sources[member] for member in group)
        differ = layer.mismatches[layer.groups[0][0], group[0]]
        count = "not comparable" if differ == NOT_COMPARED else f"{differ:,}"
        parts.append(names if number == 0 else f"{names} ({count})")
    present = {member for group in layer.groups for member in group}
    absent = [name for i, name in enumerate(result.sources) if i not in present]
    if absent:
        parts.append(f"none from {', '.join(absent)}")
    return " | ".join(parts)
