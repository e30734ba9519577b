"""The drawing in Textual: what keys and mouse do, what is said about it, and what is repainted."""

import pytest
from dag_corpus import airflow_groups, etl, fan, layered, rnaseq
from rich.cells import cell_len
from textual.app import App
from textual.events import MouseMove
from textual.geometry import Region

from flowtui.dag import stage
from flowtui.dag.cycles import adjacency, would_close_cycle
from flowtui.dag.graph import GraphModel, Look, Node
from flowtui.dag.layout import layout
from flowtui.dag.overlay import Overlay
from flowtui.dag.paint import paint_text
from flowtui.dag.trail import strokes
from flowtui.dag.widget import GraphCanvas, jump_labels

LOOKS = {
    "done": Look("✓", "completed", "completed", top="1.2s"),
    "busy": Look("►", "active", "active", progress=0.5),
    "failed": Look("✗", "failed", "failed"),
    "draft": Look("○", "draft", "draft"),
}


class Bench(App[None]):
    def __init__(self, model: GraphModel, looks: dict[str, Look] | None = None) -> None:
        super().__init__()
        self.model = model
        self.looks = looks or {}
        self.heard: list[object] = []

    def compose(self):
        yield GraphCanvas()

    def on_mount(self) -> None:
        self.canvas.show(self.model, self.looks)
        self.canvas.focus()

    @property
    def canvas(self) -> GraphCanvas:
        return self.query_one(GraphCanvas)

    def on_graph_canvas_cursor_moved(self, event: GraphCanvas.CursorMoved) -> None:
        self.heard.append(("cursor", event.node_id))

    def on_graph_canvas_opened(self, event: GraphCanvas.Opened) -> None:
        self.heard.append(("opened", event.node_id))

    def on_graph_canvas_marks_changed(self, event: GraphCanvas.MarksChanged) -> None:
        self.heard.append(("marks", event.marks))

    def on_graph_canvas_link_aimed(self, event: GraphCanvas.LinkAimed) -> None:
        self.heard.append(("aim", event.source, event.target))

    def on_graph_canvas_link_dragged(self, event: GraphCanvas.LinkDragged) -> None:
        self.heard.append(("link", event.source, event.target))


def screen_text(canvas: GraphCanvas) -> list[str]:
    canvas.refresh()
    lines = canvas.render_lines(Region(0, 0, *canvas.size))
    return ["".join(segment.text for segment in strip).rstrip() for strip in lines]


def on_screen(canvas: GraphCanvas, node: str) -> tuple[int, int]:
    box = canvas.drawn.boxes[node]
    offset = canvas._origin - canvas.scroll_offset
    return box.x + offset.x, box.y + offset.y


async def test_keys_move_the_cursor_along_links_and_inside_levels():
    app = Bench(etl())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("l")
        first = app.canvas.cursor
        assert first.startswith("extract_")
        await pilot.press("l", "h")
        assert app.canvas.cursor == first
        await pilot.press("home")
        assert app.canvas.cursor == "start"
        await pilot.press("end", "enter", "j", "k")
        assert app.canvas.cursor in {"notify", "refresh_bi"}
        await pilot.pause()
        assert next(node for kind, node in app.heard if kind == "opened") in {"notify", "refresh_bi"}
        assert ("cursor", first) in app.heard


async def test_the_canvas_shows_what_the_painter_paints():
    app = Bench(etl())
    async with app.run_test(size=(220, 40)) as pilot:
        await pilot.pause()
        app.canvas.set_reactive(GraphCanvas.cursor, None)
        app.canvas._rebuild_overlays()
        app.canvas._repaint()
        shown = screen_text(app.canvas)
        x, y = app.canvas._origin
        for row, line in enumerate(paint_text(app.canvas.drawn)):
            assert shown[y + row] == (" " * x + line if line else "")


async def test_marks_are_kept_in_their_order_and_follow_their_jobs():
    app = Bench(etl())
    async with app.run_test() as pilot:
        for node in ("stage_erp", "start", "publish"):
            app.canvas.toggle_mark(node)
        app.canvas.toggle_mark("start")
        assert app.canvas.marks == ("stage_erp", "publish")
        smaller = GraphModel(
            {k: v for k, v in etl().nodes.items() if k != "publish"},
            [x for x in etl().links if "publish" not in x],
        )
        app.canvas.show(smaller, {})
        await pilot.pause()
        assert app.canvas.marks == ("stage_erp",)
        assert ("marks", ("stage_erp",)) in app.heard
        app.canvas.clear_marks()
        assert app.canvas.marks == ()


