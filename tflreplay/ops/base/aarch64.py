"""What rows for aarch64 of several tables have in common."""

from __future__ import annotations

from tflreplay.ground.machine import AARCH64
from tflreplay.ops.base.conditions import Condition, Site
from tflreplay.ops.base.row import NotModelled, Versions


def not_on_aarch64(
    types: tuple[str, ...],
    when: Condition | None = None,
    until: Versions | None = None,
) -> NotModelled:
    """What is known to differ on aarch64, and not how."""

    def reason(site: Site) -> str:
        return (
            f"the {site.engine} arithmetic of {site.op.name} on {site.dtype} is not modelled for "
            f"{AARCH64}"
        )

    return NotModelled(types, reason, when=when, until=until or {}, on=AARCH64)
