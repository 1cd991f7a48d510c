"""The jobs, each named as its command."""
