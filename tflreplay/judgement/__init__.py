"""What is said of two sides' tensors: where they differ, how that travels, and what explains it."""
