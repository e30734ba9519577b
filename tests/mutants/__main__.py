"""Plant one bug at a time into a copy of the engine, and see which tests notice: `python -m tests.mutants [NAME...]`.

A bug in a backend must be noticed by the model's histories (500 for the memory or for Valkey, by where it is), else by
the contract suite; one in the worker or the producer by their own tests. First the copy without a bug must pass: else
anything would count as caught. A bug whose text is no longer in the engine is an error, and so is one that only breaks
the program (a script that does not compile, a name that is not there): the list must be kept true. Exit status 1 when
one survives.
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
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
LUA = "core/backends/lua/"
MEMORY = "core/backends/memory/"
WORKER = "core/worker.py"
ATTEMPT = "core/attempt.py"
FLOW = "core/flow.py"
BROKEN = re.compile(
    r"compiling script|user_script|SyntaxError|IndentationError|NameError|UnboundLocalError|ImportError"
)
"""What a test says that fails because the planted text is no program."""


@dataclass(frozen=True)
class Mutant:
    """One bug: in `file`, `old` becomes `new`."""

    name: str
    file: str
    old: str
    new: str

    @property
    def suites(self) -> list[tuple[str, str, str]]:
        """(name, test file, what pytest selects in it), in the order in which they are tried."""
        if self.file in (WORKER, ATTEMPT):
            return [("worker", "test_worker.py", "memory")]
        if self.file == FLOW:
            return [("flow", "test_flow.py", "")]
        kind = "memory" if self.file.startswith(MEMORY) else "valkey"
        return [("model", "test_model.py", kind), ("contract", "test_backend_contract.py", kind)]


MUTANTS = [
    Mutant(
        "a large flow starts without its priorities",
        LUA + "stage.lua",
        "fmt('%.0f', about[3] + order)",
        "order",
    ),
    Mutant(
        "a job of a large flow does not wait",
        LUA + "stage.lua",
        "local state, index, score = 'b', blocked, order\n  if ups == '0'",
        "local state, index, score = 'b', blocked, order\n  if ups ~= ''",
    ),
    Mutant(
        "a large flow does not know what is below its jobs",
        LUA + "stage.lua",
        "if job[BELOW] ~= '' then\n    at = #below",
        "if job[BELOW] ~= '' and n < 40 then\n    at = #below",
    ),
    Mutant(
        "an expiry in a large flow is forgotten",
        LUA + "stage.lua",
        "about = delay == '0' and ttl == '0' and",
        "about = delay == '0' and",
    ),
    Mutant(
        "a delay in a large flow is forgotten",
        LUA + "stage.lua",
        "about = delay == '0' and ttl == '0' and",
        "about = ttl == '0' and",
    ),
    Mutant(
        "what became ready stands behind what waits",
        LUA + "turn.lua",
        "function(x, y) return x[1] < y[1] end",
        "function(x, y) return not x[4] and y[4] end",
    ),
    Mutant(
        "what waited is lost where others became ready",
        LUA + "turn.lua",
        "          later(enter, 'w', score, id)\n",
        "          if is_fresh then later(enter, 'w', score, id) end\n",
    ),
    Mutant(
        "what became ready is lost where no slot is free for it",
        LUA + "turn.lua",
        "          later(enter, 'w', score, id)\n",
        "          if not is_fresh then later(enter, 'w', score, id) end\n",
    ),
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
        "a link made while an end spreads hears of it twice",
        LUA + "more.lua",
        "      if counts[k] then return true end",
        "      if counts[k] then return false end",
    ),
    Mutant(
        "a retry of a flow overtakes what still spreads",
        LUA + "pump.lua",
        "  if still_spreads() then return head .. fmt('%.0f', cursor), -1 end\n",
        "",
    ),
    Mutant(
        "every other page of links is left out",
        LUA + "lib.lua",
        "        step[2] = page + 1",
        "        step[2] = page + 2",
    ),
    Mutant(
        "a step that goes on is forgotten",
        LUA + "pump.lua",
        "  if left <= #steps then call('LSET', P .. 'ops', 0, step_text(steps[left])) end",
        "  if left <= #steps then call('LPOP', P .. 'ops') end",
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
        "  lines[#lines + 1] = id .. ' ' .. from .. to",
        "  if to == 'a' then return end\n  lines[#lines + 1] = id .. ' ' .. from .. to",
    ),
    Mutant("a flow's counts only grow", LUA + "lib.lua", "    bump(flow, from, -1)\n", ""),
    Mutant(
        "what is delayed waits for ever",
        LUA + "turn.lua",
        "for _, id in ipairs(calm and {} or due('s:d', 200)) do",
        "for _, id in ipairs({}) do",
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
        "a repeat is given out before its payload is written",
        LUA + "turn.lua",
        "flush_put() -- the payload",
        "-- the payload",
    ),
    Mutant(
        "what is retried may be skipped again at once",
        LUA + "more.lua",
        "  return verdict(rec) == 'skip' and skip_reason(",
        "  return not verdict(rec) and skip_reason(",
    ),
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
        "if by.b ~= '0' or by.w ~= '0' or by.d ~= '0' or by.a ~= '0' then",
        "if by.b ~= '' then",
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
        "a plain flow added again is a conflict",
        LUA + "putflow.lua",
        "'same' or 'conflict'",
        "'conflict' or 'conflict'",
    ),
    Mutant(
        "another plain flow under the same id is the same",
        LUA + "putflow.lua",
        "'same' or 'conflict'",
        "'same' or 'same'",
    ),
    Mutant(
        "wishes that wait for a job of a plain flow are forgotten",
        LUA + "putflow.lua",
        "P .. 'declared', P .. 'staging'",
        "P .. 'staging'",
    ),
    Mutant(
        "a plain flow takes ids that are in use",
        LUA + "putflow.lua",
        "if known then taken[ids[i]] = 'known' end",
        "",
    ),
    Mutant(
        "two plain flows of one call take the same id",
        LUA + "putflow.lua",
        "elseif taken[id] then",
        "elseif false then",
    ),
    Mutant(
        "two plain flows of one call are the same flow",
        LUA + "putflow.lua",
        "special or taken['flow ' .. flow[1]]",
        "special",
    ),
    Mutant(
        "what waits in a plain flow counts as ready",
        LUA + "putflow.lua",
        "if above == '0' then",
        "if true then",
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
        "  if delay > 0 and rec[ATT] == '0' then\n    move(id, rec, 'd'",
        "  if delay < 0 then\n    move(id, rec, 'd'",
    ),
    Mutant(
        "what ended first is listed first",
        LUA + "read.lua",
        "(ENDED[parts[i]] and true or false) ~= reverse",
        "reverse",
    ),
    Mutant(
        "a search loses letters that equal ASCII ones",
        LUA + "read.lua",
        "if not has(hay, limits) and not unsure(hay) and",
        "if not has(hay, limits) and",
    ),
    Mutant(
        "a search leaves out its limits",
        LUA + "read.lua",
        "have < limits[1] or have > limits[2]",
        "have <= limits[1] or have > limits[2]",
    ),
    Mutant(
        "a search passes over what one step may not send",
        LUA + "read.lua",
        "ids, out[1] = found, looked",
        "ids, out[1] = found, #ids",
    ),
    Mutant(
        "memory: what ended first is listed first",
        MEMORY + "watching.py",
        "return ended if reverse else reversed(ended)",
        "return reversed(ended) if reverse else ended",
    ),
    Mutant(
        "memory: a search ends at its first step",
        MEMORY + "watching.py",
        "len(found) < look)",
        "len(found) <= look)",
    ),
    Mutant(
        "memory: a late report is believed",
        MEMORY + "working.py",
        "if rec is None or rec.token != outcome.token:",
        "if rec is None:",
    ),
    Mutant("memory: a stall is not counted", MEMORY + "working.py", "        rec.stalls += 1\n", ""),
    Mutant(
        "memory: what ends within a step is told to nobody",
        MEMORY + "moves.py",
        "            self._walk += todo  # called",
        "            pass  # called",
    ),
    Mutant(
        "memory: a paused queue gives out jobs",
        MEMORY + "working.py",
        "if want > 0 and not home.paused else []",
        "if want > 0 else []",
    ),
    Mutant("worker: one retry too few", ATTEMPT, "if failures <= retries and", "if failures < retries and"),
    Mutant(
        "worker: what no retry can help is tried again",
        ATTEMPT,
        "if failures <= retries and not isinstance(error, InvalidPayload):",
        "if failures <= retries:",
    ),
    Mutant(
        "worker: a cancelled job is handed back",
        ATTEMPT,
        'if self.stop == "cancel":',
        'if self.stop == "never":',
    ),
    Mutant(
        "worker: no job has a timeout",
        WORKER,
        "            if timeout:\n",
        "            if timeout == 0:\n",
    ),
    Mutant(
        "producer: a job is added before its links",
        FLOW,
        """                if job.depends_on:
                    await self._add_dependencies(self.backend, queue, job)
                added.append(job_id)
                await self.backend.enqueue(queue, job.to_dict())
