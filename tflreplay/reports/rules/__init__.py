"""What ``tflreplay rules`` prints: an engine's table, or a model's rule sheet."""
