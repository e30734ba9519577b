"""The one gate for text that came from outside: names, arguments, errors, logs.

A terminal obeys what it is given: an escape sequence in a job name can clear the screen, set the clipboard or change
the window title, and a bidi override can make `evil.exe` read as something else. Everything from outside passes
`safe()` once, at the edge, and what is shown afterwards is only ever text.
"""

from __future__ import annotations

import unicodedata

REPLACEMENT = "\ufffd"

# Invisible, reordering or unencodable: they say nothing to a reader and can lie to one.
_HIDDEN_CATEGORIES = frozenset({"Cf", "Zl", "Zp"})
# Hangul and Braille fillers are "letters" that draw nothing.
_BLANK_LETTERS = (0x115F, 0x1160, 0x2800, 0x3164, 0xFFA0)


def _table() -> dict[int, str]:
    table = {code: chr(0x2400 + code) for code in range(0x20)}
    table[0x7F] = "\u2421"
    table.update((code, REPLACEMENT) for code in range(0x80, 0xA0))
    table.update((code, REPLACEMENT) for code in range(0xD800, 0xE000))
    table.update((code, REPLACEMENT) for code in range(0xE0000, 0xE0080))
    for start, end in (
        (0xA0, 0x3000),
        (0xFE00, 0x10000),
        (0x110B0, 0x110D0),
        (0x13430, 0x13456),
        (0x1BCA0, 0x1BCA4),
    ):
        for code in range(start, end):
            if unicodedata.category(chr(code)) in _HIDDEN_CATEGORIES:
                table[code] = REPLACEMENT
    for code in range(0x1D173, 0x1D17B):
        table[code] = REPLACEMENT
    table.update((code, REPLACEMENT) for code in _BLANK_LETTERS)
    return table


_FLAT = _table()
_LINES = {**_FLAT, 0x0A: "\n", 0x09: "    "}
_BLANKS = frozenset(map(chr, _BLANK_LETTERS))


def safe(text: object, limit: int | None = None, *, lines: bool = False) -> str:
    """Return `text` with every character that a terminal would obey made visible or replaced.

    C0 controls become their pictures (ESC is shown as `␛`, a newline as `␊`); DEL, C1, bidi and zero-width controls,
    line and paragraph separators and lone surrogates become `␡` or U+FFFD. With `lines=True` newlines stay and tabs
    become four spaces (for logs and tracebacks). With `limit`, at most `limit` characters remain, the last of them
    `…` where something was cut. Anything that is not a string is shown as `str()` shows it.
    """
    if not isinstance(text, str):
        text = str(text)
    if limit is not None and len(text) > limit:
        # Cut first: a hostile megabyte must cost no more than the few characters that are shown.
        text = text[: max(limit - 1, 0)] + "…" if limit > 0 else ""
    if text.isprintable() and (text.isascii() or _BLANKS.isdisjoint(text)):
        return text
    if lines:
        return text.replace("\r\n", "\n").translate(_LINES)
    return text.translate(_FLAT)


def counted(count: int, noun: str) -> str:
    """ "1 job", "1,204 jobs"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def shorten(text: str, cells: int) -> str:
    """`text` in at most so many cells, cut in its middle so that its end (a file's name) stays."""
    from rich.cells import cell_len

    if cell_len(text) <= cells:
        return text
    if cells < 3:
        return "…"[:cells]
    head, tail = text[: max((cells - 1) // 3, 1)], text
    while cell_len(head) + 1 + cell_len(tail) > cells and tail:
        tail = tail[1:]
    return f"{head}…{tail}"
