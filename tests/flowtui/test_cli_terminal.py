"""`flowtui run` in a terminal: repaints in place, obeys nobody's escape sequences, leaves the terminal as it was."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SEQUENCE = re.compile(rb"\x1b(\[[0-9;?]*[A-Za-z]|.)")
OURS = re.compile(rb"\x1b\[(\d+A|K|J|\d*m)")

TASKS = """\
import sys
from core import task

@task("loud.print")
def loud(times):
    for number in range(times):
        print("printed", number)
    print("\\x1b[2J\\x1b]52;c;aGk=\\x07evil", file=sys.stderr)
    return "\\x1b[31mresult"
"""


class Terminal:
    """A command in a pseudo-terminal of 80 by 24."""

    def __init__(self, folder: Path, *args: str, **environ: str) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.slave = slave
        self.before = termios.tcgetattr(slave)
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith(("FLOWTUI_", "NO_COLOR"))
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flowtui", *args],
            cwd=folder,
            env={
                **kept,
                "TERM": "xterm-256color",
                "FLOWTUI_HOME": str(folder / "h"),
                "FLOWTUI_CONFIG": str(folder / "none"),
                "PYTHONPATH": str(ROOT),
                "PYTHONIOENCODING": "utf-8",
                **environ,
            },
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        self.out = b""

    def read(self, until: bytes | None = None, seconds: float = 40.0) -> bytes:
        """What it wrote, up to `until` or its end."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            ready, _, _ = select.select([self.master], [], [], 0.1)
            if ready:
                self.out += os.read(self.master, 65536)
                if until is not None and until in self.out:
                    return self.out
            elif self.process.poll() is not None:
                return self.out
        raise AssertionError(f"{until!r} did not come; there was {self.out[-500:]!r}")

    def close(self) -> None:
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "loud.py").write_text(TASKS)
    (tmp_path / "loud.yaml").write_text("imports: [loud]\njobs: {a: {task: loud.print, args: [30]}}")
    (tmp_path / "long.yaml").write_text("jobs: {a: {run: sleep 60}}")
    return tmp_path


def lines_of(out: bytes) -> list[str]:
    return SEQUENCE.sub(b"", out).decode().replace("\r", "").split("\n")


def test_it_paints_in_place_and_nobody_else_moves_the_cursor(folder: Path) -> None:
    terminal = Terminal(folder, "run", "loud.yaml")
    out = terminal.read()
    assert terminal.process.wait() == 0
    assert termios.tcgetattr(terminal.slave) == terminal.before
    strangers = [found[0] for found in SEQUENCE.finditer(out) if not OURS.fullmatch(found[0])]
    assert strangers == []
    assert b"\x07" not in out
    lines = lines_of(out)
    printed = [line for line in lines if line.startswith("printed")]
    assert printed == [f"printed {number}" for number in range(30)], "each line once, above the picture"
    assert any("␛[2J␛]52;c;aGk=␇evil" in line for line in lines)
    assert any("␛[31mresult" in line for line in lines)
    assert any(line.startswith("loud  ████████████████████  1/1") for line in lines)
    terminal.close()


@pytest.mark.parametrize(
    ("name", "value", "gone"), [("NO_COLOR", "1", rb"\x1b\[\d*m"), ("TERM", "dumb", rb"\x1b")]
)
def test_it_writes_no_more_than_the_terminal_wants(folder: Path, name: str, value: str, gone: bytes) -> None:
    terminal = Terminal(folder, "run", "loud.yaml", **{name: value})
    out = terminal.read()
    assert terminal.process.wait() == 0
    # A dumb terminal gets what the task printed as it is: nothing is painted, so nothing stands in between.
    ours = out.replace(b"\x1b[2J\x1b]52;c;aGk=\x07evil", b"")
    assert not re.search(gone, ours)
    terminal.close()


def test_ctrl_c_cancels_and_leaves_the_terminal_as_it_was(folder: Path) -> None:
    terminal = Terminal(folder, "run", "long.yaml")
    terminal.read(b"active")
    terminal.process.send_signal(signal.SIGINT)
    terminal.read(b"cancelling")
    out = terminal.read()
    assert terminal.process.wait() == 130
    assert termios.tcgetattr(terminal.slave) == terminal.before
    assert "⊖ 1 cancelled" in lines_of(out)[-3]
    assert out.endswith(b"\x1b[J")
    terminal.close()


def test_ascii_is_ascii(folder: Path) -> None:
    terminal = Terminal(folder, "run", "--ascii", "long.yaml")
    terminal.read(b"active")
    terminal.process.send_signal(signal.SIGTERM)
    out = terminal.read()
    assert terminal.process.wait() == 130
    assert out.isascii()
    terminal.close()
