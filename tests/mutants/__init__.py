"""Planted bugs, and which test catches each: `python -m tests.mutants`."""
