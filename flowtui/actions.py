"""Every action once: its keys, name and sentence. Bindings, footer, help, palette and docs are all made from here.

No textual here, so that the command line can list the keys without it; `bindings()` imports it when called.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from textual.binding import BindingType

EVERYWHERE: Final = "everywhere"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a user can do.

    id       stable name, also for remapping keys: "compose.add"
    keys     as textual spells them; the first is the one that is shown
    name     one or two words, for the footer
    help     one sentence, without a full stop
    where    the contexts it applies in: "compose", "connect", "live", "queues", or "everywhere"
    footer   its rank in the footer, 1 first; 0 is not there
    bound    False where a widget binds the keys itself, and the entry is only for help
    mutates  it changes something in the engine: gone with --read-only
    call     the textual action; without it, the last part of the id
    """

    id: str
    keys: tuple[str, ...]
    name: str
    help: str
    where: tuple[str, ...]
    group: str
    footer: int = 0
    bound: bool = True
    mutates: bool = False
    call: str = ""

    @property
    def action(self) -> str:
        """The textual action string, with its namespace."""
        call = self.call or self.id.rpartition(".")[2].replace("-", "_")
        return f"app.{call}" if EVERYWHERE in self.where and "." not in call else call

    @property
    def shown(self) -> str:
        """Its keys as help prints them."""
        return " ".join(key_text(key) for key in self.keys)


_C: Final = ("compose",)
_CX: Final = ("connect",)
_MOVE, _BUILD, _CHANGE, _SELECT = "Move", "Build", "Change", "Select"
_VIEW, _FILES, _CHECK, _GENERAL = "View", "Files", "Check and run", "General"

