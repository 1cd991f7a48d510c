"""What XNNPACK computes otherwise than the kernels of TFLite."""
