"""The app around the screens: how it starts and ends, what it says of the engine, what it never prints."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from compose_kit import compose, composing, text, type_text, until
from rich.segment import Segment
from textual.color import Color
from textual.events import MouseMove
from textual.screen import Screen

from core.backends.memory import InMemoryBackend
from core.errors import BackendUnavailable
from flowtui.app import SWITCH_HIDDEN, FlowtuiApp, crash_report
from flowtui.output import Net
from flowtui.screens.ask import AskScreen
from flowtui.screens.help import HelpScreen, PaletteScreen
from flowtui.widgets.bars import TopBar

ROOT = Path(__file__).parents[2]


async def test_a_flow_runs_at_once_on_an_engine_of_ones_own() -> None:
    async with composing(start_worker=True) as (pilot, screen):
        assert "memory + local worker" in text(pilot)
        screen.draft.add("shell", "hello", args=["echo hello"])
        screen.draft.set_flow(queue="mine")
        screen.changed()
        await pilot.press("s")
        await pilot.pause()
        await pilot.press("enter")
        backend = screen.flowtui.backend
        assert backend is not None
        flows: list[Any] = []
        for _ in range(300):
            await pilot.pause(0.02)
            flows = await backend.list_flows("mine")
            if flows and flows[0].state == "completed":
                break
        assert flows[0].state == "completed"


async def test_no_worker_runs_when_it_is_not_wanted_or_read_only() -> None:
    for options in ({"start_worker": False}, {"start_worker": True, "read_only": True}):
        async with composing(**options) as (pilot, screen):
            assert screen.flowtui.worker is None
            assert "local worker" not in text(pilot)
            assert ("read-only" in text(pilot)) is ("read_only" in options)


class Away(InMemoryBackend):
    """Does not answer for a while."""

    away = True

    async def open(self) -> None:
        if self.away:
            raise BackendUnavailable("redis://user:hunter2@localhost:6379 refused the connection")
        await super().open()


async def test_an_engine_that_is_away_is_said_without_its_password_and_reached_later() -> None:
    backend = Away()
    app = FlowtuiApp(backend=backend, start_worker=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.connection_lost)
        shown = text(pilot)
        assert "refused the connection" in shown
        assert "trying again" in shown
        assert "hunter2" not in shown
        await pilot.press("a")  # composing goes on meanwhile
        await pilot.pause()
        await type_text(pilot, "app.x")
        await pilot.press("enter")
        backend.away = False
        await until(pilot, lambda: app.feed is not None)
        assert "refused" not in text(pilot)
        assert "memory" in text(pilot)
        assert len(compose(pilot).draft.jobs) == 1


async def test_quitting_asks_only_when_something_is_not_saved() -> None:
    async with composing() as (pilot, screen):
        screen.draft.add("app.x")
        screen.changed()
        await pilot.press("q")
        await pilot.pause()
        assert isinstance(pilot.app.screen, AskScreen)
        assert "not saved" in text(pilot)
        await pilot.press("enter", "enter")  # a held enter is no answer
        await pilot.pause()
        assert isinstance(pilot.app.screen, AskScreen)
        await pilot.press("n")
        await pilot.pause()
        assert not pilot.app._exit
        await pilot.press("u", "q")
        await pilot.pause()
        assert pilot.app._exit


async def test_help_lists_what_applies_here_and_does_what_is_chosen() -> None:
    async with composing() as (pilot, screen):
        screen.draft.add("app.x")
        screen.draft.add("app.y")
        screen.changed()
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(pilot.app.screen, HelpScreen)
        assert "Keys · Compose" in text(pilot)
        await type_text(pilot, "outline")
        await pilot.pause()
        assert "Switch between the graph and the outline" in text(pilot)
        assert "Delete this job" not in text(pilot)
        await pilot.press("enter")
        await pilot.pause()
        assert screen.as_outline
        await pilot.press("v", "c", "question_mark")
        await pilot.pause()
        assert "Keys · connecting" in text(pilot)
        assert "asks for enter twice" in text(pilot)
        assert "Delete this job" not in text(pilot)


async def test_the_palette_finds_commands_with_their_keys() -> None:
    async with composing() as (pilot, screen):
        await pilot.press("colon")
        await pilot.pause()
        assert isinstance(pilot.app.screen, PaletteScreen)
        await type_text(pilot, "tem")
        await pilot.pause()
        assert "template" in text(pilot)
        await pilot.press("enter")
        await pilot.pause()
        assert "map-reduce" in text(pilot)
        await pilot.press("escape")
        await pilot.press("ctrl+p")
        await pilot.pause()
        await type_text(pilot, "zzzz")
        await pilot.pause()
        assert "nothing matches" in text(pilot)
        assert screen.draft.version == 0


async def test_themes_are_seen_while_choosing_and_left_as_they_were_on_escape() -> None:
    async with composing() as (pilot, _):
        app = pilot.app
        await pilot.press("colon")
        await pilot.pause()
        await type_text(pilot, "theme")
        await pilot.press("enter")
        await pilot.pause()
        await pilot.press("down")
        await pilot.pause()
        assert app.theme == "flow-light"
        await pilot.press("escape")
        await pilot.pause()
        assert app.theme == "flow-dark"
    async with composing(theme="no-such-theme") as (pilot, _):
        assert pilot.app.theme == "flow-dark"


async def test_keys_can_be_changed_and_the_footer_and_help_say_so() -> None:
    async with composing(keys={"compose.add": "n2,insert"}) as (pilot, screen):
        await pilot.press("insert")
        await pilot.pause()
        assert screen.query_one("#prompt").is_open  # type: ignore[attr-defined]
        await pilot.press("escape")
        await pilot.pause()
        assert "n2 add" in text(pilot)


async def test_the_footer_and_the_modes_answer_to_the_mouse() -> None:
    async with composing() as (pilot, screen):
        column = text(pilot).splitlines()[-1].index("add")
        await pilot.click("FooterBar", offset=(column, 0))
        await pilot.pause()
        assert screen.query_one("#prompt").is_open  # type: ignore[attr-defined]
        await pilot.press("escape")
        await pilot.pause()
        column = text(pilot).splitlines()[0].index("3 Queues")
        await pilot.click("TopBar", offset=(column, 0))
        await until(pilot, lambda: pilot.app.current_mode == "queues")


async def test_a_mode_that_was_shown_before_is_drawn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with composing() as (pilot, _):
        hidden: list[float] = []
        delay = FlowtuiApp.set_timer

        def noted(app: FlowtuiApp, seconds: float, *args: Any, **kwargs: Any) -> Any:
            if kwargs.get("name") == "delay_update":
                hidden.append(seconds)
            return delay(app, seconds, *args, **kwargs)

        monkeypatch.setattr(FlowtuiApp, "set_timer", noted)
        for key, shown in (("2", "[2 Live]"), ("1", "[1 Compose]"), ("2", "[2 Live]")):
            await pilot.press(key)
            await until(pilot, lambda shown=shown: shown in text(pilot))
        first, *again = hidden
        assert first > SWITCH_HIDDEN  # what has never been drawn is put together unseen
        assert again == [SWITCH_HIDDEN, SWITCH_HIDDEN]


async def test_the_mouse_links_by_dragging() -> None:
    async with composing() as (pilot, screen):
        a, b = screen.draft.add("app.first"), screen.draft.add("app.second")
        screen.changed(fresh=True)
        await pilot.pause()
        lines = text(pilot).splitlines()

        def place(name: str) -> tuple[int, int]:
            y = next(i for i, line in enumerate(lines) if f"○ {name}" in line)
            return lines[y].index(f"○ {name}"), y

        async def drag(source: str, target: str) -> None:
            await pilot.mouse_down(offset=place(source))
            await pilot._post_mouse_events([MouseMove], offset=place(target), button=1)
            await pilot.pause()

        await drag("first", "second")
        assert screen.canvas.ghost == (a, b, True)
        assert "let go to link first → second" in text(pilot)
        await pilot._post_mouse_events([MouseMove], offset=(1, 2), button=1)
        await pilot.pause()
        assert screen.canvas.ghost is None
        assert "let go" not in text(pilot)
        await pilot.mouse_up(offset=place("second"))
        await pilot.pause()
        assert screen.draft.links == [(a, b)]
        lines = text(pilot).splitlines()
        await drag("second", "first")
        assert screen.canvas.ghost == (b, a, False)
        assert "would close a cycle: first → second ⇢ first" in text(pilot)
        await pilot.mouse_up(offset=place("first"))
        await pilot.pause()
        assert screen.draft.links == [(a, b)]
        assert "dragging again keeps it as a draft" in text(pilot)
        await drag("first", "second")
        assert screen.canvas.ghost is None
        assert "first → second is linked already" in text(pilot)
        await pilot.mouse_up(offset=place("second"))


def test_control_characters_never_reach_the_terminal() -> None:
    net = Net()
    background = Color.parse("black")
    for text_ in ("\x1b]52;c;RVZJTA==\x07", "a\x9bb", "\x00", "\u202eevil", "\ud800", "x\x7f", "\u2028"):
        (segment,) = net.apply([Segment(text_)], background)
        assert segment.text.isprintable(), ascii(text_)
        segment.text.encode()
    calm = [Segment("plain ─ ✓ 日本")]
    assert net.apply(calm, background) is calm


def test_a_crash_is_told_without_variables_and_without_secrets() -> None:
    def fail(password: str) -> None:
        raise ValueError(f"redis://user:{password}@host/0 and \x1b[2J")

    try:
        fail("hunter2")
    except ValueError as error:
        report = crash_report(error)
    assert "ValueError" in report
    assert "in fail" in report
    assert "hunter2" not in report
    assert "\x1b" not in report


async def test_a_crash_leaves_the_app_with_the_short_report() -> None:
    class Broken(Screen[None]):
        def on_mount(self) -> None:
            secret = "hunter2-token"
            raise RuntimeError("it broke" + secret[:0])

    app = FlowtuiApp("memory://", start_worker=False)

    async def crash() -> None:
        async with app.run_test() as pilot:
            app.push_screen(Broken())
            await pilot.pause()

    with pytest.raises(RuntimeError, match="it broke"):
        await crash()
    assert app.return_code == 1
    shown = "\n".join(str(renderable) for renderable in app._exit_renderables)
    assert "hunter2" not in shown


def test_the_app_module_starts_light() -> None:
    """No client, no graph library, no validation library before the first paint."""
    code = (
        "import sys\n"
        "import flowtui.app, flowtui.screens.compose\n"
        "print([m for m in ('redis', 'networkx', 'pydantic', 'ruamel') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


async def test_the_first_paint_does_not_wait_for_the_engine() -> None:
    class Slow(InMemoryBackend):
        async def open(self) -> None:
            await asyncio.sleep(30)

    app = FlowtuiApp(backend=Slow(), start_worker=False)
    begun = time.monotonic()
    async with app.run_test() as pilot:
        await pilot.pause()
        assert "No jobs yet" in text(pilot)
        assert "connecting…" in text(pilot)
        assert time.monotonic() - begun < 20


async def test_plain_ascii_draws_every_sign_in_ascii() -> None:
    async with composing(ascii_only=True) as (pilot, screen):
        a = screen.draft.add("app.first")
        screen.draft.add("app.second", upstream=[a], delay=5.0)
        screen.changed()
        await pilot.pause()
        # Filters are applied to the lines of widgets, so what is seen here is what reaches the terminal.
        for key in ("z", "v", "question_mark", "escape", "s"):
            await pilot.press(key)
            await pilot.pause()
            assert text(pilot).isascii(), sorted(set(text(pilot)) - set(map(chr, range(128))))


@pytest.mark.parametrize("size", [(40, 12), (60, 20), (20, 8)])
async def test_a_small_terminal_is_no_reason_to_fall(size: tuple[int, int]) -> None:
    async with composing(size=size) as (pilot, screen):
        for key in ("a", "escape", "t", "escape", "question_mark", "escape", "colon", "escape"):
            await pilot.press(key)
            await pilot.pause()
        a = screen.draft.add("app.first")
        screen.draft.add("app.second", upstream=[a])
        screen.changed()
        for key in ("e", "escape", "s", "escape", "c", "escape", "v", "v", "w", "escape"):
            await pilot.press(key)
            await pilot.pause()
        assert not pilot.app._exit
        assert all(len(line) <= size[0] for line in text(pilot).splitlines())


def test_a_polite_kill_leaves_the_terminal_as_it_was(own_home: Path) -> None:
    """In a terminal of its own: the alternate screen is left, and the draft is kept."""
    import os
    import pty
    import select
    import signal
    import termios

    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm-256color"
        os.chdir(ROOT)
        os.execv(
            sys.executable,
            [sys.executable, "-c", "from flowtui.app import FlowtuiApp; FlowtuiApp('memory://').run()"],
        )
    before = termios.tcgetattr(terminal)
    out = b""

    def read(until: bytes, seconds: float) -> None:
        nonlocal out
        end = time.monotonic() + seconds
        while until not in out and time.monotonic() < end:
            if select.select([terminal], [], [], 0.2)[0]:
                try:
                    out += os.read(terminal, 65536)
                except OSError:
                    return

    try:
        read(b"No jobs yet", 60)
        assert b"No jobs yet" in out
        os.write(terminal, b"a")
        read(b"task [name]", 30)
        os.write(terminal, b"app.kept\r")
        read(b"added", 30)
        os.kill(pid, signal.SIGTERM)
        read(b"\x1b[?1049l", 30)
        assert b"\x1b[?1049l" in out
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert termios.tcgetattr(terminal)[3] == before[3]
    finally:
        os.close(terminal)
    kept = list((own_home / "xdg_state_home" / "flowtui" / "drafts").glob("*.json"))
    assert len(kept) == 1
    assert "app.kept" in kept[0].read_text()


async def test_a_local_worker_that_cannot_start_is_said_and_the_rest_goes_on() -> None:
    class NoWorkers(InMemoryBackend):
        async def register_worker(self, info: Any) -> None:
            raise BackendUnavailable("no place for workers")

    app = FlowtuiApp(backend=NoWorkers(), start_worker=True)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: app.engine_label == "memory")
        assert app.worker is None
        assert any("no place for workers" in note.message for note in app._notifications)


@pytest.mark.parametrize(
    ("room", "said"),
    [
        (60, "nightly run 4kX2a8Qz  redis://redis:6379/0 (6 queues)"),
        (42, "nightly run 4kX2a8Qz  redis://redis:6379/0"),
        (36, "nightly run 4kX2a8Qz  redis:6379/0"),
        (30, "night…n 4kX2a8Qz  redis:6379/0"),
    ],
)
def test_the_engine_gives_way_before_what_is_on_the_screen(room: int, said: str) -> None:
    bar = TopBar("live")
    bar.set_reactive(TopBar.detail, "nightly run 4kX2a8Qz")
    bar.set_reactive(TopBar.engine, "redis://redis:6379/0 (6 queues)")
    assert bar._right(room).plain == said
