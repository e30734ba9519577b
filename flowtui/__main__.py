"""`python -m flowtui` and the `flowtui` command."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path


def main() -> None:
    """Run the command line, once it is sure that `core` is ours: the name is a common one."""
    found = find_spec("core")
    ours = Path(__file__).resolve().parent.parent / "core"
    if found is None or found.origin is None or Path(found.origin).resolve().parent != ours:
        where = found.origin if found is not None else "nothing"
        sys.exit(
            f"flowtui: its engine is the package 'core' in {ours.parent}, but 'core' is {where} here; "
            "start flowtui from another directory, or clean PYTHONPATH"
        )
    from flowtui.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