COMPOSE: Final[tuple[Action, ...]] = (
    Action("compose.add", ("a",), "add", "Add a job after this one, or after all marked jobs", _C, _BUILD, 1),
    Action("compose.add-before", ("A",), "add before", "Add a job that this one then waits for", _C, _BUILD),
    Action("compose.add-sibling", ("o",), "add sibling", "Add a job with the same upstreams", _C, _BUILD),
    Action("compose.add-root", ("O",), "add root", "Add a job without links", _C, _BUILD),
    Action(
        "compose.template",
        ("t",),
        "template",
        "Insert a chain, a fan, a diamond, a map-reduce or a matrix",
        _C,
        _BUILD,
        10,
    ),
    Action(
        "compose.connect",
        ("c",),
        "connect",
        "Link the marked jobs to this one; or pick a target",
        _C,
        _BUILD,
        2,
    ),
    Action(
        "compose.connect-from", ("C",), "connect from", "Pick a job that this one then waits for", _C, _BUILD
    ),
    Action(
        "compose.cut",
        ("x",),
        "cut",
        "Cut links of this job, or those from the marked jobs to it",
        _C,
        _BUILD,
        3,
    ),
    Action(
        "compose.delete",
        ("d", "delete"),
        "delete",
        "Delete this job, or the marked jobs, with their links",
        _C,
        _CHANGE,
        4,
    ),
    Action(
        "compose.delete-bridge",
        ("D",),
        "bridge",
        "Delete and link what was before to what was after",
        _C,
        _CHANGE,
    ),
    Action(
        "compose.rename",
        ("r", "f2"),
        "rename",
        "Rename this job; links and references follow",
        _C,
        _CHANGE,
        11,
    ),
    Action("compose.edit", ("e",), "edit", "Edit this job, or the marked jobs together", _C, _CHANGE, 5),
    Action(
        "compose.edit-text",
        ("E",),
        "edit as text",
        "Edit the job, or the marked jobs, in $EDITOR",
        _C,
        _CHANGE,
    ),
    Action(
        "compose.group", ("G",), "group", "Put this job, or the marked jobs, into a named group", _C, _CHANGE
    ),
    Action(
        "compose.duplicate",
        ("Y",),
        "duplicate",
        "Duplicate this job, or the marked jobs, with their links inside",
        _C,
        _CHANGE,
    ),
    Action("compose.paste", ("p",), "paste", "Insert the jobs copied last", _C, _CHANGE),
    Action("compose.undo", ("u", "ctrl+z"), "undo", "Take the last step back", _C, _CHANGE, 7),
    Action("compose.redo", ("ctrl+r", "ctrl+y"), "redo", "Do the step taken back again", _C, _CHANGE),
    Action("compose.mark", ("space",), "mark", "Mark this job, or take its mark away", _C, _SELECT, 6),
    Action("compose.mark-all", ("asterisk",), "mark all", "Mark all jobs, or none", _C, _SELECT),
    Action(
        "compose.mark-between",
        ("V",),
        "mark between",
        "Mark every job on a path from the first mark to here",
        _C,
        _SELECT,
    ),
    Action("compose.settings", ("S",), "flow settings", "Name the flow and choose its queue", _C, _CHANGE),
    Action(
        "compose.submit",
        ("s",),
        "submit",
        "Check the flow and look at how it will run; then submit it",
        _C,
        _CHECK,
        8,
    ),
    Action(
        "compose.problems",
        ("exclamation_mark",),
        "problems",
        "List every problem, with a jump to its job",
        _C,
        _CHECK,
    ),
    Action(
        "compose.cut-cycle", ("X",), "cut the cycle", "Cut the newest link that closes a cycle", _C, _CHECK
    ),
    Action(
        "compose.next",
        ("n",),
        "next",
        "Go to the next match, or without a search to the next problem",
        _C,
        _MOVE,
    ),
    Action("compose.previous", ("N",), "previous", "Go to the previous match or problem", _C, _MOVE),
    Action("compose.find", ("slash",), "find", "Find a job by its name or task", _C, _MOVE),
    Action("compose.jump", ("f",), "jump", "Show a letter on every job; type it to go there", _C, _MOVE),
    Action(
        "compose.move",
        ("h", "j", "k", "l"),
        "move",
        "Move along the links and inside a level; arrows too",
        _C,
        _MOVE,
        bound=False,
    ),
    Action(
        "compose.home",
        ("home", "end"),
        "first, last",
        "Go to the first or the last level",
        _C,
        _MOVE,
        bound=False,
    ),
    Action(
        "compose.page", ("pageup", "pagedown"), "page", "Move a screen up or down", _C, _MOVE, bound=False
    ),
    Action(
        "compose.pane",
        ("tab",),
        "next pane",
        "Go to the next pane; arrows scroll the panel of the job",
        _C,
        _MOVE,
    ),
    Action("compose.outline", ("v",), "outline", "Switch between the graph and the outline", _C, _VIEW, 12),
    Action("compose.zoom", ("z",), "zoom", "Change the size of the boxes", _C, _VIEW),
    Action("compose.fit", ("0",), "fit", "Fit the whole graph on the screen", _C, _VIEW),
    Action(
        "compose.turn",
        ("vertical_line",),
        "turn",
        "Draw from left to right, or from top to bottom",
        _C,
        _VIEW,
    ),
    Action(
        "compose.fold", ("minus",), "fold", "Draw a group, or alike jobs, as one box; or open it", _C, _VIEW
    ),
    Action(
        "compose.near",
        ("full_stop",),
        "nearby",
        "Show what is near (+3: links that lead on); again for more",
        _C,
        _VIEW,
    ),
    Action("compose.new", ("ctrl+n",), "new", "Start an empty flow", _C, _FILES),
    Action("compose.open", ("ctrl+o",), "open", "Open a flow file, or one of the recent ones", _C, _FILES),
    Action("compose.save", ("ctrl+s",), "save", "Save the flow to its file", _C, _FILES),
    Action("compose.save-as", ("f12",), "save as", "Save the flow to another file", _C, _FILES),
    Action("compose.export", ("w",), "export", "Write it as YAML, JSON, Python, Mermaid or DOT", _C, _FILES),
    Action("compose.copy", ("y",), "copy", "Copy jobs or the whole flow as text", _C, _FILES),
    Action("compose.restore", ("R",), "restore", "Bring back a draft that was left unsaved", _C, _FILES),
    Action("compose.open-job", ("enter",), "edit", "Edit this job", _C, _CHANGE, bound=False),
    Action(
        "compose.back", ("escape",), "clear", "Clear the search, the marks, the view of a part", _C, _SELECT
    ),
)

CONNECT: Final[tuple[Action, ...]] = (
    Action(
        "connect.move",
        ("h", "j", "k", "l"),
        "target",
        "Move to the other end of the new link",
        _CX,
        _BUILD,
        1,
        bound=False,
    ),
    Action("connect.find", ("slash",), "find", "Find the other end by name", _CX, _BUILD, 2, bound=False),
    Action(
        "connect.jump",
        ("f",),
        "jump",
        "Show a letter on every job; type it to go there",
        _CX,
        _BUILD,
        3,
        bound=False,
    ),
    Action(
        "connect.link",
        ("enter",),
        "link",
        "Make the link; one that closes a cycle asks for enter twice",
        _CX,
        _BUILD,
        4,
        bound=False,
    ),
    Action("connect.turn", ("tab",), "direction", "Swap source and target", _CX, _BUILD, 5, call="turn_link"),
    Action("connect.cancel", ("escape",), "cancel", "Leave without a link", _CX, _BUILD, 6, bound=False),
)

