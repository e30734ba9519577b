"""The two themes of flowtui: dark and light, calm, with a colour of its own for every state."""

from __future__ import annotations

from typing import Final

from textual.theme import Theme

DARK: Final = Theme(
    name="flow-dark",
    dark=True,
    primary="#b4a5f7",  # the hand: cursor, keys, what has the focus
    accent="#58c4f6",  # what runs
    success="#86d694",
    error="#f5808c",
    warning="#f7a85d",
    secondary="#d9c379",  # what waits for a time
    foreground="#d8dce6",
    background="#14171f",
    surface="#1a1e28",
    panel="#212633",
    variables={
        "block-cursor-background": "#b4a5f7",
        "block-cursor-foreground": "#14171f",
        "border": "#3b4356",
        "border-blurred": "#2c3342",
        "footer-background": "#212633",
        "input-cursor-background": "#b4a5f7",
        "input-selection-background": "#b4a5f7 35%",
        "scrollbar": "#39415a",
        "scrollbar-hover": "#4a5472",
        "scrollbar-active": "#b4a5f7",
        "scrollbar-background": "#14171f",
        "scrollbar-background-hover": "#14171f",
        "scrollbar-background-active": "#14171f",
        "scrollbar-corner-color": "#14171f",
        "foreground-muted": "#8e97ab",
        "foreground-disabled": "#5f687d",
    },
)

LIGHT: Final = Theme(
    name="flow-light",
    dark=False,
    primary="#6a4bd0",
    accent="#0a6fb8",
    success="#2c7a3f",
    error="#c22a41",
    warning="#b25a09",
    secondary="#7d6608",
    foreground="#2a2e38",
    background="#faf9f6",
    surface="#f2f0ea",
    panel="#e7e4dc",
    variables={
        "block-cursor-background": "#6a4bd0",
        "block-cursor-foreground": "#faf9f6",
        "border": "#bdb8aa",
        "border-blurred": "#d3cfc3",
        "footer-background": "#e7e4dc",
        "input-cursor-background": "#6a4bd0",
        "input-selection-background": "#6a4bd0 25%",
        "scrollbar": "#c6c1b4",
        "scrollbar-hover": "#a9a392",
        "scrollbar-active": "#6a4bd0",
        "scrollbar-background": "#faf9f6",
        "scrollbar-background-hover": "#faf9f6",
        "scrollbar-background-active": "#faf9f6",
        "scrollbar-corner-color": "#faf9f6",
        "foreground-muted": "#666b78",
        "foreground-disabled": "#9a9da6",
    },
)

THEMES: Final = (DARK, LIGHT)
