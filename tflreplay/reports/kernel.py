"""A kernel to start from, in C or Python: exact, and to be replaced by a user's own."""

from __future__ import annotations

from importlib import resources

from tflreplay.ground.errors import InputError
from tflreplay.replayer.user_kernels import HEADER
from tflreplay.reports.extract.text import environment

# Folders of templates, and how their files end.
LANGUAGES = {"c": ".c.j2", "python": ".py.j2", "cmsis-nn": ".c.j2"}


def header() -> str:
    """The C interface, ``tflreplay_kernel.h``."""
    return HEADER.read_text(encoding="utf-8")


def ops(language: str) -> list[str]:
    """Those that there is a kernel for."""
    folder = resources.files("tflreplay.reports") / "templates" / "kernel" / language
    names = [path.name for path in folder.iterdir() if path.is_file()]
    return sorted(name.removesuffix(LANGUAGES[language]) for name in names)


def render(op: str, language: str) -> str:
    """
    Raises:
        InputError: there is none for this op, or none in this language.
    """
    if language not in LANGUAGES:
        raise InputError(f"--lang {language}: use one of {', '.join(LANGUAGES)}")
    if op not in ops(language):
        raise InputError(
            f"there is no kernel for {op!r} in {language} to start from; there is one for "
            f"{', '.join(ops(language))}"
        )
    name = f"kernel/{language}/{op}{LANGUAGES[language]}"
    return environment().get_template(name).render(op=op)
