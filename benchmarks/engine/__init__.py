"""The engine beside its peers, and its own promises about speed: `python -m benchmarks.engine`. See ../README.md."""
