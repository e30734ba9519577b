"""Plant one bug at a time into a copy of the engine, and see which tests notice: `python -m tests.mutants [NAME...]`.

The model's histories are tried first (500 for the memory or for Valkey, by where the bug is), then the contract suite.
A bug whose text is no longer in the engine is an error: the list must be kept true. Exit status 1 when one survives.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LUA = "core/backends/lua/"
MEMORY = "core/backends/memory.py"


@dataclass(frozen=True)
class Mutant:
    """One bug: in `file`, `old` becomes `new`."""

    name: str
    file: str
    old: str
    new: str

    @property
    def kind(self) -> str:
        """The backend that has it."""
        return "memory" if self.file == MEMORY else "valkey"


MUTANTS = [
    Mutant(
        "a late report is believed",
        LUA + "turn.lua",
        "if not rec or rec[TOK] ~= tokens[i] then",
        "if not rec then",
    ),
    Mutant(
        "an outcome sent twice counts twice",
        LUA + "turn.lua",
        "elseif rec[ST] == 'a' then -- else",
        "else -- else",
    ),
    Mutant(
        "a join starts after its first upstream",
        LUA + "lib.lua",
        "    if bad > 0 then return 'skip' end\n    if pending == 0 then return 'go' end",
        "    if bad > 0 then return 'skip' end\n    if ups - pending > 0 or pending == 0 then return 'go' end",
    ),
    Mutant(
        "what is skipped skips nothing itself",
        LUA + "lib.lua",
        "if rec[NDN] ~= '0' then work[#work + 1] = {id, 0, 'R', to} end",
        "if rec[NDN] ~= '0' and to ~= 'k' then work[#work + 1] = {id, 0, 'R', to} end",
    ),
    Mutant(
        "one_failed starts when all is well",
        LUA + "lib.lua",
        "    if bad > 0 then return 'go' end",
        "    if pending == 0 then return 'go' end",
    ),
    Mutant(
        "the youngest first",
        LUA + "lib.lua",
        "priority * 17592186044416 + order)",
        "priority * 17592186044416 - order)",
    ),
    Mutant(
        "priorities are ignored",
        LUA + "lib.lua",
        "priority * 17592186044416 + order)",
        "5 * 17592186044416 + order)",
    ),
    Mutant(
        "a claim is no event",
        LUA + "lib.lua",
        "  lines[#lines + 1] = id .. ' ' .. from",
        "  if to ~= 'a' then lines[#lines + 1] = id .. ' ' .. from",
    ),
    Mutant(
        "a lease never runs out",
        LUA + "turn.lua",
        "for _, id in ipairs(due('s:a', 100)) do",
        "for _, id in ipairs({}) do",
    ),
    Mutant(
        "one stall too many",
        LUA + "turn.lua",
        "if tonumber(rec[STL]) >= most then",
        "if tonumber(rec[STL]) > most then",
    ),
    Mutant(
        "ttl is forgotten",
        LUA + "turn.lua",
        "finish(id, rec, 'e', 'not started within its ttl')",
        "later(leave, 'ttl', id)",
    ),
    Mutant(
        "a pause pauses nothing",
        LUA + "turn.lua",
        "local paused = steering[1] == '1'",
        "local paused = false",
    ),
    Mutant("a retry keeps its cancellation", LUA + "more.lua", "  flag(id, rec, 'C', false)\n", ""),
    Mutant(
        "a retry leaves what it had skipped",
        LUA + "lib.lua",
        "    if says ~= 'skip' then\n      rec[CAU]",
        "    if says == 'never' then\n      rec[CAU]",
    ),
    Mutant(
        "handing back costs an attempt",
        LUA + "turn.lua",
        "        rec[ATT] = fmt('%.0f', rec[ATT] - 1)\n",
        "",
    ),
    Mutant(
        "a cancelled job may complete",
        LUA + "turn.lua",
        "if rec[FLG] ~= '-' and flagged(rec, 'C') then",
        "if false then",
    ),
    Mutant(
        "a flow is never over",
        LUA + "lib.lua",
        "if by.b + by.w + by.d + by.a > 0 then",
        "if by.b + by.w + by.d + by.a >= 0 then",
    ),
    Mutant(
        "a flow added twice is refused",
        LUA + "add.lua",
        "digest and 'same' or 'conflict'",
        "digest and 'conflict' or 'conflict'",
    ),
    Mutant(
        "another flow under the same id is the same",
        LUA + "add.lua",
        "digest and 'same' or 'conflict'",
        "digest and 'same' or 'same'",
    ),
    Mutant(
        "links may close a cycle", LUA + "link.lua", "if wanted[each] then return {'cycle', each} end", ""
    ),
    Mutant(
        "what a waiting job needs may be removed",
        LUA + "steer.lua",
        "if other and not (ENDED[other[ST]] and ENDED[rec[ST]]) then return below end",
        "",
    ),
    Mutant(
        "delays are ignored",
        LUA + "lib.lua",
        "  if delay > 0 then\n    move(id, rec, 'd'",
        "  if delay < 0 then\n    move(id, rec, 'd'",
    ),
    Mutant(
        "memory: a late report is believed",
        MEMORY,
        "if rec is None or rec.token != outcome.token:",
        "if rec is None:",
    ),
    Mutant("memory: a stall is not counted", MEMORY, "        rec.stalls += 1\n", ""),
    Mutant(
        "memory: what ends within a step is told to nobody",
        MEMORY,
        "            self._walk += todo  # called",
        "            pass  # called",
    ),
    Mutant(
        "memory: a paused queue gives out jobs",
        MEMORY,
        "if want > 0 and not home.paused else []",
        "if want > 0 else []",
    ),
]


def planted(mutant: Mutant, where: Path) -> None:
    """Copy what the tests need to `where`, with the bug. Raises SystemExit when its place is not there once."""
    for name in ("core", "tests", "pyproject.toml"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(
                source, where / name, ignore=shutil.ignore_patterns("__pycache__", "__snapshots__")
            )
        else:
            shutil.copy(source, where / name)
    file = where / mutant.file
    text = file.read_text()
    if text.count(mutant.old) != 1:
        raise SystemExit(
            f"'{mutant.name}': its text is {text.count(mutant.old)} times in {mutant.file}, not once"
        )
    file.write_text(
        text.replace(mutant.old, mutant.new + (" end" if mutant.name == "a claim is no event" else ""))
    )


def caught(mutant: Mutant) -> tuple[str, float]:
    """Which tests caught it ("" for none), and the seconds that took."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="flowtui-mutant-") as name:
        where = Path(name)
        planted(mutant, where)
        for suite, test in (("model", "test_model.py"), ("contract", "test_backend_contract.py")):
            done = subprocess.run(
                [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--no-header", "--tb=no",
                 f"tests/core/{test}", "-k", mutant.kind],
                cwd=where,
                env={**os.environ, "PYTHONPATH": str(where), "FLOWTUI_SHRINK": "0"},
                capture_output=True,
                text=True,
                timeout=900,
            )  # fmt: skip
            if done.returncode == 1:
                first = re.search(r"FAILED \S+::(\w+)", done.stdout)
                return (
                    f"{suite}: {first[1] if first and suite == 'contract' else 'a history'}",
                    time.monotonic() - begun,
                )
            if done.returncode:
                raise SystemExit(f"'{mutant.name}': the tests did not run:\n{done.stdout}{done.stderr}")
    return "", time.monotonic() - begun


def main() -> int:
    """All, or those named."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="only these")
    wanted = parser.parse_args().names
    survived = []
    for mutant in MUTANTS:
        if wanted and mutant.name not in wanted:
            continue
        by, seconds = caught(mutant)
        sys.stdout.write(f"| {mutant.name} | {mutant.file} | {by or '**survived**'} | {seconds:.1f} s |\n")
        sys.stdout.flush()
        if not by:
            survived.append(mutant.name)
    sys.stdout.write(f"{len(survived)} survived{': ' if survived else ''}{', '.join(survived)}\n")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