async def test_the_cursor_stays_where_it_is_seen_when_a_job_is_added():
    app = Bench(layered(100))
    async with app.run_test(size=(80, 24)) as pilot:
        for key in "lljlk":
            await pilot.press(key)
        await pilot.pause()
        node = app.canvas.cursor
        seen = on_screen(app.canvas, node)
        model = app.model
        for i in range(5):
            nodes = {**model.nodes, f"new{i}": Node(f"new{i}", f"new{i}")}
            model = GraphModel(nodes, [*model.links, (list(model.nodes)[i], f"new{i}")])
            app.canvas.show(model, {})
            await pilot.pause()
            assert app.canvas.cursor == node
            assert on_screen(app.canvas, node) == seen


async def test_when_its_job_goes_the_cursor_goes_to_a_neighbour():
    app = Bench(GraphModel.of([("a", "b"), ("b", "c"), ("x", "y")]))
    async with app.run_test() as pilot:
        app.canvas.cursor = "c"
        app.canvas.show(GraphModel.of([("a", "b"), ("x", "y")]), {})
        await pilot.pause()
        assert app.canvas.cursor == "b"
        app.canvas.show(GraphModel(), {})
        await pilot.pause()
        assert app.canvas.cursor is None
        assert app.heard[-1] == ("cursor", None)


async def test_a_changed_state_repaints_only_its_rows_and_later_ones_wait_for_the_same_moment():
    app = Bench(etl(), {name: LOOKS["draft"] for name in etl().nodes})
    async with app.run_test(size=(220, 40)) as pilot:
        await pilot.pause()
        asked: list[tuple[Region, ...]] = []
        canvas = app.canvas
        refresh = canvas.refresh
        canvas.refresh = lambda *regions, **kw: asked.append(regions) or refresh(*regions, **kw)
        for _ in range(50):
            canvas.set_looks({"start": LOOKS["busy"]})
        canvas.set_looks({"publish": LOOKS["failed"]})
        await pilot.pause(0.2)
        rows = {y for regions in asked for region in regions for y in region.line_range}
        expected = set()
        for node in ("start", "publish"):
            _, y = on_screen(canvas, node)
            expected |= {y, y + 1, y + 2}
        assert rows == expected
        assert len(asked) == 1
        text = "\n".join(screen_text(canvas))
        assert "► start" in text
        assert "✗ publish" in text


async def test_clicks_and_drags_say_what_they_mean():
    app = Bench(GraphModel.of([("a", "b"), ("b", "c")], alone=["d"]))
    async with app.run_test() as pilot:
        canvas = app.canvas
        assert canvas.hit(*on_screen(canvas, "b")) == "b"
        await pilot.click(GraphCanvas, offset=on_screen(canvas, "b"))
        assert canvas.cursor == "b"
        await pilot.click(GraphCanvas, offset=on_screen(canvas, "c"), times=2)
        await pilot.pause()
        assert ("opened", "c") in app.heard
        await pilot.mouse_down(GraphCanvas, offset=on_screen(canvas, "a"))
        await pilot._post_mouse_events([MouseMove], GraphCanvas, on_screen(canvas, "d"), button=1)
        await pilot._post_mouse_events([MouseMove], GraphCanvas, on_screen(canvas, "a"), button=1)
        await pilot._post_mouse_events([MouseMove], GraphCanvas, on_screen(canvas, "d"), button=1)
        await pilot.pause()
        assert [what for what in app.heard if what[0] == "aim"] == [
            ("aim", "a", "d"),
            ("aim", "a", None),
            ("aim", "a", "d"),
        ]
        assert canvas.ghost is None  # what a link would mean is the business of whoever hears of it
        await pilot.mouse_up(GraphCanvas, offset=on_screen(canvas, "d"))
        await pilot.pause()
        assert app.heard[-2:] == [("aim", "a", None), ("link", "a", "d")]


async def test_jump_labels_pick_a_node_by_typing():
    app = Bench(etl())
    async with app.run_test(size=(120, 40)) as pilot:
        app.canvas.start_jump()
        labels = dict(app.canvas._jumps)
        target = "stage_ads"
        for letter in labels[target]:
            await pilot.press(letter)
        assert app.canvas.cursor == target
        assert not app.canvas.jumping
        app.canvas.start_jump()
        await pilot.press("escape")
        assert not app.canvas.jumping
        assert app.canvas.cursor == target


