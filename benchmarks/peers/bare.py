"""What a wake-up costs at the least here: a bare RPUSH to a process that sleeps in BLPOP, without any engine.

bare.py URL N     N + 1 times; prints the moment of each but the first, in seconds of the monotonic clock, as JSON
"""

from __future__ import annotations

import json
import sys

import redis
from stamp import now

KEY = "bare"


def main() -> None:
    """Sleep, note when, sleep again."""
    moments = []
    with redis.Redis.from_url(sys.argv[1]) as client:
        for _ in range(int(sys.argv[2]) + 1):
            client.blpop([KEY], 30)
            moments.append(now())
    sys.stdout.write(json.dumps(moments[1:]) + "\n")


if __name__ == "__main__":
    main()