""",
        """                added.append(job_id)
                await self.backend.enqueue(queue, job.to_dict())
                if job.depends_on:
                    await self._add_dependencies(self.backend, queue, job)
""",
    ),
    Mutant(
        "producer: a failed add leaves what it had added",
        FLOW,
        "left = await self._undo(added)",
        "left: list[str] = []",
    ),
    Mutant(
        "producer: an assigned hook is passed over",
        FLOW,
        "self._add_dependencies is add_dependencies\n            and ",
        "",
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
    file.write_text(text.replace(mutant.old, mutant.new))


def tried(where: Path, test: str, select: str) -> subprocess.CompletedProcess[str]:
    """One test file in the copy, until the first failure."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--no-header", "--tb=short", "-rPf",
         f"tests/core/{test}", "-k", select],
        cwd=where,
        env={**os.environ, "PYTHONPATH": str(where), "FLOWTUI_SHRINK": "0"},
        capture_output=True,
        text=True,
        timeout=600,
    )  # fmt: skip


def caught(mutant: Mutant) -> tuple[str, float]:
    """Which tests caught it ("" for none), and the seconds that took."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="flowtui-mutant-") as name:
        where = Path(name)
        planted(mutant, where)
        for suite, test, select in mutant.suites:
            try:
                done = tried(where, test, select)
            except subprocess.TimeoutExpired:
                return f"{suite}: hangs", time.monotonic() - begun
            if done.returncode not in (0, 1) or BROKEN.search(done.stdout):
                raise SystemExit(
                    f"'{mutant.name}' is no bug but a broken program:\n{done.stdout}{done.stderr}"
                )
            if done.returncode == 1:
                return f"{suite}: {_by(suite, done.stdout)}", time.monotonic() - begun
    return "", time.monotonic() - begun


def _by(suite: str, shown: str) -> str:
    """The test that failed; of the model, how many histories it took, those before it and its replays included."""
    if suite == "model":
        return (
            f"within {sum(int(count) for count in re.findall(r'histories begun: ([0-9]+)', shown))} histories"
        )
    first = re.search(r"FAILED \S+::(\w+)", shown)
    return f"`{first[1]}`" if first else "a test"


def control(mutants: list[Mutant]) -> None:
    """What is to catch them must pass without them. Raises SystemExit when it does not."""
    for _, test, select in sorted({suite for mutant in mutants for suite in mutant.suites}):
        with tempfile.TemporaryDirectory(prefix="flowtui-mutant-") as name:
            first = mutants[0]
            planted(replace(first, new=first.old), Path(name))
            done = tried(Path(name), test, select)
        if done.returncode:
            raise SystemExit(f"{test} fails without any bug:\n{done.stdout}{done.stderr}")
        sys.stdout.write(f"without a bug {test} {select} passes\n")
        sys.stdout.flush()


def main() -> int:
    """All, or those named."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="only these")
    wanted = parser.parse_args().names
    mutants = [mutant for mutant in MUTANTS if not wanted or mutant.name in wanted]
    if not mutants:
        parser.error(f"no bug has one of these names; there are: {', '.join(each.name for each in MUTANTS)}")
    control(mutants)
    survived = []
    for mutant in mutants:
        by, seconds = caught(mutant)
        sys.stdout.write(f"| {mutant.name} | {mutant.file} | {by or '**survived**'} | {seconds:.1f} s |\n")
        sys.stdout.flush()
        if not by:
            survived.append(mutant.name)
    sys.stdout.write(f"{len(survived)} survived{': ' if survived else ''}{', '.join(survived)}\n")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
