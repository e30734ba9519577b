"""`python -m tests.chaos [--seconds 120] [--seed N]`; the exit status is 1 when a promise was broken."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys

from .run import run

parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
parser.add_argument("--seconds", type=float, default=120.0)
parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
given = parser.parse_args()
sys.exit(0 if asyncio.run(run(given.seconds, given.seed, sys.stdout)) else 1)