# ---- Live and Queues: their screens bind what stands here -----------------------------------------------------------

_F: Final = ("flows",)
_L: Final = ("live",)
_FL: Final = ("live", "flows")
_Q: Final = ("queues",)
_LOOK, _STEER = "Look", "Steer"

LIVE: Final[tuple[Action, ...]] = (
    Action(
        "live.move", ("h", "j", "k", "l"), "move", "Move along the links; arrows too", _L, _MOVE, bound=False
    ),
    Action(
        "live.pick", ("j", "k"), "move", "Go up and down; arrows, pgup and pgdn too", _F, _MOVE, bound=False
    ),
    Action(
        "live.open",
        ("enter",),
        "open",
        "Open the flow, or everything about the job",
        _FL,
        _LOOK,
        1,
        bound=False,
    ),
    Action(
        "live.retry",
        ("R",),
        "retry",
        "Run failed jobs again: one, all, or with what is downstream",
        _FL,
        _STEER,
        3,
        mutates=True,
    ),
    Action(
        "live.cancel", ("K",), "cancel", "Cancel a job or the whole flow; asks", _FL, _STEER, 4, mutates=True
    ),
    Action(
        "live.remove",
        ("D",),
        "remove",
        "Remove an ended flow with its jobs; asks",
        _F,
        _STEER,
        6,
        mutates=True,
    ),
    Action("live.follow", ("F",), "follow", "Keep the cursor on the job that started last", _L, _MOVE, 2),
    Action(
        "live.next",
        ("n",),
        "next failed",
        "Go to the next match; without a search, to a failed job",
        _L,
        _MOVE,
        7,
    ),
    Action("live.previous", ("N",), "previous", "Go to the previous match or failed job", _L, _MOVE),
    Action(
        "live.find",
        ("slash",),
        "find",
        "Find a job by name or task; in the list, filter the flows",
        _FL,
        _MOVE,
        8,
    ),
    Action("live.jump", ("f",), "jump", "Show a letter on every job; type it to go there", _L, _MOVE),
    Action("live.why", ("w",), "why", "Say why this job is not running", _L, _LOOK, 9),
    Action("live.timeline", ("b",), "timeline", "Show when each job ran, attempt by attempt", _L, _VIEW, 5),
    Action("live.log", ("L",), "log", "Show the job's log as it grows", _L, _VIEW, 6),
    Action("live.view", ("v",), "view", "Switch between graph, outline and cards", _L, _VIEW, 10),
    Action(
        "live.critical", ("p",), "critical path", "Mark the jobs that decided how long it took", _L, _VIEW, 11
    ),
    Action("live.zoom", ("z",), "zoom", "Change the size of the boxes", _L, _VIEW),
    Action("live.fit", ("0",), "fit", "Fit the whole graph on the screen", _L, _VIEW),
    Action(
        "live.turn", ("vertical_line",), "turn", "Draw from left to right, or from top to bottom", _L, _VIEW
    ),
    Action("live.fold", ("minus",), "fold", "Draw a group, or alike jobs, as one box; or open it", _L, _VIEW),
    Action(
        "live.near",
        ("full_stop",),
        "nearby",
        "Show what is near (+3: links that lead on); again for more",
        _L,
        _VIEW,
    ),
    Action("live.pane", ("tab",), "next pane", "Go to the next pane", _L, _MOVE),
    Action("live.compare", ("c",), "compare", "Compare with the last run: what got slower", _L, _LOOK, 12),
    Action("live.mark", ("space",), "mark", "Mark this job for retry and cancel", _L, _SELECT),
    Action("live.mark-all", ("asterisk",), "mark all", "Mark all jobs, or none", _L, _SELECT),
    Action("live.secrets", ("s",), "secrets", "Show or hide what looks like a secret", _L, _LOOK),
    Action("live.copy", ("y",), "copy", "Copy the id, the name or the job as JSON", _FL, _LOOK),
    Action(
        "live.edit", ("e",), "edit a copy", "Open an editable copy of the flow in Compose", _FL, _FILES, 13
    ),
    Action(
        "live.back",
        ("escape",),
        "flows",
        "Clear the search, the marks; then back to the list of flows",
        _FL,
        _MOVE,
        14,
    ),
)

