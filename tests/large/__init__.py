"""Flows of 100,000 jobs: `python -m tests.large`."""