def test_no_jump_label_begins_another():
    for count in (1, 26, 27, 52, 60, 300, 676, 700):
        labels = jump_labels(count)
        assert len(set(labels)) == count
        assert not any(a != b and b.startswith(a) for a in labels for b in labels)


async def test_a_draft_cycle_is_drawn_dashed_and_a_ghost_link_too():
    app = Bench(GraphModel.of([("a", "b"), ("b", "c"), ("c", "a")]))
    async with app.run_test() as pilot:
        await pilot.pause()
        text = "\n".join(screen_text(app.canvas))
        assert "╌" in text
        assert "╎" in text
        app.canvas.show(GraphModel.of([("a", "b"), ("b", "c")]), {})
        await pilot.pause()
        assert "╌" not in "\n".join(screen_text(app.canvas))
        app.canvas.ghost = ("c", "a", False)
        assert "╌" in "\n".join(screen_text(app.canvas))
        app.canvas.ghost = None
        assert "╌" not in "\n".join(screen_text(app.canvas))


async def test_a_dashed_line_hides_nothing_that_is_drawn():
    app = Bench(etl())
    async with app.run_test(size=(230, 40)) as pilot:
        await pilot.pause()
        before = screen_text(app.canvas)
        app.canvas.ghost = ("publish", "extract_crm", False)
        for old, new in zip(before, screen_text(app.canvas), strict=True):
            for a, b in zip(old, new, strict=False):
                assert a == b or a == " " or (a, b) == ("─", "╎")


# Lanes of one source, of one target, and of links by themselves.
SHARED = GraphModel.of(
    [(f"n{i}", f"n{i + 1}") for i in range(60)]
    + [("n0", f"n{i}") for i in range(2, 60)]
    + [(f"n{i}", "n60") for i in range(1, 59, 2)]
)


@pytest.mark.parametrize("direction", ["LR", "TB"])
def test_links_that_are_lit_together_light_every_cell_of_each_once(direction):
    for model in (fan(300), layered(120), rnaseq(8), SHARED):
        drawn = layout(model, direction=direction)
        links = drawn.links
        wanted = {
            (x, y, stroke.level)
            for link in links
            for stroke in strokes(drawn, [link])
            for x in range(stroke.x0, stroke.x1 + 1)
            for y in range(stroke.y0, stroke.y1 + 1)
        }
        overlay = Overlay()
        overlay.light(drawn, links, "lit")
        lit = [
            (x, y, level)
            for y, runs in overlay.runs.items()
            for first, last, level, part in runs
            for x in range(first, last + 1)
        ]
        assert len(lit) == len(set(lit))  # 300 links of a fan share a trunk of 900 rows
        assert set(lit) == wanted


async def test_the_critical_path_is_drawn_double():
    app = Bench(GraphModel.of([("a", "b"), ("b", "c"), ("a", "c")]))
    async with app.run_test() as pilot:
        app.canvas.critical = ["a", "b", ("a", "b")]
        await pilot.pause()
        text = "\n".join(screen_text(app.canvas))
        assert "═" in text
        assert "╔" in text
        assert "║ ○ c" not in text


async def test_flags_and_matches_are_shown():
    app = Bench(etl())
    async with app.run_test(size=(230, 40)) as pilot:
        app.canvas.flags = {"start": "◆", "publish": "!"}
        await pilot.pause()
        text = "\n".join(screen_text(app.canvas))
        assert "◆ start" in text
        assert "! publish" in text
        found = app.canvas.find("STAGE")
        assert len(found) == 6
        assert found == sorted(
            found, key=lambda n: (app.canvas.drawn.boxes[n].x, app.canvas.drawn.boxes[n].y)
        )
        assert app.canvas.find("") == []


