"""The app: opens a backend, starts the feed, holds the screens."""

from __future__ import annotations

import asyncio
import contextlib
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from rich.text import Text
from textual import events, work
from textual.await_remove import AwaitRemove
from textual.binding import BindingType
from textual.dom import DOMNode
from textual.reactive import reactive
from textual.screen import ModalScreen, Screen
from textual.widget import AwaitMount, Widget

from flowtui import garbage
from flowtui.actions import BY_ID, EVERYWHERE, bindings, here
from flowtui.frames import Frames, Shown
from flowtui.keys import KeyedApp
from flowtui.messages import ConnectionLost, ConnectionRestored, EngineOpened, StoreReplaced
from flowtui.output import Net, Plain
from flowtui.redact import redact_text
from flowtui.text import counted, safe
from flowtui.themes import THEMES

if TYPE_CHECKING:
    from core.backends.base import Backend
    from core.spec import FlowFile
    from flowtui.alerts import Alerts, Ends
    from flowtui.feed import BoardChanged, Feed
    from flowtui.local import LocalWorker

LONGEST_WAIT: Final = 10.0
"""Seconds between two tries to reach an engine that does not answer."""
SWITCH_HIDDEN: Final = 0.01
"""Seconds for which a change to a mode that was shown before is not drawn: as long as its styles take."""
OWN_ENGINES: Final = ("memory://", "embedded://", "unix://")


def _compose() -> Screen[Any]:
    from flowtui.screens.compose import ComposeScreen

    return ComposeScreen()


def _live() -> Screen[Any]:
    from flowtui.screens.live import LiveScreen

    return LiveScreen()


def _queues() -> Screen[Any]:
    from flowtui.screens.queues import QueuesScreen

    return QueuesScreen()


