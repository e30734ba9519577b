"""What the tests of the terminal share: a home of their own, and the screen as plain text."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.app import App


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes what the user keeps."""
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.delenv("FLOWTUI_URL", raising=False)
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    return tmp_path


@pytest.fixture(autouse=True)
def notices_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A notice goes by itself after five seconds: on a slow machine before a test has looked."""
    monkeypatch.setattr(App, "NOTIFICATION_TIMEOUT", 3600.0)