QUEUES: Final[tuple[Action, ...]] = (
    Action(
        "queues.move", ("j", "k"), "move", "Go up and down; arrows, pgup and pgdn too", _Q, _MOVE, bound=False
    ),
    Action(
        "queues.open",
        ("enter",),
        "open",
        "Open the queue's jobs, or everything about the job",
        _Q,
        _LOOK,
        1,
        bound=False,
    ),
    Action(
        "queues.filter",
        ("slash",),
        "filter",
        "Filter jobs: state:failed task:app.* age>5m !mail",
        _Q,
        _MOVE,
        2,
    ),
    Action("queues.next-tab", ("right_square_bracket",), "state", "Show the next state", _Q, _MOVE, 3),
    Action(
        "queues.previous-tab", ("left_square_bracket",), "state back", "Show the previous state", _Q, _MOVE
    ),
    Action("queues.sort", ("o",), "sort", "Choose the order of the jobs", _Q, _VIEW, 9),
    Action("queues.pane", ("tab",), "next pane", "Go to the next pane", _Q, _MOVE, 10),
    Action(
        "queues.retry", ("R",), "retry", "Run the job, or the marked jobs, again", _Q, _STEER, 4, mutates=True
    ),
    Action(
        "queues.cancel",
        ("K",),
        "cancel",
        "Cancel the job, or the marked jobs; asks",
        _Q,
        _STEER,
        5,
        mutates=True,
    ),
    Action(
        "queues.remove",
        ("D",),
        "remove",
        "Remove the job, or the marked jobs; asks",
        _Q,
        _STEER,
        mutates=True,
    ),
    Action(
        "queues.promote",
        ("r",),
        "run now",
        "Promote the delayed job, or the marked ones: ready now",
        _Q,
        _STEER,
        mutates=True,
    ),
    Action(
        "queues.pause",
        ("P",),
        "pause",
        "Pause the queue (asks), or let it go on",
        _Q,
        _STEER,
        6,
        mutates=True,
    ),
    Action("queues.flow", ("g",), "flow", "Go to the job's flow", _Q, _LOOK, 7),
    Action("queues.why", ("w",), "why", "Say why this job is not running", _Q, _LOOK, 8),
    Action("queues.mark", ("space",), "mark", "Mark this job, or take its mark away", _Q, _SELECT, 11),
    Action("queues.mark-all", ("asterisk",), "mark all", "Mark the jobs on this page, or none", _Q, _SELECT),
    Action(
        "queues.mark-list",
        ("A",),
        "mark the list",
        "Mark every job of this list that the filter lets through",
        _Q,
        _SELECT,
    ),
    Action("queues.view", ("v",), "cards", "Switch between the table and cards", _Q, _VIEW),
    Action("queues.workers", ("W",), "workers", "Show who runs the jobs", _Q, _VIEW, 12),
    Action(
        "queues.repeats",
        ("E",),
        "repeats",
        "Show what is enqueued again and again, and stop it",
        _Q,
        _VIEW,
        13,
    ),
    Action("queues.log", ("L",), "log", "Show the job's log as it grows", _Q, _VIEW),
    Action("queues.secrets", ("s",), "secrets", "Show or hide what looks like a secret", _Q, _LOOK),
    Action("queues.copy", ("y",), "copy", "Copy the id, the name or the job as JSON", _Q, _LOOK),
    Action("queues.faster", ("plus",), "faster", "Look at the jobs more often", _Q, _VIEW),
    Action("queues.slower", ("minus",), "slower", "Look at the jobs less often", _Q, _VIEW),
    Action(
        "queues.freeze", ("full_stop",), "freeze", "Stop looking until pressed again; counts go on", _Q, _VIEW
    ),
    Action(
        "queues.back",
        ("escape",),
        "back",
        "Clear the filter or the marks; then go back to the queues",
        _Q,
        _MOVE,
        14,
    ),
)

# ---- everywhere -----------------------------------------------------------------------------------------------------