async def test_a_large_flow_is_folded_first_and_one_class_opens():
    model = rnaseq(300)
    looks = {name: LOOKS["done"] for name in model.nodes}
    app = Bench(model, looks)
    async with app.run_test(size=(200, 50)) as pilot:
        canvas = app.canvas
        assert canvas.folding
        assert len(canvas.drawn.boxes) == 16
        canvas.cursor = "star_123"
        assert canvas.cursor == "star_0"
        assert len(canvas.members()) == 300
        canvas.set_looks({"star_5": LOOKS["busy"]})
        await pilot.pause(0.1)
        assert canvas.look_of("star_0").style == "active"
        for sample in range(17, 20):
            canvas.set_looks({f"star_{sample}": LOOKS["failed"]})
        assert "star_17" not in canvas.drawn.boxes
        assert canvas.look_of("star_0").style == "failed"
        layouts = canvas._turn
        await pilot.pause(0.6)
        assert canvas._turn == layouts + 1
        assert len(canvas.view.members["star_17"]) == 3
        canvas.toggle_mark()
        assert len(canvas.marks) == 297
        canvas.toggle_fold()
        assert "star_200" in canvas.drawn.boxes
        canvas.cursor = "star_200"
        canvas.toggle_fold()
        assert "star_200" not in canvas.drawn.boxes
        assert canvas.cursor == "star_0"


async def test_groups_fold_and_open_and_what_is_near_can_be_shown_alone():
    app = Bench(airflow_groups())
    async with app.run_test(size=(150, 40)) as pilot:
        canvas = app.canvas
        canvas.cursor = "s2.in.task_4"
        canvas.toggle_fold()
        assert len(canvas.drawn.boxes) == 9 - 3
        canvas.toggle_fold()
        assert len(canvas.drawn.boxes) == 9
        canvas.cursor = "end"
        canvas.show_near(1)
        assert set(canvas.drawn.boxes) == {"end", "s2.in.task_4", "s2.task_1"}
        assert canvas.near_steps == 1
        canvas.show_near(None)
        assert len(canvas.drawn.boxes) == 9
        await pilot.pause()


async def test_a_named_group_is_named_on_its_boxes_and_has_a_ground_of_its_own():
    app = Bench(airflow_groups())
    async with app.run_test(size=(150, 40)) as pilot:
        await pilot.pause()
        canvas = app.canvas
        assert len({ground for row in canvas._grounds.values() for ground in row}) == 2
        text = "\n".join(screen_text(canvas))
        assert text.count("┌─s2─") == 4
        assert text.count("┌─s1─") == 3
        x, y = on_screen(canvas, "s2.in.task_4")
        canvas.refresh()
        strip = canvas.render_lines(Region(0, 0, *canvas.size))[y + 1]
        (inside,), (outside,) = strip.crop(x + 1, x + 2), strip.crop(0, 1)
        assert inside.style.bgcolor != outside.style.bgcolor
        canvas.fold_groups(["s2"])
        await pilot.pause()
        assert len({ground for row in canvas._grounds.values() for ground in row}) == 1
        assert "s2 (4)" in "\n".join(screen_text(canvas))


async def test_the_mouse_closes_a_group_on_its_ground_or_its_name():
    app = Bench(airflow_groups())
    async with app.run_test(size=(150, 40)) as pilot:
        await pilot.pause()
        canvas = app.canvas
        x, y = on_screen(canvas, "s2.in.task_4")
        assert canvas.hit(x - 2, y + 2) is None
        await pilot.click(GraphCanvas, offset=(x - 2, y + 2), times=2)
        await pilot.pause()
        assert "s2.in.task_4" not in canvas.drawn.boxes
        canvas.cursor = "s2.task_1"
        assert canvas.fold_here() is None
        canvas.zoom = 1
        (row, (title, *_)), *_ = canvas._titles.items()
        spot = canvas._origin - canvas.scroll_offset + (title.x, row)
        await pilot.click(GraphCanvas, offset=(spot.x, spot.y), times=2)
        await pilot.pause()
        assert [*canvas.view.collapsed.values()] == [title.group]
        await pilot.click(GraphCanvas, offset=(0, 0), times=2)
        assert [*canvas.view.collapsed.values()] == [title.group]


async def test_a_closed_group_does_not_count_as_alike_jobs_that_fold():
    app = Bench(airflow_groups())
    async with app.run_test(size=(150, 40)):
        canvas = app.canvas
        canvas.cursor = "s2.in.task_4"
        assert canvas.fold_here() is None  # its group closes
        canvas.cursor = "end"
        assert canvas.fold_here() == 0
        assert canvas.fold == "auto"


async def test_the_fold_key_folds_what_is_alike_and_then_opens_one_box():
    app = Bench(fan(5))
    async with app.run_test(size=(150, 40)) as pilot:
        canvas = app.canvas
        assert canvas.fold_here() == 1
        assert len(canvas.drawn.boxes) == 3
        canvas.cursor = "part_0"
        assert canvas.fold_here() is None
        assert len(canvas.drawn.boxes) == 7
        canvas.show(etl(), {})
        assert canvas.fold == "auto"  # another flow is shown as it is
        await pilot.pause()


