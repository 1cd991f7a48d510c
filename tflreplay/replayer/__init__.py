"""Replay a model op by op: the one loop, and users' own kernels in it."""
