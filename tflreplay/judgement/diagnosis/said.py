"""A mistake in words."""

from __future__ import annotations

from dataclasses import dataclass

from tflreplay.judgement.diagnosis.place import Box


@dataclass(frozen=True)
class Said:
    """``you`` completes "you ...", and ``fix`` is one sentence, without its stop.

    ``title`` names the way in which the mistake is written, where its name would not be true.
    ``kinds`` are its name without what differs from layer to layer, where something does, in
    several ways.
    """

    name: str
    you: str = ""
    fix: str = ""
    title: str = ""
    kinds: tuple[str, ...] = ()

    @property
    def named(self) -> str:
        return self.title or self.name

    @property
    def sorts(self) -> tuple[str, ...]:
        """What it may be called alike in every layer of a port."""
        return self.kinds or (self.name,)


def there(said: Said, box: Box) -> Said:
    """The mistake made in one place only."""
    where = f"in {box.text} only"
    kinds = tuple(f"{said.named} in {kind} only" for kind in box.kinds)
    return Said(f"{said.named} {where}", f"{said.you}, {where}", said.fix, kinds=kinds)