COMMON: Final[tuple[Action, ...]] = (
    Action(
        "app.compose",
        ("1",),
        "Compose",
        "Go to the flow being composed",
        (EVERYWHERE,),
        _GENERAL,
        call="mode('compose')",
    ),
    Action(
        "app.live", ("2",), "Live", "Go to the running flows", (EVERYWHERE,), _GENERAL, call="mode('live')"
    ),
    Action(
        "app.queues", ("3",), "Queues", "Go to the queues", (EVERYWHERE,), _GENERAL, call="mode('queues')"
    ),
    Action(
        "app.palette",
        ("colon", "ctrl+p"),
        "commands",
        "Find any command by its name",
        (EVERYWHERE,),
        _GENERAL,
        20,
    ),
    Action(
        "app.help",
        ("question_mark", "f1"),
        "help",
        "List the keys that work here",
        (EVERYWHERE,),
        _GENERAL,
        99,
    ),
    Action(
        "app.redraw",
        ("ctrl+l",),
        "redraw",
        "Write the whole screen anew, over what others wrote into it",
        (EVERYWHERE,),
        _GENERAL,
        call="redraw",
    ),
    Action("app.theme", (), "theme", "Change the colours", (EVERYWHERE,), _GENERAL, call="choose_theme"),
    Action(
        "app.quit",
        ("q",),
        "quit",
        "Quit; asks when something would be lost",
        (EVERYWHERE,),
        _GENERAL,
        call="leave",
    ),
    Action(
        "app.quit-now",
        ("ctrl+q",),
        "quit now",
        "Quit without asking; the draft is kept",
        (EVERYWHERE,),
        _GENERAL,
        call="quit",
    ),
)

ACTIONS: Final[tuple[Action, ...]] = (*COMPOSE, *CONNECT, *LIVE, *QUEUES, *COMMON)
BY_ID: Final[Mapping[str, Action]] = {action.id: action for action in ACTIONS}

_KEY_TEXT: Final = {
    "space": "space", "asterisk": "*", "exclamation_mark": "!", "question_mark": "?", "slash": "/", "colon": ":",
    "vertical_line": "|", "left_square_bracket": "[", "right_square_bracket": "]", "plus": "+", "minus": "-",
    "full_stop": ".", "comma": ",", "escape": "esc", "pageup": "pgup", "pagedown": "pgdn", "delete": "del",
    "left": "←", "right": "→", "up": "↑", "down": "↓", "equals_sign": "=", "semicolon": ";", "at": "@",
}  # fmt: skip


def key_text(key: str) -> str:
    """A key as people write it: "?" for "question_mark", "ctrl+s" as it is."""
    head, plus, last = key.rpartition("+")
    return f"{head}{plus}{_KEY_TEXT.get(last, last)}"


def here(context: str, *, read_only: bool = False) -> list[Action]:
    """The actions that apply in a context, its own first, then those that apply everywhere."""
    own = [action for action in ACTIONS if context in action.where]
    # While a link is being made only its own keys and help work.
    rest = [action for action in COMMON if context != "connect" or action.id == "app.help"]
    return [action for action in (*own, *rest) if not (read_only and action.mutates)]


def footer(context: str, *, read_only: bool = False) -> list[Action]:
    """What the footer offers in a context, the most useful first; help comes last and always fits."""
    offered = [action for action in here(context, read_only=read_only) if action.footer]
    return sorted(offered, key=lambda action: action.footer)


def bindings(*contexts: str) -> list[BindingType]:
    """The textual bindings of the contexts' own actions, for a screen's or the app's BINDINGS."""
    from textual.binding import Binding

    made: list[BindingType] = []
    for action in ACTIONS:
        if action.bound and action.keys and any(context in action.where for context in contexts):
            call = action.action.removeprefix("app.") if contexts == (EVERYWHERE,) else action.action
            made.append(
                Binding(
                    ",".join(action.keys), call, action.name, show=False, id=action.id, tooltip=action.help
                )
            )
    return made


def check_keys(keymap: Mapping[str, str]) -> list[str]:
    """What is wrong with a user's key map (action id -> keys, comma-separated): sentences; none when all is well."""
    wrong = []
    taken: dict[tuple[str, str], str] = {}
    for action in ACTIONS:
        keys: Iterable[str] = action.keys
        if action.id in keymap:
            keys = [key.strip() for key in keymap[action.id].split(",") if key.strip()]
        for context in action.where:
            for key in keys:
                other = taken.setdefault((context, key), action.id)
                if other != action.id and (action.id in keymap or other in keymap):
                    wrong.append(f"key '{key_text(key)}' is given to both {other} and {action.id}")
    wrong.extend(f"no action is called '{name}'{_did_you_mean(name)}" for name in keymap if name not in BY_ID)
    wrong.extend(
        f"the keys of '{name}' cannot be changed"
        for name in keymap
        if name in BY_ID and not BY_ID[name].bound
    )
    return wrong


def _did_you_mean(name: str) -> str:
    from difflib import get_close_matches

    near: Sequence[str] = get_close_matches(name, BY_ID, 1)
    return f"; did you mean '{near[0]}'?" if near else ""