async def test_a_large_flow_is_drawn_in_a_thread_and_has_a_map():
    model = layered(3000)
    app = Bench(model)
    async with app.run_test(size=(160, 45)) as pilot:
        canvas = app.canvas
        canvas.fold = "off"
        for _ in range(100):
            await pilot.pause(0.1)
            if len(canvas.drawn.boxes) == 3000:
                break
        assert len(canvas.drawn.boxes) == 3000
        text = "\n".join(screen_text(canvas))
        assert " map " in text
        canvas.show_map = "off"
        assert " map " not in "\n".join(screen_text(canvas))


async def test_a_picture_for_a_thread_is_not_written_out_in_words(monkeypatch):
    """Textual describes a worker by the `repr` of its work: of a large picture that took longer than an edit."""
    written = []
    monkeypatch.setattr(GraphModel, "__repr__", lambda model: written.append(len(model.nodes)) or "")
    app = Bench(layered(300))
    async with app.run_test(size=(80, 24)):
        assert [worker.group for worker in app.workers] == ["layout"]
        await app.workers.wait_for_complete()
    assert not written


async def test_a_careful_picture_that_comes_late_does_not_undo_what_was_chosen_meanwhile():
    app = Bench(GraphModel())
    async with app.run_test(size=(80, 24)) as pilot:
        canvas = app.canvas
        canvas.show(layered(300), {})
        canvas.direction = "TB"  # before the thread has even begun
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert canvas.drawn.direction == "TB"


async def resized(pilot, width, height):
    """The canvas has its new size; `resize_terminal` alone may return before, on a slow machine."""
    await pilot.resize_terminal(width, height)
    for _ in range(1500):
        if pilot.app.canvas.size == (width, height):
            return
        await pilot.pause(0.02)
    raise AssertionError(f"the canvas is still {pilot.app.canvas.size}")


async def test_fit_takes_the_largest_zoom_that_fits():
    app = Bench(etl())
    async with app.run_test(size=(230, 40)) as pilot:
        app.canvas.zoom = 0
        app.canvas.fit()
        await pilot.pause()
        assert app.canvas.zoom == 2
        await resized(pilot, 80, 24)
        app.canvas.fit()
        await pilot.pause()
        assert app.canvas.zoom == 0
        assert app.canvas.drawn.width <= 80


async def test_ascii_shows_only_ascii():
    app = Bench(etl(), {name: LOOKS["busy"] for name in etl().nodes})
    async with app.run_test(size=(120, 40)) as pilot:
        app.canvas.ascii = True
        app.canvas.critical = ["start", ("start", "extract_crm")]
        app.canvas.toggle_mark("start")
        await pilot.pause()
        for line in screen_text(app.canvas):
            assert line.isascii(), line


async def test_both_themes_and_both_directions_draw_every_zoom():
    app = Bench(fan(5), {"split": LOOKS["failed"], "part_1": LOOKS["busy"]})
    async with app.run_test() as pilot:
        for theme in ("textual-light", "textual-dark", "ansi-dark"):
            app.theme = theme
            for direction in ("LR", "TB", "auto"):
                app.canvas.direction = direction
                for zoom in (0, 1, 2):
                    app.canvas.zoom = zoom
                    await pilot.pause()
                    assert "✗" in "\n".join(screen_text(app.canvas))


async def test_the_bars_beside_a_large_picture_can_be_clicked():
    app = Bench(
        GraphModel.of([(f"n{i}", f"n{i + 1}") for i in range(60)] + [("n0", f"m{i}") for i in range(40)])
    )
    async with app.run_test(size=(80, 24)) as pilot:
        canvas = app.canvas
        canvas.fold = "off"
        await pilot.pause()
        canvas.scroll_to(0, 0, animate=False, force=True, immediate=True)
        await pilot.pause()
        for bar, move in ((canvas.vertical_scrollbar, (0, 1)), (canvas.horizontal_scrollbar, (1, 0))):
            before = canvas.scroll_offset
            width, height = bar.size
            await pilot.click(bar, offset=(width - 1, height - 1))
            await pilot.pause(0.5)
            moved = canvas.scroll_offset - before
            assert (moved.x > 0, moved.y > 0) == (move[0] > 0, move[1] > 0)


