"""What can go wrong, each with one line that says what to do next.

Every error a user can cause is a :class:`TflreplayError`. The command line prints
its text on one line and exits with code 2; nothing else is caught there, so a
traceback always means a bug in tflreplay.
"""

from __future__ import annotations


class TflreplayError(Exception):
    """Base of every error that has a cause outside tflreplay."""


class ModelError(TflreplayError):
    """The model file is missing, truncated, inconsistent or not a .tflite file."""


class InputError(TflreplayError):
    """An input array does not fit the model's input tensor."""


class CaptureError(TflreplayError):
    """A runtime could not run the model, or its process died."""


class NotReplayed(TflreplayError):
    """An operator has no exact model here: unknown op, version, dtype or parameters.

    The replay goes on past it from the captured tensor, when there is one.
    """


class UndefinedHere(NotReplayed):
    """An operator is modelled, but not for some of the values that it is fed."""


class OutputError(TflreplayError):
    """A report could not be written."""


class KernelError(TflreplayError):
    """A user's kernel cannot be compiled or loaded, or has ended the process that it ran in."""
