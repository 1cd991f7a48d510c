"""Small captures of engines that the test extra does not install: see ``record.py``."""