async def test_every_row_ends_where_the_bar_begins():
    app = Bench(layered(300))
    async with app.run_test(size=(80, 24)) as pilot:
        canvas = app.canvas
        canvas.fold = "off"
        for direction, zoom in (("LR", 2), ("LR", 1), ("TB", 2), ("TB", 0)):
            canvas.direction, canvas.zoom = direction, zoom
            await app.workers.wait_for_complete()
            await pilot.pause()
            bar = canvas.scrollbar_size_vertical
            for x in range(0, canvas.max_scroll_x, 7):
                canvas.scroll_to(x, canvas.max_scroll_y // 2, animate=False, force=True, immediate=True)
                rows = canvas.render_lines(Region(0, 0, *canvas.size))
                assert {cell_len(row.text) for row in rows} == {80 - bar}, (direction, zoom, x)


def _places(canvas: GraphCanvas) -> dict[str, tuple[int, int, int]]:
    return {node: (box.x, box.y, box.level) for node, box in canvas.drawn.boxes.items()}


@pytest.mark.parametrize("direction", ["LR", "TB", "auto"])
@pytest.mark.parametrize("jobs", [60, 400])
async def test_undo_and_redo_bring_back_what_was_seen(direction, jobs, monkeypatch):
    first = layered(jobs)
    app = Bench(first)
    async with app.run_test(size=(120, 40)) as pilot:
        canvas = app.canvas
        canvas.direction = direction
        await app.workers.wait_for_complete()
        level = {node: box.level for node, box in canvas.drawn.boxes.items()}
        down = adjacency(first.nodes, first.links)
        late, early = next(
            (late, early)
            for late in sorted(level, key=level.__getitem__, reverse=True)
            for early in level
            if 0 < level[early] < level[late] - 3 and not would_close_cycle(down, late, early)
        )
        second = GraphModel(first.nodes, [*first.links, (late, early)])
        third = GraphModel({**first.nodes, "new": Node("new", "new")}, [*second.links, (early, "new")])
        seen = [_places(canvas)]
        for model in (second, third):
            canvas.show(model, {})
            seen.append(_places(canvas))
        assert seen[0] != seen[1] != seen[2]
        drawn_anew = []
        real = stage.layout
        monkeypatch.setattr(
            stage, "layout", lambda *given, **how: drawn_anew.append(1) or real(*given, **how)
        )
        for which in (1, 0, 1, 2, 1, 0):
            model = (first, second, third)[which]
            canvas.show(GraphModel(dict(model.nodes), list(model.links)), {})
            assert _places(canvas) == seen[which]
        assert not drawn_anew
        # Another label, another zoom and a picture drawn anew on demand are not what was seen.
        canvas.show(GraphModel({**first.nodes, late: Node(late, "renamed")}, first.links), {})
        assert drawn_anew
        drawn_anew.clear()
        canvas.zoom = 1 if canvas.zoom == 2 else 2
        assert drawn_anew
        for model in (second, first, second):
            canvas.fit()
            await app.workers.wait_for_complete()
            drawn_anew.clear()
            canvas.show(model, {})
            assert drawn_anew
        await pilot.pause()


async def test_of_large_flows_few_pictures_are_remembered(monkeypatch):
    first = layered(60)
    app = Bench(first)
    async with app.run_test(size=(120, 40)):
        remembered = []
        for room in (10, 3 * (61 + len(first.links)), 10**6):
            monkeypatch.setattr(stage, "PAST", room)
            for i in range(8):
                name = f"new{room}-{i}"
                app.canvas.show(GraphModel({**first.nodes, name: Node(name, name)}, first.links), {})
            remembered.append(len(app.canvas._past))
        assert remembered == [1, 3, 11]


async def test_a_resized_picture_is_not_one_from_before():
    app = Bench(rnaseq(4))
    async with app.run_test(size=(200, 20)) as pilot:
        canvas = app.canvas
        canvas.direction = "auto"
        canvas.show(GraphModel.of([("a", "b")]), {})
        for _ in range(2):
            for model in (rnaseq(4), rnaseq(5)):
                canvas.show(model, {})
        await resized(pilot, 34, 60)
        await pilot.pause()
        assert canvas.drawn.chosen_for is not None
        assert canvas.drawn.chosen_for[2] == (canvas.size.width, canvas.size.height)
