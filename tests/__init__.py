"""The tests."""

import os

# Read when numpy is first imported. As of the command: pytest runs a process a processor already.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
