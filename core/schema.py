"""What a flow file may say: its keys, their types and bounds, as pydantic models and as JSON Schema for editors.

After a change: `python -m core.schema > core/flow.schema.json`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from core.durations import PATTERN, parse_duration


def _duration(least: str) -> WithJsonSchema:
    number = {"type": "number", least: 0, "exclusiveMaximum": 1e10}
    text = {"type": "string", "pattern": PATTERN, "examples": ["90s", "5m", "1h30m"]}
    return WithJsonSchema({"anyOf": [number, text]})


Seconds = Annotated[float, BeforeValidator(parse_duration), Field(ge=0, lt=1e10), _duration("minimum")]
MoreSeconds = Annotated[
    float, BeforeValidator(parse_duration), Field(gt=0, lt=1e10), _duration("exclusiveMinimum")
]
Name = Annotated[str, Field(min_length=1, max_length=256)]
Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,128}$")]
Count = Annotated[int, Field(ge=0, le=100_000)]
Module = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class EarlierJob(_Model):
    """A job of an earlier flow in the same queue."""

    id: Id


class Options(_Model):
    """What a job may set, and `defaults` for all jobs of the file."""

    max_retries: Annotated[Count, Field(description="How often it is tried again after a failure.")] = 3
    backoff: Annotated[
        float,
        Field(ge=0, lt=1e10, description="Base of the wait between attempts: backoff ** attempt seconds."),
    ] = 1.5
    timeout: Annotated[MoreSeconds | None, Field(description="How long one attempt may run.")] = None
    ttl: Annotated[
        MoreSeconds | None, Field(description="It expires when it has not started so long after submission.")
    ] = None
    priority: Annotated[int, Field(ge=0, le=255, description="Lower runs first.")] = 5
    max_stalls: Annotated[
        int, Field(ge=1, le=1000, description="How often it may lose its worker before it fails.")
    ] = 3
    cwd: Annotated[str | None, Field(description="Where a `run` step runs.")] = None
    env: Annotated[dict[str, str], Field(description="Added to the environment of a `run` step.")] = {}


class JobSpec(Options):
    """One job."""

    task: Annotated[Name | None, Field(description="The task to call, by its registered name.")] = None
    run: Annotated[
        Annotated[str, Field(min_length=1)] | Annotated[list[str], Field(min_length=1)] | None,
        Field(
            description="A command instead of a task: a text for the shell, or a list of program and arguments."
        ),
    ] = None
    args: Annotated[
        list[Any], Field(description="Positional arguments. ${jobs.NAME.result} takes a result.")
    ] = []
    kwargs: Annotated[dict[str, Any], Field(description="Named arguments.")] = {}
    depends_on: Annotated[
        list[str | EarlierJob],
        Field(description="Names of the jobs it waits for; {id: ...} for earlier flows."),
    ] = []
    trigger: Annotated[
        Literal["all_success", "all_done", "one_success", "one_failed"],
        Field(description="When it starts, over the outcomes of what it waits for."),
    ] = "all_success"
    delay: Annotated[Seconds | None, Field(description="Wait so long once its upstreams are done.")] = None
    repeat_every: Annotated[
        MoreSeconds | None, Field(description="Enqueue a fresh copy at this interval after the first run.")
    ] = None
    group: Annotated[Name | None, Field(description="The frame it is drawn in.")] = None
    description: Annotated[str | None, Field(description="For readers.")] = None

    @model_validator(mode="after")
    def _task_or_run(self) -> JobSpec:
        if (self.task is None) == (self.run is None):
            raise ValueError("a job has either task (the name of a task) or run (a command)")
        if self.run is not None and (self.args or self.kwargs):
            raise ValueError("a run step takes no args and kwargs; write them into the command, or use env")
        if self.run is None and (self.cwd is not None or self.env):
            raise ValueError("cwd and env belong to run steps; pass them in kwargs if the task takes them")
        return self

    @property
    def upstreams(self) -> list[str]:
        """The names in `depends_on`, each once."""
        return list(dict.fromkeys(entry for entry in self.depends_on if isinstance(entry, str)))


class FlowFields(_Model):
    """A flow: jobs by name, and what they wait for."""

    name: Annotated[Name | None, Field(description="The flow's name on screen.")] = None
    description: Annotated[str | None, Field(description="For readers.")] = None
    queue: Annotated[Id, Field(description="The queue its jobs go to.")] = "default"
    imports: Annotated[
        list[Module],
        Field(
            description="Modules that register its tasks. Only `flowtui run` imports them; workers never do."
        ),
    ] = []
    defaults: Annotated[Options, Field(description="For every job that does not say otherwise.")] = Options()
    jobs: Annotated[dict[Name, JobSpec], Field(min_length=1, description="The jobs by name.")]


def json_schema() -> str:
    """The JSON Schema of flow files, as it is shipped in `core/flow.schema.json`."""
    schema = FlowFields.model_json_schema()
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "flowtui flow file",
        **{key: value for key, value in schema.items() if key != "title"},
    }
    schema["properties"] = {"$schema": {"type": "string"}, **schema["properties"]}
    job = schema["$defs"]["JobSpec"]
    none = {"type": "null"}
    job["oneOf"] = [
        {
            "required": ["task"],
            "properties": {"task": {"not": none}, "run": none, "cwd": none, "env": {"maxProperties": 0}},
        },
        {
            "required": ["run"],
            "properties": {
                "run": {"not": none},
                "task": none,
                "args": {"maxItems": 0},
                "kwargs": {"maxProperties": 0},
            },
        },
    ]
    return json.dumps(_untitled(schema), indent=2) + "\n"


def _untitled(schema: Any) -> Any:
    """Without the titles that pydantic makes from the names: editors would show them instead of the descriptions."""
    if isinstance(schema, dict):
        return {
            key: _untitled(value)
            for key, value in schema.items()
            if not (key == "title" and isinstance(value, str) and value != "flowtui flow file")
        }
    return [_untitled(value) for value in schema] if isinstance(schema, list) else schema


SCHEMA_PATH: Final = Path(__file__).with_name("flow.schema.json")


if __name__ == "__main__":
    import sys

    sys.stdout.write(json_schema())
