"""``$readmemh`` files: hex digits, one value a word, as a simulator writes and reads them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from tflreplay.ground.errors import InputError
from tflreplay.runtimes.formats.found import Found, Kind

SUFFIXES = (".hex", ".mem")

_COMMENTS = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)


def read(path: Path, text: str) -> list[Found]:
    """The words in the order of their addresses, which must not leave any out.

    Raises:
        InputError: it is Intel HEX, a word has unknown bits or is no hex number, or an address
            leaves a gap.
    """
    words: list[str] = []
    code = _COMMENTS.sub(lambda comment: " " + "\n" * comment[0].count("\n"), text)
    for number, line in enumerate(code.splitlines(), 1):
        if line.startswith(":"):
            raise InputError(
                f"{path}: line {number} is Intel HEX, not $readmemh; make raw binary of it: "
                f"objcopy -I ihex -O binary {path.name} {path.stem}.bin"
            )
        for word in line.replace("_", "").split():
            if word.startswith("@"):
                if not _is(word[1:], len(words)):
                    raise InputError(
                        f"{path}: line {number}: address {word} follows {len(words)} words: words "
                        "are left out; write them all, from address 0 on"
                    )
            elif re.fullmatch(r"[0-9a-fA-F]+", word):
                words.append(word)
            elif re.fullmatch(r"[0-9a-fA-FxXzZ?]+", word):
                raise InputError(
                    f"{path}: line {number}: {word[:20]!r} has bits that the simulation never drove"
                )
            else:
                raise InputError(f"{path}: line {number}: {word[:20]!r} is no hex number")
    digits = max(map(len, words), default=1)
    width = next((bits for bits in (8, 16, 32, 64) if 4 * digits <= bits), 0)
    if not width:
        raise InputError(
            f"{path}: words of {digits} hex digits; a word holds one value of up to 64 bits"
        )
    values = np.array([int(word, 16) for word in words], f"u{width // 8}")
    return [Found("", str(path), values, Kind.WORDS)]


def _is(digits: str, address: int) -> bool:
    try:
        return int(digits, 16) == address
    except ValueError:
        return False
