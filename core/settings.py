"""Settings: the user's `config.toml`, then `FLOWTUI_*` variables over it, then the command line over both.

Only a file of the user's own is read, never one of the current directory. What the command line says is applied by
`flowtui.cli`; this module knows files and variables.
"""

from __future__ import annotations

import difflib
import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from core.errors import FlowError


class InvalidSettings(FlowError, ValueError):
    """A setting that cannot be used; the message names the file or variable and the key."""


def _alert(text: str) -> str:
    if set(text.replace(",", " ").split()) - {"failed", "bell", "desktop", "off"}:
        raise ValueError("only failed, bell, desktop and off are known")
    return text


class WorkerSettings(BaseModel):
    """`[worker]`: what `flowtui worker` does where its options do not say otherwise."""

    model_config = ConfigDict(extra="forbid")

    queues: list[str] = ["default"]
    concurrency: Annotated[int, Field(ge=1, le=10_000)] = 100
    lease: Annotated[float, Field(ge=1, le=86_400)] = 30.0
    grace: Annotated[float, Field(ge=0, le=86_400)] = 25.0


class Settings(BaseModel):
    """Every setting with its default.

    url        the engine; None is the embedded one
    fsync      of the embedded engine: everysec or always
    interval   seconds between two looks at what no event tells
    theme      None is the app's default
    alert      how the app tells that a flow ended: words of failed, bell, desktop, off
    keys       other keys for actions of the app, by their ids
    """

    model_config = ConfigDict(extra="forbid")

    url: str | None = None
    fsync: Literal["everysec", "always"] = "everysec"
    read_only: bool = False
    interval: Annotated[float, Field(ge=0.1, le=3600)] = 1.0
    ascii: bool = False
    theme: str | None = None
    mouse: bool = True
    alert: Annotated[str, AfterValidator(_alert)] = ""
    keys: dict[str, str] = {}
    worker: WorkerSettings = WorkerSettings()

    _warnings: list[str] = PrivateAttr(default_factory=list)

    @property
    def warnings(self) -> list[str]:
        """Sentences about settings that put something at risk."""
        return self._warnings


VARIABLES: Final = {
    f"FLOWTUI_{name.upper()}": name
    for name in ("url", "fsync", "read_only", "interval", "ascii", "theme", "mouse", "alert")
}
"""Environment variable -> setting."""

TEMPLATE: Final = """\
# flowtui's settings. Environment variables (FLOWTUI_URL, FLOWTUI_THEME, ...) and options go before these.

# The engine: redis://, rediss://, unix://, redis+cluster://, redis+sentinel://, embedded:// (the default), memory://
# url = "redis://user:password@localhost:6379/0"

# The embedded engine: "always" loses nothing in a crash of the machine and is slower.
# fsync = "everysec"

# theme = "flow-dark"
# ascii = false
# mouse = true
# read_only = false
# interval = 1.0
# alert = ""             # when a flow ends: "bell", "desktop" (a notice), "failed" (only of failures), or "off"

# [keys]                 # `?` in the app lists the actions
# "compose.add" = "a"

# [worker]
# queues = ["default"]
# concurrency = 100
# lease = 30.0           # seconds a job stays with a worker that has died
# grace = 25.0           # seconds that running jobs get when the worker stops
"""


def config_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the user's settings are: `FLOWTUI_CONFIG`, else `config.toml` in the user's configuration directory."""
    named = environ.get("FLOWTUI_CONFIG")
    if named:
        return Path(named).expanduser()
    import platformdirs

    return platformdirs.user_config_path("flowtui") / "config.toml"


def load_settings(environ: Mapping[str, str] = os.environ, path: Path | None = None) -> Settings:
    """The settings of the user's file and the environment. Raises InvalidSettings."""
    path = path or config_path(environ)
    values, warnings = _file(path)
    from_file = set(values)
    for variable, name in VARIABLES.items():
        text = environ.get(variable, "")
        if text:
            values[name] = text
            from_file.discard(name)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise InvalidSettings(
            "\n".join(_explained(dict(each), path, from_file) for each in error.errors())
        ) from None
    settings._warnings = warnings
    return settings


def init_config(path: Path | None = None) -> Path:
    """Write a private file with every setting in a comment. Raises InvalidSettings if there is one already."""
    path = path or config_path()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except FileExistsError:
        raise InvalidSettings(f"{path} is there already; edit it, or remove it first") from None
    except OSError as error:
        raise InvalidSettings(f"{path} cannot be written: {error.strerror}") from None
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(TEMPLATE)
    return path


def has_password(url: str) -> bool:
    """Whether `url` carries a password."""
    try:
        return urlsplit(url).password is not None or "password=" in url
    except ValueError:
        return True


def _file(path: Path) -> tuple[dict[str, Any], list[str]]:
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            data = file.read(1_000_001)
    except (FileNotFoundError, NotADirectoryError):
        return {}, []
    except OSError as error:
        raise InvalidSettings(f"{path} cannot be read: {error.strerror}") from None
    if os.name == "posix" and (found.st_mode & stat.S_IWOTH or found.st_uid not in (os.getuid(), 0)):
        raise InvalidSettings(
            f"{path} can be written by others, who could so decide where your jobs go; make it yours and chmod 600 it"
        )
    if len(data) > 1_000_000:
        raise InvalidSettings(f"{path} is larger than 1 MB")
    try:
        values = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"{path}: {error}") from None
    warnings = []
    if has_password(str(values.get("url", ""))) and found.st_mode & 0o077 and os.name == "posix":
        warnings.append(f"{path} holds a password and others can read it; chmod 600 {path}")
    return values, warnings


def _explained(error: dict[str, Any], path: Path, from_file: set[str]) -> str:
    keys = [str(step) for step in error["loc"]]
    variable = f"FLOWTUI_{keys[0].upper()}"
    where = str(path) if keys[0] in from_file or variable not in VARIABLES else variable
    name = ".".join(keys)
    if error["type"] == "extra_forbidden":
        known = list(WorkerSettings.model_fields if keys[0] == "worker" else Settings.model_fields)
        close = difflib.get_close_matches(keys[-1], known, 1)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
        return f"{where}: {name}: unknown key; {hint}"
    # The value itself is not shown: it may be a secret in the wrong place.
    said = str(error["msg"]).removeprefix("Value error, ")
    message = said.removeprefix("Input should be ")
    return f"{where}: {name} must be {message}" if message != said else f"{where}: {name}: {message}"
