"""PING on a bare socket until SIGTERM, one at a time: what the server makes others wait. Standard library only.

ping.py HOST PORT GAP     GAP seconds between two; prints the milliseconds of each as JSON
"""

from __future__ import annotations

import json
import signal
import socket
import sys
import time

times: list[float] = []


def main() -> None:
    """Until told to stop."""
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    gap = float(sys.argv[3])
    with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while not stopping:
            start = time.monotonic()
            wire.sendall(b"PING\r\n")
            while not wire.recv(64).endswith(b"\r\n"):
                pass
            times.append((time.monotonic() - start) * 1000)
            if gap:
                time.sleep(gap)
    sys.stdout.write(json.dumps(times) + "\n")


if __name__ == "__main__":
    main()