class FlowtuiApp(KeyedApp):
    """Compose flows, watch them run.

    url          the engine (`core.open_backend`); None is FLOWTUI_URL, else the embedded one
    file         a flow file to open in Compose
    watch        queues to follow; the app then starts in Queues
    read_only    nothing that changes the engine is offered
    interval     seconds between two looks at what no event tells (workers, pauses)
    ascii_only   draw with ASCII characters
    theme        name of a theme; None is flow-dark
    start_worker run jobs in this process where the engine is the user's own (memory, embedded)
    backend      an engine that is open already, in place of `url`
    keys         other keys for actions, by their ids
    alert        how it is told that a flow ended or fails (`flowtui.alerts.WORDS`); of all flows that are watched,
                 else of those that were opened
    """

    ALERTS_ON_SCREEN: ClassVar[bool] = True

    TITLE = "flowtui"
    CSS_PATH = "styles/app.tcss"
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {
        "compose": _compose,
        "live": _live,
        "queues": _queues,
    }
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = bindings(EVERYWHERE)

    engine_label: reactive[str] = reactive("connecting…", init=False)
    connection_lost: reactive[str] = reactive("", init=False)
    """Why the engine cannot be reached; empty while it can."""

    def __init__(
        self,
        url: str | None = None,
        *,
        file: str | None = None,
        flow: FlowFile | None = None,
        watch: Sequence[str] = (),
        read_only: bool = False,
        interval: float = 1.0,
        ascii_only: bool = False,
        theme: str | None = None,
        start_worker: bool = True,
        backend: Backend | None = None,
        keys: Mapping[str, str] | None = None,
        alert: str = "",
    ) -> None:
        self.DEFAULT_MODE = "queues" if watch else "compose"  # type: ignore[misc]
        super().__init__(keys)
        self.url = url
        self.file = file
        self.flow = flow
        """What to compose at first, where it is not a file's."""
        self.watch_queues = tuple(watch)
        self.read_only = read_only
        self.interval = interval
        self.alert = alert
        self.ascii_only = ascii_only
        # Who only watches must not begin to run other people's jobs.
        self.start_worker = start_worker and not read_only and not watch
        self.backend: Backend | None = backend
        """The engine, once it has answered (`EngineOpened` tells the screens)."""
        self.feed: Feed | None = None
        """What follows the engine's events, once it has answered."""
        self.worker: LocalWorker | None = None
        self.durability = ""
        self._given = backend is not None
        self._touched = 0.0
        """When something was last pressed, on a monotonic clock."""
        self._feed_task: asyncio.Task[None] | None = None
        self._alerts: Alerts | None = None
        self._ends: Ends | None = None
        self._looked = 0.0
        self.pending_flow: tuple[str, str | None, str | None] | None = None
        """A flow (id, job id, queue) that Live shows as soon as it can."""
        self._shown = Shown()
        self._unseen = True
        """Whether the mode that is being shown is shown for the first time."""
        for own in THEMES:
            self.register_theme(own)
        self.theme = theme if theme in self.available_themes else "flow-dark"
        self._no_theme = theme if theme and theme not in self.available_themes else ""
        self._filters.append(Net())
        if ascii_only:
            self._filters.append(Plain())

    # ---- the engine --------------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        # After the first paint: importing a client and asking a server must not hold it up.
        self.call_after_refresh(self.connect)
        self._leave_on_signals()
        if self._no_theme:
            text = (
                f"there is no theme '{safe(self._no_theme, 40)}'; {self.theme} is used. : and theme list them"
            )
            self.notify(text, severity="warning", markup=False)
        if not self.is_headless and hasattr(select, "poll"):
            self.set_interval(2.0, self._leave_with_the_terminal)

    def _leave_with_the_terminal(self) -> None:
        """A terminal may go without a signal; reading from what is left of it would take a core, for ever."""
        poll = select.poll()
        with contextlib.suppress(OSError, ValueError):
            poll.register(sys.__stdin__.fileno() if sys.__stdin__ is not None else 0, 0)
            if any(event & (select.POLLHUP | select.POLLNVAL) for _, event in poll.poll(0)):
                self.exit(return_code=1)

    def _leave_on_signals(self) -> None:
        """A terminal that is closed, or a polite kill: leave as by the key, with the terminal as it was."""
        loop = asyncio.get_running_loop()
        for name in ("SIGTERM", "SIGHUP"):
            # Only the main thread may, and Windows has neither.
            with contextlib.suppress(AttributeError, NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(getattr(signal, name), self.exit)

    @work(exclusive=True, group="engine", exit_on_error=False)
    async def connect(self) -> None:
        """Reach the engine, however long it takes; then start the feed and, on an engine of one's own, a worker."""
        from core.errors import BackendError

        wait = 0.5
        while True:
            try:
                backend = self.backend
                if backend is None:
                    backend = await asyncio.to_thread(_open, self.url)
                async with asyncio.timeout(15):
                    await backend.open()
                break
            except (BackendError, OSError, TimeoutError, ImportError) as error:
                reason = safe(redact_text(str(error) or "the engine does not answer"), 200)
                self.engine_label = "no engine"
                self.connection_lost = f"{reason} · {trying_again(wait)}"
                await asyncio.sleep(wait)
                wait = min(wait * 2, LONGEST_WAIT)
        self.connection_lost = ""
        self.backend = backend
        try:
            self.durability = safe(await backend.durability(), 200)
        except (BackendError, OSError, TimeoutError) as error:
            self.durability = safe(redact_text(str(error)), 200)
        await self._begin(backend)

    async def _begin(self, backend: Backend) -> None:
        from core.errors import FlowError
        from flowtui.alerts import Alerts, Ends, words
        from flowtui.feed import Feed

        self.feed = Feed(backend, refresh=max(self.interval, 0.2))
        self.feed.board.watch = self.watch_queues
        how = words(self.alert)
        self._alerts = Alerts(self, how, on_screen=self.ALERTS_ON_SCREEN)
        if (self.watch_queues or how) and "off" not in how:
            self._ends = Ends(backend, self.feed.board)
        self.feed.subscribe(self)
        self._feed_task = asyncio.create_task(self.feed.run(), name="flowtui feed")
        own = backend.url.startswith(OWN_ENGINES) and not self.url_is_shared(backend.url)
        if own and self.start_worker:
            from flowtui import local

            if local.available():
                self.worker = local.LocalWorker(backend)
                try:
                    await self.serve("default", *self.watch_queues)
                except (FlowError, OSError) as error:
                    self.worker = None
                    reason = safe(redact_text(str(error) or type(error).__name__), 200)
                    text = f"{reason}. Jobs wait for a worker: flowtui worker --queue default"
                    self.notify(text, title="No local worker", severity="warning", markup=False)
        self._label_engine()
        for stack in self._screen_stacks.values():
            for screen in stack:
                screen.post_message(EngineOpened())
        if not self.is_headless:
            garbage.keep_away()
            self.set_interval(1.0, self._tidy)

    def url_is_shared(self, url: str) -> bool:
        """Whether others may run the jobs of this engine: a socket that the user named is not ours to serve."""
        return url.startswith("unix://") and self.url is not None and self.url.startswith("unix://")

    async def serve(self, *queues: str) -> None:
        """Have the local worker, if there is one, run the jobs of these queues as well."""
        if self.worker is not None:
            await self.worker.serve(*queues)
            self._label_engine()

    def _label_engine(self) -> None:
        if self.backend is None:
            return
        url = safe(redact_text(self.backend.url), 60)
        name = {"memory": "memory", "embedded": "embedded"}.get(url.partition(":")[0], url)
        if self.read_only:
            self.engine_label = f"{name} · read-only"
        elif self.worker is not None:
            self.engine_label = f"{name} + local worker"
        else:
            self.engine_label = name

    def on_board_changed(self, message: BoardChanged) -> None:
        from flowtui.alerts import PAUSE

        if self._alerts is None:
            return
        if message.board.ended:
            self._alerts.opened(message.board)
        ends = self._ends
        if (
            ends is not None
            and ends.due
            and time.monotonic() - self._looked >= PAUSE
            and not self.connection_lost
        ):
            self._looked = time.monotonic()
            look: Any = partial(self._look, ends)
            self.run_worker(look, group="alerts", exclusive=True, exit_on_error=False)

    async def _look(self, ends: Ends) -> None:
        """Ask the store which flows have ended that nobody has open."""
        from core.errors import FlowError

        try:
            told = await ends.look()
        except (FlowError, OSError, TimeoutError):
            return  # the feed meets the same store and says so
        if self._alerts is not None:
            self._alerts.tell(told)

    def on_connection_lost(self, message: ConnectionLost) -> None:
        age = self.feed.age if self.feed is not None else 0.0
        old = f" · data is {age:.0f} s old" if age >= 1 else ""
        reason = safe(redact_text(message.reason), 160)
        self.connection_lost = f"{reason} · {trying_again(message.retry_in)}{old}"

    def on_connection_restored(self, message: ConnectionRestored) -> None:
        self.connection_lost = ""

    def on_store_replaced(self, message: StoreReplaced) -> None:
        text = (
            f"It knew {counted(message.before, 'job')} and knows {message.now:,} now: it was restarted without what it"
            " had kept, emptied, or is another one."
        )
        self.clear_notifications()  # they are about another store
        self.notify(text, title="The engine lost its jobs", severity="warning", timeout=60, markup=False)

    async def on_unmount(self) -> None:
        if self._feed_task is not None:
            self._feed_task.cancel()
            await asyncio.gather(self._feed_task, return_exceptions=True)
        if self.worker is not None:
            await self.worker.stop()
        if self.backend is not None and not self._given:
            await self.backend.close()

    def _prune(self, *nodes: Widget, parent: DOMNode | None = None) -> AwaitRemove:
        # A window that closes leaves the screen below it as it is: by Textual that would be laid out and painted again.
        if parent is self and all(isinstance(node, ModalScreen) for node in nodes):
            parent = None
        return super()._prune(*nodes, parent=parent)

    def _register_child(self, parent: DOMNode, child: Widget, before: int | None, after: int | None) -> None:
        if isinstance(child, Screen):
            child._compositor = Frames(self._shown)
        super()._register_child(parent, child, before, after)

    def export_screenshot(self, *, title: str | None = None, simplify: bool = True) -> str:
        # A frame that is not simplified holds what is to be written to the terminal, which is no picture.
        return super().export_screenshot(title=title, simplify=True)

    def _resume_signal(self) -> None:
        self._shown.forget()
        super()._resume_signal()

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.InputEvent):
            self._touched = time.monotonic()
        elif isinstance(event, events.Resize):  # terminals move what they show
            self._shown.forget()
        await super().on_event(event)

    def _tidy(self) -> None:
        if time.monotonic() - self._touched >= 1.0:
            garbage.tidy()

    # ---- actions -----------------------------------------------------------------------------------------------------

    @property
    def context(self) -> str:
        """Where the user is, in the words of `flowtui.actions`."""
        return str(getattr(self.screen, "context", self.current_mode))

    async def action_do(self, action_id: str) -> None:
        """Run an action by its id: what a click on the footer, the palette and the help do."""
        action = BY_ID[action_id]
        if not action.bound:
            await self.action_press(action.keys[0])
            return
        await self.run_action(action.action, self.screen)

    async def action_press(self, key: str) -> None:
        """As if a key were pressed: what a click on its name at the foot of a window does, also while a field of the
        window has the focus and would take the key as text."""
        if self.screen.is_modal and (bound := self.screen._bindings.key_to_bindings.get(key)):
            await self.run_action(bound[0].action, self.screen)
        else:
            self.post_message(events.Key(key, key if len(key) == 1 else None))

    def delay_update(self, delay: float = 0.05) -> None:
        """Hide a change of modes for `delay` seconds; one back to a screen that stands has little to hide."""
        super().delay_update(delay if self._unseen else min(delay, SWITCH_HIDDEN))

    def switch_mode(self, mode: str) -> AwaitMount:
        """Show another mode."""
        self._unseen = mode not in self._screen_stacks
        return super().switch_mode(mode)

    def action_redraw(self) -> None:
        """Write the whole screen to the terminal, also what it should be showing already."""
        self._shown.forget()
        self.screen.refresh()

    async def action_mode(self, mode: str) -> None:
        """Go to Compose, Live or Queues."""
        await self.switch_mode(mode)

    def action_help(self) -> None:
        """List the keys that work here."""
        from flowtui.screens.help import HelpScreen

        self.push_screen(HelpScreen(here(self.context, read_only=self.read_only), self.context), self._chosen)

    def action_palette(self) -> None:
        """Find any command by its name."""
        from flowtui.screens.help import PaletteScreen

        self.push_screen(PaletteScreen(here(self.context, read_only=self.read_only)), self._chosen)

    async def _chosen(self, action_id: str | None) -> None:
        from flowtui.widgets.prompt import Prompt

        if action_id is None:
            return
        for prompt in self.screen.query(Prompt):
            prompt.leave()
        await self.action_do(action_id)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """For themes of textual's that lack a colour which every screen needs."""
        return {"foreground-disabled": "ansi_bright_black"}

    def action_choose_theme(self) -> None:
        """Pick a theme, seen at once."""
        from flowtui.screens.pick import PickScreen, Row

        before = self.theme
        names = [own.name for own in THEMES]
        names += sorted(name for name in self.available_themes if name not in names)

        def show(name: str | None) -> None:
            self.theme = name or before

        rows = [Row(name, name) for name in names]
        self.push_screen(PickScreen("Theme", rows, start=before, moved=show), show)

    async def action_leave(self) -> None:
        """Quit; where something would be lost, ask."""
        reason = ""
        for stack in self._screen_stacks.values():
            for screen in stack:
                asks = getattr(screen, "why_stay", None)
                if asks is not None:
                    reason = reason or asks()
        if not reason and self.worker is not None and self.backend is not None:
            reason = await self._running_here()
        if not reason:
            self.exit()
            return
        from flowtui.screens.ask import AskScreen

        def answered(yes: bool | None) -> None:
            if yes:
                self.exit()

        self.push_screen(AskScreen("Quit flowtui?", reason, yes="quit"), answered)

    async def _running_here(self) -> str:
        if self.backend is None or not self.backend.url.startswith("memory"):
            return ""
        counts: dict[str, int] = {}
        for queue in await self.backend.queues():
            for state, count in (await self.backend.counts(queue)).items():
                counts[state] = counts.get(state, 0) + count
        left = sum(counts.get(state, 0) for state in ("blocked", "waiting", "delayed", "active"))
        return f"{left} jobs have not ended, and the in-memory engine ends with the app." if left else ""

    async def open_flow(self, flow_id: str, *, job: str | None = None, queue: str | None = None) -> None:
        """Show a flow of `queue` in Live, with the cursor on `job`."""
        self.pending_flow = (flow_id, job, queue)
        await self.switch_mode("live")
        show = getattr(self.screen, "show_flow", None)
        if show is not None:
            show(flow_id, job, queue)

    # ---- crashes -----------------------------------------------------------------------------------------------------

    def _fatal_error(self) -> None:
        # Textual would print every local variable, and with them secrets from arguments and URLs.
        self.bell()
        self._exit_renderables.append(Text(crash_report(sys.exc_info()[1])))
        self._close_messages_no_wait()


def crash_report(error: BaseException | None) -> str:
    """What went wrong: type, message and frames, no variables; secrets that look like some are hidden."""
    if error is None:
        return "flowtui stopped, and does not know why.\n"
    frames = "".join(
        f"  {frame.filename}:{frame.lineno} in {frame.name}\n"
        for frame in traceback.extract_tb(error.__traceback__)[-12:]
    )
    message = safe(redact_text(str(error)), 500)
    return (
        f"flowtui stopped because of an error of its own: {type(error).__name__}: {message}\n{frames}"
        "The draft is kept; jobs that were submitted stay in their queue.\n"
    )


def _open(url: str | None) -> Backend:
    from core.backends import open_backend

    return open_backend(url)


def trying_again(seconds: float) -> str:
    """When a lost engine is asked next, in words."""
    return f"trying again in {seconds:.0f} s" if round(seconds) else "trying again now"
