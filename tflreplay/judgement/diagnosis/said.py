"""A mistake in words."""

from __future__ import annotations

from dataclasses import dataclass

from tflreplay.judgement.diagnosis.place import Box


@dataclass(frozen=True)
class Said:
    """``you`` completes "you ...", and ``fix`` is one sentence, without its stop.

    ``title`` names the way in which the mistake is written, where its name would not be true.
    """

    name: str
    you: str = ""
    fix: str = ""
    title: str = ""

    @property
    def named(self) -> str:
        return self.title or self.name


def there(said: Said, box: Box) -> Said:
    """The mistake made in one place only."""
    where = f"in {box.text} only"
    return Said(f"{said.named} {where}", f"{said.you}, {where}", said.fix)
