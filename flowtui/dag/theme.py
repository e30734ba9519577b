"""The colours of the picture: one component class for every state and for every part, all from the theme."""

from __future__ import annotations

from rich.style import Style
from textual.widget import Widget

from flowtui.dag.ground import TINTS

STATES = (
    "draft",
    "blocked",
    "waiting",
    "delayed",
    "active",
    "completed",
    "failed",
    "skipped",
    "cancelled",
    "expired",
    "problem",
)
GROUPS = tuple(f"group-{tint}" for tint in range(TINTS))
PARTS = (
    "line",
    "lit",
    "critical",
    "back",
    "ghost",
    "illegal",
    "cursor",
    "cursor-name",
    "name",
    "dim",
    "bar",
    "flag",
    "marked",
    "mark",
    "match",
    *GROUPS,
    "jump",
    "strong",
)

CLASSES = {f"graph--{name}" for name in (*STATES, *PARTS)}

CSS = """
    GraphCanvas {
        background: $background;
        color: $foreground;
        scrollbar-size-vertical: 1;
        scrollbar-size-horizontal: 1;

        .graph--line { color: $foreground 45%; }
        .graph--lit { color: $text-primary; text-style: bold; }
        .graph--critical { color: $text-warning; text-style: bold; }
        .graph--back { color: $text-error; }
        .graph--ghost { color: $text-success; text-style: bold; }
        .graph--illegal { color: $text-error; text-style: bold; }
        .graph--cursor { color: $primary; text-style: bold; }
        .graph--cursor-name { background: $primary 40%; color: $foreground; text-style: bold; }
        .graph--name { color: $foreground; }
        .graph--dim { color: $foreground 60%; }
        .graph--bar { color: $accent; }
        .graph--flag { color: $text-error; text-style: bold; }
        .graph--mark { color: $text-accent; text-style: bold; }
        .graph--match { background: $warning 30%; }
        .graph--group-0 { background: $foreground 8%; }
        .graph--group-1 { background: $primary 20%; }
        .graph--group-2 { background: $secondary 16%; }
        .graph--group-3 { background: $accent 16%; }
        .graph--jump { background: $warning; color: $text; text-style: bold; }

        .graph--draft { color: $foreground 75%; }
        .graph--blocked { color: $foreground 55%; }
        .graph--waiting { color: $foreground 85%; }
        .graph--delayed { color: $text-secondary; }
        .graph--active { color: $text-accent; }
        .graph--completed { color: $text-success; }
        .graph--failed { color: $text-error; text-style: bold; }
        .graph--skipped { color: $foreground 45%; }
        .graph--cancelled { color: $foreground 55%; }
        .graph--expired { color: $text-warning; }
        .graph--problem { color: $text-error; text-style: bold; }
    }
    """


def styles_of(widget: Widget) -> dict[str, Style]:
    """The styles of all states and parts as they are in the widget's theme, with `base` for blanks.

    Rich knows no transparency: every style is blended with the background here, and what lies over another style keeps
    only the part that is its own.
    """
    own = {name: widget.get_component_rich_style(f"graph--{name}") for name in (*STATES, *PARTS)}
    base = widget.rich_style
    styles = {"base": base, "strong": Style(bold=True), "marked": Style(underline=True)}
    for name, style in own.items():
        if name in ("cursor-name", "jump"):
            styles[name] = style
        elif name == "match" or name in GROUPS:
            styles[name] = Style(bgcolor=style.bgcolor)
        elif name not in styles:
            styles[name] = base + Style(color=style.color, bold=style.bold, underline=style.underline)
    for state in STATES:
        styles[f"{state}-glyph"] = styles[state] + styles["strong"]
    return styles
