"""The kernels, one file an op family. The tables in :mod:`tflreplay.arithmetic` name them."""
