"""Two minutes of killed workers, servers and connections, checked against a ledger: `python -m tests.chaos`."""
