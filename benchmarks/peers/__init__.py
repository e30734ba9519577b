"""One script for each engine, run inside that engine's own environment: it imports nothing of flowtui's."""
