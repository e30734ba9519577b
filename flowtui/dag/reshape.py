"""The shape of a block after an edit: worked out from what came and went, level by level."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from flowtui.dag.blocks import NOT_COUNTED, Block
from flowtui.dag.graph import Link
from flowtui.dag.keep import among_neighbours
from flowtui.dag.layers import Lane, bundle_of
from flowtui.dag.order import Ordering
from flowtui.dag.route import Channel


@dataclass(slots=True)
class Change:
    """An edit of one block: what came and went."""

    nodes: list[str]  # new ones
    gone: list[str]
    links: list[Link]  # new ones
    cut: list[Link]  # those of nodes that are gone among them
    labels: list[str]  # nodes that were there and have another label


LONGER = 0.5
"""How much a link that gets a level longer weighs beside a node that has to move."""


class Reshaping:
    """The shape of a block while an edit is worked in, step by step in the order of the methods."""

    def __init__(self, block: Block) -> None:
        self.old = block
        self.block = replace(
            block,
            ids=block.ids.copy(),
            level=block.level.copy(),
            layers=block.layers.copy(),
            up=block.up.copy(),
            down=block.down.copy(),
            links_up=block.links_up.copy(),
            links_down=block.links_down.copy(),
            lanes=block.lanes.copy(),
            owner=block.owner.copy(),
            hint=[],
            fresh=set(),
            gone=block.gone.copy(),
            net_of=block.net_of.copy(),
            size=block.size.copy(),
            port=block.port.copy(),
            base=block.base.copy(),
            entries=block.entries.copy(),
            start=block.start.copy(),
            boxes=block.boxes.copy(),
            crossings=NOT_COUNTED,
        )
        self.new: list[int] = []  # nodes that were not there
        self.moved: set[int] = set()  # nodes that were there and have another level
        self.uprooted: set[int] = set()  # vertices from levels that are not there any more
        self.touched: set[int] = set()  # nodes with other links
        self.bundles: dict[tuple[str, int], None] = {}  # who may have other lanes than before
        self.lost: list[int] = []  # vertices that leave their level
        self.gained: list[int] = []  # vertices that come to a level
        self.layers: set[int] = set()
        self.leave: set[int] = set()
        self.arrive: set[int] = set()
        self.keys: list[float] = []  # where the middle of each vertex was, or would be

    def _vertex(self, name: str) -> int:
        """A new node; its level is still to be found."""
        block = self.block
        v = len(block.ids)
        block.ids.append(name)
        block.level.append(-1)
        for lists in (block.up, block.down, block.links_up, block.links_down):
            lists.append([])
        for numbers in (block.net_of, block.size, block.port, block.base, block.start):
            numbers.append(0)
        block.entries.append({})
        block.boxes.append((1, 1))
        return v

    def relink(self, change: Change, vertex: Mapping[str, int]) -> None:
        """Take over nodes and links."""
        ups, downs = self.block.links_up, self.block.links_down
        number = {name: self._vertex(name) for name in change.nodes}
        self.new = list(number.values())
        for source, target in change.cut:
            v, w = vertex[source], vertex[target]
            downs[v] = [x for x in downs[v] if x != w]
            ups[w] = [x for x in ups[w] if x != v]
            self._disown(v, w)
            self.touched |= {v, w}
        for name in change.gone:
            self._remove(vertex[name])
        for source, target in change.links:
            v = number[source] if source in number else vertex[source]
            w = number[target] if target in number else vertex[target]
            downs[v] = [*downs[v], w]
            ups[w] = [*ups[w], v]
            self.touched |= {v, w}

    def part_off(self) -> list[str]:
        """Take out the nodes that do not hang together with most others any more; answers with their names."""
        block = self.block
        ups, downs = block.links_up, block.links_down
        seen = bytearray(len(block.ids))
        parts = []
        for first, name in enumerate(block.ids):
            if seen[first] or not name:
                continue
            seen[first] = 1
            part = [first]
            for v in part:
                for w in (*ups[v], *downs[v]):
                    if not seen[w]:
                        seen[w] = 1
                        part.append(w)
            parts.append(part)
        main = max(parts, key=len, default=[])
        apart = [v for part in parts if part is not main for v in part]
        names = [block.ids[v] for v in apart]
        for v in apart:
            for w in downs[v]:
                self._disown(v, w)
        for v in apart:
            self._remove(v)
        return names

    def _remove(self, v: int) -> None:
        block = self.block
        block.ids[v] = ""
        block.up[v], block.down[v], block.links_up[v], block.links_down[v] = [], [], [], []
        block.gone.append(v)
        self.touched.discard(v)
        if v < len(self.old.ids):
            self.lost.append(v)
        else:
            self.new.remove(v)

    def relevel(self) -> None:
        """Levels as they were; few are moved where a new link demands it, new nodes go beside their neighbours."""
        level, ups, downs = self.block.level, self.block.links_up, self.block.links_down
        homeless = dict.fromkeys(self.new)
        while homeless:
            ready = [v for v in homeless if homeless.keys().isdisjoint(ups[v] or downs[v])]
            # Where new ones wait for each other: the first that hangs on somebody with a level.
            for v in ready or [next(v for v in homeless if not homeless.keys() >= {*ups[v], *downs[v]})]:
                above = [level[w] for w in ups[v] if w not in homeless]
                below = [level[w] for w in downs[v] if w not in homeless]
                level[v] = max(above) + 1 if above else min(below) - 1
                del homeless[v]
        for v in [*self.new, *sorted(self.touched)]:
            for w in downs[v]:
                if level[w] <= level[v]:
                    self._make_climb(v, w)
        self._follow()
        there = len(self.old.layers)
        used = sorted({k for k, name in zip(level, self.block.ids, strict=True) if name})
        self.moved = {v for v in self.moved if level[v] != self.old.level[v]}
        if used != list(range(there)):
            self._number_levels(used)
        self.lost += sorted(self.moved)
        self.gained += [*self.new, *sorted(self.moved)]

    def _make_climb(self, v: int, w: int) -> None:
        """Raise the target of a link, lower its source, or both: what moves few nodes and keeps links short."""
        level, there = self.block.level, len(self.old.ids)
        need = level[v] - level[w] + 1
        above = self._carried(w, self.block.links_down, 1, need)
        below = self._carried(v, self.block.links_up, -1, need)
        ups, downs = self.block.links_up, self.block.links_down
        cost = [0.0] * (need + 1)  # by how far the target is raised
        for x, slack in above.items():
            longer = (len(ups[x]) - len(downs[x])) * LONGER
            for raised in range(slack + 1, need + 1):
                cost[raised] += (x < there) + longer * (raised - slack)
        for x, slack in below.items():
            longer = (len(downs[x]) - len(ups[x])) * LONGER
            for raised in range(need - slack):
                cost[raised] += (x < there) + longer * (need - raised - slack)
        # Of equal choices the one that leaves the beginning of the flow where it is.
        raised = max(range(need + 1), key=lambda k: (-cost[k], k))
        for carried, by, step in ((above, raised, 1), (below, need - raised, -1)):
            for x, slack in carried.items():
                if slack < by:
                    level[x] += step * (by - slack)
                    if x < there:
                        self.moved.add(x)

    def _carried(self, first: int, nexts: list[list[int]], step: int, most: int) -> dict[int, int]:
        """What moves with a node by less than `most` levels: how far the node may go before it does."""
        level = self.block.level
        found = {first: 0}
        reached: list[list[int]] = [[first], *([] for _ in range(most - 1))]
        for slack, here in enumerate(reached):
            for v in here:
                if found[v] < slack:
                    continue
                for w in nexts[v]:
                    room = max(step * (level[w] - level[v]) - 1, 0) + slack
                    if room < found.get(w, most):
                        found[w] = room
                        reached[room].append(w)
        return found

    def _follow(self) -> None:
        """Let what is drawn more by nodes that moved than held back come after them: links stay short."""
        level, ups, downs = self.block.level, self.block.links_up, self.block.links_down
        there = len(self.old.ids)
        todo = [u for v in sorted(self.moved) for u in (*ups[v], *downs[v])]
        for u in todo:
            if len(downs[u]) > len(ups[u]):
                near = min([level[w] for w in downs[u]]) - 1
                if near <= level[u]:
                    continue
                todo += ups[u]
            elif len(ups[u]) > len(downs[u]):
                near = max([level[w] for w in ups[u]]) + 1
                if near >= level[u]:
                    continue
                todo += downs[u]
            else:
                continue
            level[u] = near
            if u < there:
                self.moved.add(u)

    def _number_levels(self, used: list[int]) -> None:
        """Leave out the levels that have lost all their nodes and let the others count from 0; `used` are those in use.

        Levels that were not there before come to the old block, too, as empty ones: then the levels of both match.
        """
        block, old = self.block, self.old
        had = range(len(old.layers))
        dropped = set(had).difference(used)
        self.uprooted = {v for v, k in enumerate(old.level) if k in dropped}
        for v, w in block.owner if dropped else ():
            if not dropped.isdisjoint(range(old.level[v], old.level[w])):
                self.touched |= {v, w}
        lanes: dict[Lane, int] = {}
        for (side, who, k), lane in old.lanes.items():
            if k in dropped:
                block.gone.append(lane)
                block.up[lane], block.down[lane] = [], []
            else:
                lanes[side, who, bisect_left(used, k)] = lane
        gaps = [k if k in had and after == k + 1 in had else None for k, after in pairwise(used)]
        none = Channel([], [], 0, 0, {})
        self.old = replace(
            old,
            level=[bisect_left(used, k) for k in old.level],
            layers=[old.layers[k] if k in had else [] for k in used],
            lanes=lanes,
            nets=[[] if k is None else old.nets[k] for k in gaps],
            channels=[none if k is None else old.channels[k] for k in gaps],
            merging=[k is not None and old.merging[k] for k in gaps],
            channel_size=[0 if k is None else old.channel_size[k] for k in gaps],
            rows={i: old.rows[k] for i, k in enumerate(gaps) if k in old.rows},
        )
        block.level = [bisect_left(used, k) for k in block.level]
        block.layers = self.old.layers.copy()
        block.lanes = lanes.copy()

    # ---- lanes ---------------------------------------------------------------------------------------------------

    def _disown(self, v: int, w: int) -> None:
        """A link needs its lanes no more."""
        owner = self.block.owner.pop((v, w), None)
        if owner is not None:
            self.bundles[bundle_of(v, w, owner)] = None

    def share_lanes(self) -> None:
        """Say anew who owns the lanes of the links at touched nodes, and give each owner the lanes that it needs."""
        block, level = self.block, self.block.level
        ups, downs = block.links_up, block.links_down
        self.touched.update(self.new)
        for v in self.moved:
            self.touched |= {v, *ups[v], *downs[v]}
        out: dict[int, int] = {}
        into: dict[int, int] = {}

        def own(v: int, w: int) -> None:
            self._disown(v, w)
            if level[w] - level[v] < 2:
                return
            owner = "e"
            if block.bundled:
                if v not in out:
                    out[v] = sum([level[x] - level[v] > 1 for x in downs[v]])
                if w not in into:
                    into[w] = sum([level[w] - level[x] > 1 for x in ups[w]])
                owner = "s" if out[v] >= into[w] else "t"
            block.owner[v, w] = owner
            self.bundles[bundle_of(v, w, owner)] = None

        for v in sorted(self.touched):
            for w in downs[v]:
                own(v, w)
            for u in ups[v]:
                if u not in self.touched:
                    own(u, v)
        first = len(block.ids)
        levels: list[int] = []
        for side, who in self.bundles:
            self._give_lanes(side, who, first, levels)
        # All new lanes at once: one by one they would take longer than anything else here.
        count = len(levels)
        self.gained += range(first, first + count)
        block.ids += [""] * count
        block.level += levels
        for lists in (block.up, block.down, block.links_up, block.links_down):
            lists += [[]] * count
        for numbers in (block.net_of, block.size, block.port, block.base, block.start):
            numbers += [0] * count
        block.entries += [{}] * count
        block.boxes += [(1, 1)] * count

    def _give_lanes(self, side: str, who: int, first: int, levels: list[int]) -> None:
        """Take lanes away, and number those still to come from `first` on; `levels` are theirs."""
        block = self.block
        wanted = self._levels_of(side, who)
        # Those it had: a row of levels that begins beside its owner.
        here, step = (who >> 31 if side == "e" else who), -1 if side == "t" else 1
        k = self.old.level[here] + step if here < len(self.old.level) else -1
        if step > 0 and here in self.uprooted:
            k -= 1  # what was behind its level stands there now
        while (lane := self.old.lanes.get((side, who, k))) is not None:
            if k not in wanted:
                del block.lanes[side, who, k]
                block.gone.append(lane)
                block.up[lane], block.down[lane] = [], []
                self.lost.append(lane)
            k += step
        for k in wanted:
            if (side, who, k) not in block.lanes:
                block.lanes[side, who, k] = first + len(levels)
                levels.append(k)

    def _ends(self, side: str, who: int) -> list[int]:
        """The other ends of the links that share the lanes of an owner."""
        owner = self.block.owner
        if side == "s":
            return [w for w in self.block.links_down[who] if owner.get((who, w)) == "s"]
        return [v for v in self.block.links_up[who] if owner.get((v, who)) == "t"]

    def _levels_of(self, side: str, who: int) -> range:
        """The levels that the lanes of an owner pass."""
        level = self.block.level
        if side == "e":
            v, w = who >> 31, who & (1 << 31) - 1
            return range(level[v] + 1, level[w]) if self.block.owner.get((v, w)) == "e" else range(0)
        ends = [level[v] for v in self._ends(side, who)]
        if not ends:
            return range(0)
        return range(level[who] + 1, max(ends)) if side == "s" else range(min(ends) + 1, level[who])

    def join_lines(self) -> None:
        """Find the lines of every vertex that may have others than before, from level to level."""
        block = self.block
        near = set(self.touched)
        for v in self.touched:
            near.update(block.links_up[v])
            near.update(block.links_down[v])
        for side, who in self.bundles:
            if side != "e":
                near.add(who)
                near.update(self._ends(side, who))
            self._join_lanes(side, who)
        for v in sorted(near):
            if block.ids[v]:
                self._set(v, self._above(v), self._below(v))

    def _set(self, v: int, up: list[int], down: list[int]) -> None:
        block = self.block
        if block.up[v] != up:
            block.up[v] = up
            self.arrive.add(v)
        if block.down[v] != down:
            block.down[v] = down
            self.leave.add(v)

    def _below(self, v: int) -> list[int]:
        """The next vertices of the lines that leave a node."""
        block = self.block
        k = block.level[v] + 1
        found: dict[int, None] = {}
        for w in block.links_down[v]:
            owner = block.owner.get((v, w))
            found[w if owner is None else block.lanes[(*bundle_of(v, w, owner), k)]] = None
        return list(found)

    def _above(self, w: int) -> list[int]:
        """The vertices before a node of the lines that reach it."""
        block = self.block
        k = block.level[w] - 1
        found: dict[int, None] = {}
        for v in block.links_up[w]:
            owner = block.owner.get((v, w))
            found[v if owner is None else block.lanes[(*bundle_of(v, w, owner), k)]] = None
        return list(found)

    def _join_lanes(self, side: str, who: int) -> None:
        block, level = self.block, self.block.level
        wanted = self._levels_of(side, who)
        lanes = {k: block.lanes[side, who, k] for k in wanted}
        if side == "e":
            lanes[wanted.start - 1], lanes[wanted.stop] = who >> 31, who & (1 << 31) - 1
            for k in wanted:
                self._set(lanes[k], [lanes[k - 1]], [lanes[k + 1]])
            return
        ends: dict[int, list[int]] = {}  # by the level of the lane that reaches them
        for v in self._ends(side, who):
            ends.setdefault(level[v] - 1 if side == "s" else level[v] + 1, []).append(v)
        for k in wanted:
            before, behind = lanes.get(k - 1), lanes.get(k + 1)
            if side == "s":
                up = [who if before is None else before]
                down = ([] if behind is None else [behind]) + ends.get(k, [])
            else:
                up = ([] if before is None else [before]) + ends.get(k, [])
                down = [who if behind is None else behind]
            self._set(lanes[k], up, down)

    # ---- levels --------------------------------------------------------------------------------------------------

    def fit_in(self) -> None:
        """Take out of the levels what is lost and put in what is new."""
        block, old = self.block, self.old
        there = len(old.ids)
        block.fresh = {v for v in self.gained if v >= there}
        places: list[float | None] = [at + size / 2 for at, size in zip(old.start, old.size, strict=True)]
        places += [None] * (len(block.ids) - there)
        self.keys = among_neighbours(places, block.up, block.down)
        lost: dict[int, set[int]] = {}
        for v in self.lost:
            if v not in self.uprooted:
                lost.setdefault(old.level[v], set()).add(v)
        gained: dict[int, list[int]] = {}
        for v in self.gained:
            gained.setdefault(block.level[v], []).append(v)
        self.layers.update(lost, gained)
        for k in self.layers:
            out = lost.get(k, set())
            layer = [v for v in block.layers[k] if v not in out] + gained.get(k, [])
            layer.sort(key=self.keys.__getitem__)
            block.layers[k] = layer

    def settle(self, budget: int) -> list[int]:
        """Give what is new its best place in its level; answers with the place of every vertex."""
        block = self.block
        ordering = Ordering(block.layers, block.up, block.down, budget)
        frozen = [True] * len(block.ids)
        for v in block.fresh:
            frozen[v] = False
        levels = {block.level[v] + step for v in block.fresh for step in (-1, 0, 1)}
        ordering.settle({k for k in levels if 0 <= k < len(block.layers)}, frozen)
        return ordering.pos
