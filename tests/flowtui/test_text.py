"""What comes from outside can be read, and never obeyed."""

import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtui.text import safe

HOSTILE = [
    "\x1b]52;c;RVZJTA==\x07",
    "\x1b[2J",
    "\x9b31m",
    "\x00",
    "\x7f",
    "\u202egnp.exe",
    "\u2066x\u2069",
    "a\u200bb",
    "\ufeffx",
    "x\u2028y\u2029z",
    "\ud800",
    "soft\u00adhyphen",
    "\U000e0041tag",
]


def harmless(text: str) -> bool:
    return all(unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in text)


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_a_terminal_obeys_gets_through(text):
    shown = safe(text)
    assert harmless(shown)
    shown.encode("utf-8")


def test_a_control_character_is_shown_as_its_picture():
    assert safe("a\x1b[1m\nb\x7f") == "a␛[1m␊b␡"


def test_what_is_harmless_comes_back_unchanged():
    for text in ("extract_billing", "größe", "日本語", "job [/nope]", "e\u0301", ""):
        assert safe(text) == text


def test_lines_keep_newlines_and_widen_tabs():
    assert safe("a\r\nb\tc\x1b", lines=True) == "a\nb    c␛"


@given(st.text(st.characters(codec=None), max_size=50), st.integers(0, 20))
@settings(max_examples=300)
def test_any_text_becomes_harmless_and_no_longer_than_asked(text, limit):
    assert harmless(safe(text))
    assert harmless(safe(text, lines=True).replace("\n", ""))
    short = safe(text, limit)
    assert len(short) <= limit
    if len(text) > limit > 0:
        assert short.endswith("…")


def test_a_private_and_a_filler_letter_hide_nothing():
    assert safe("a\u3164b") == "a\ufffdb"


def test_what_is_not_text_is_shown_as_text():
    assert safe(12) == "12"
    assert safe(None) == "None"


def test_a_hundred_thousand_names_cost_a_fraction_of_a_second():
    names = ["x" * 100] * 100_000
    start = time.process_time()
    for name in names:
        safe(name)
    assert time.process_time() - start < 0.5
