"""The members of a named group side by side inside their level, where that costs few crossings."""

from __future__ import annotations

from collections.abc import Sequence

from flowtui.dag.order import Ordering, spans


def gather(work: Ordering, fence: Sequence[int]) -> None:
    """Bring members of one group together in each level, and keep them so while the others settle around them.

    `fence` has the number of each vertex's group, `order.ALONE` where it has none, and `LANE` for a lane. All of it may
    cost a tenth of the crossings, and a few.
    """
    work.fence = fence
    limit = work.crossings + max(3, work.crossings // 10)
    for _ in range(2):
        for k in range(len(work.layers)):
            for group, (_, _, closed) in spans(work.layers[k], fence).items():
                if not closed and work.steps > 0:
                    _gathered(work, k, group, limit)


def _gathered(work: Ordering, k: int, group: int, limit: int) -> None:
    """Try to bring the members of one group in level k together."""
    fence = work.fence
    assert fence is not None
    kept = work.snapshot()
    layer = work.layers[k]
    members = [v for v in layer if fence[v] == group]
    rest = [v for v in layer if fence[v] != group]
    inside = {
        i for first, last, closed in spans(rest, fence).values() if closed for i in range(first + 1, last + 1)
    }
    before = 0
    places: dict[int, None] = {}
    for v in layer:
        if fence[v] == group:
            places[before] = None
        else:
            before += 1
    tried: list[tuple[int, int]] = []
    for at in places:
        if at not in inside:
            layer[:] = rest[:at] + members + rest[at:]
            work.renumber_level(k)
            work.steps -= 4 * len(layer)
            tried.append((work.crossings, at))
    if tried:
        _, at = min(tried)
        layer[:] = rest[:at] + members + rest[at:]
        work.renumber_level(k)
        work.settle({j for j in (k - 1, k, k + 1) if 0 <= j < len(work.layers)})
    if not tried or work.crossings > limit:
        work.restore(kept)
