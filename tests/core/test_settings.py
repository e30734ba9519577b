"""Settings: which source counts, what is refused, what is never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.settings import (
    TEMPLATE,
    InvalidSettings,
    config_path,
    has_password,
    init_config,
    load_settings,
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "flowtui" / "config.toml"


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_without_a_file_the_defaults_count(config: Path) -> None:
    settings = load_settings({}, config)
    assert (settings.url, settings.interval, settings.fsync, settings.mouse) == (None, 1.0, "everysec", True)
    assert settings.worker.queues == ["default"]


def test_a_variable_goes_before_the_file(config: Path) -> None:
    write(config, 'url = "redis://file"\ninterval = 2\n[worker]\nconcurrency = 7\n[keys]\n"a.b" = "x"\n')
    settings = load_settings(
        {"FLOWTUI_URL": "redis://env", "FLOWTUI_ASCII": "yes", "FLOWTUI_THEME": ""}, config
    )
    assert (settings.url, settings.interval, settings.ascii, settings.theme) == (
        "redis://env",
        2.0,
        True,
        None,
    )
    assert settings.worker.concurrency == 7
    assert settings.keys == {"a.b": "x"}


@pytest.mark.parametrize(
    ("text", "environ", "said"),
    [
        ("intervall = 2", {}, "intervall: unknown key; did you mean interval?"),
        ("[worker]\nleese = 2", {}, "worker.leese: unknown key; did you mean lease?"),
        ("interval = 0", {}, "interval must be greater than or equal to 0.1"),
        ("", {"FLOWTUI_INTERVAL": "fast"}, "FLOWTUI_INTERVAL: interval must be a valid number"),
        ("interval = 1 2", {}, "(at line 1, column 14)"),
        ("fsync = 'no'", {}, "fsync must be 'everysec' or 'always'"),
    ],
)
def test_a_mistake_names_its_file_or_variable_and_key(
    config: Path, text: str, environ: dict[str, str], said: str
) -> None:
    write(config, text)
    with pytest.raises(InvalidSettings) as error:
        load_settings(environ, config)
    assert said in str(error.value)
    assert (str(config) in str(error.value)) != bool(environ)


def test_a_file_that_others_may_write_is_refused(config: Path) -> None:
    write(config, "interval = 2", 0o666)
    with pytest.raises(InvalidSettings, match="can be written by others"):
        load_settings({}, config)


def test_a_password_that_others_may_read_is_warned_of_but_not_shown(config: Path) -> None:
    write(config, 'url = "redis://:canary@host"', 0o644)
    [warning] = load_settings({}, config).warnings
    assert "chmod 600" in warning
    assert "canary" not in warning
    config.chmod(0o600)
    assert load_settings({}, config).warnings == []


def test_a_wrong_value_is_not_shown(config: Path) -> None:
    write(config, 'interval = "canary"')
    with pytest.raises(InvalidSettings) as error:
        load_settings({}, config)
    assert "canary" not in str(error.value)


def test_a_new_file_is_private_complete_and_never_overwrites(config: Path) -> None:
    assert init_config(config) == config
    assert config.stat().st_mode & 0o777 == 0o600
    assert load_settings({}, config) == load_settings({}, config.with_name("none"))
    with pytest.raises(InvalidSettings, match="is there already"):
        init_config(config)
    config.unlink()
    config.symlink_to(config.with_name("elsewhere"))
    with pytest.raises(InvalidSettings):
        init_config(config)


def test_every_line_of_the_template_is_a_setting(config: Path) -> None:
    lines = [
        line.removeprefix("# ") for line in TEMPLATE.splitlines() if " = " in line or line.startswith("# [")
    ]
    settings = load_settings({}, write(config, "\n".join(lines)))
    assert settings.worker.lease == 30.0
    assert settings.url is not None


def test_a_file_in_the_current_directory_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "config.toml", "interval = 9")
    monkeypatch.chdir(tmp_path)
    assert config_path({}).is_absolute()
    assert load_settings({"FLOWTUI_CONFIG": str(tmp_path / "other.toml")}).interval == 1.0


@pytest.mark.parametrize(
    ("url", "has"),
    [
        ("redis://localhost", False),
        ("redis://user@localhost", False),
        ("redis://:x@localhost", True),
        ("redis://u:x@localhost", True),
        ("redis://localhost?password=x", True),
        ("redis://[", True),
    ],
)
def test_a_password_in_a_url_is_noticed(url: str, has: bool) -> None:
    assert has_password(url) is has
