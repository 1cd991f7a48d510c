"""Whose arithmetic is meant: one set of kernels, of one version of a runtime."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Engine:
    """A set of kernels as one version of a runtime has it.

    ``name`` is an arithmetic table: ``reference`` (the op resolver BUILTIN_REF), ``optimized``
    (BUILTIN_WITHOUT_DEFAULT_DELEGATES) or ``xnnpack`` (the default resolver). ``threads`` matters
    where a kernel's result depends on how its work was split.
    """

    name: str = "reference"
    runtime: str = "litert"
    version: str = "2.3.0"
    threads: int = 1

    def __str__(self) -> str:
        return self.name
