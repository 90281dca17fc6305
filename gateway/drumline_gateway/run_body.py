"""The body of a request that starts a run: what is asked for, and what of it has no effect here."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from drumline_gateway.auth import refuse_reserved
from drumline_gateway.bodies import Fields
from drumline_gateway.errors import HttpError, bad
from drumline_gateway.json_input import read_state
from drumline_graph.constants import END
from drumline_graph.types import Command, Send
from drumline_protocol.requests import after_ms_of
from drumline_protocol.threads import STRATEGIES

#: read by a feature that LangSmith has and nobody else; or without effect on runs that are kept as a log
_WITHOUT_EFFECT = ("webhook", "feedback_keys", "langsmith_tracer", "on_completion", "strict_resume")
#: read for a run on a thread, and without effect for one on none
_OF_THREADS = ("multitask_strategy", "if_not_exists", "checkpoint", "checkpoint_id", "checkpoint_during", "durability")
#: keys of a body that say where in a thread a run begins
_PLACE = ("checkpoint_ns", "checkpoint_id", "checkpoint_map")
#: keys of `configurable` that the path of a request says, and never its body
_OF_PATH = ("thread_id", "run_id")
_DURABILITIES = ("sync", "async", "exit")


@dataclass(slots=True)
class RunBody:
    """A body, read, but for its stream modes."""

    input: Any = None
    config: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    subgraphs: bool = False
    stops_before: Any = None
    stops_after: Any = None
    strategy: str = "enqueue"
    makes_thread: bool = False
    #: what still is to do on the thread is dropped, in place of an input: `command: {goto: "__end__"}`
    gives_up: bool = False
    cancels: bool = False
    durability: str | None = None
    after_seconds: float = 0
    #: keys that are accepted without effect
    ignored: list[str] = field(default_factory=list)

    def is_on_no_thread(self, given: Any) -> None:
        """What `given`, the body, says of its thread is without effect."""
        self.ignored += [key for key in _OF_THREADS if given.get(key) is not None and key not in self.ignored]


def assistant_in(given: Any) -> str:
    """The assistant that a body names. HttpError 422."""
    found = Fields(given).text("assistant_id")
    if not found:
        raise bad("assistant_id is missing: the id of an assistant, or the name of a graph.")
    return found


def read_run_body(given: Any, graph: Any, ignored: Collection[str]) -> RunBody:
    """Read a body. HttpError 422 says which key is wrong, 501 for what is not built.

    `graph` is the one to be run, if this process holds it (else None); `ignored` are keys without effect where the run
    will run. Unknown keys are passed over.
    """
    fields = Fields(given)
    body = RunBody(
        subgraphs=fields.flag("stream_subgraphs"),
        metadata=dict(fields.dict("metadata")),
        stops_before=_stops(fields, "interrupt_before", graph),
        stops_after=_stops(fields, "interrupt_after", graph),
        strategy=fields.choice("multitask_strategy", STRATEGIES, "enqueue"),
        makes_thread=fields.choice("if_not_exists", ("create", "reject"), "reject") == "create",
        cancels=fields.choice("on_disconnect", ("cancel", "continue"), "continue") == "cancel",
        durability=_durability(fields),
        after_seconds=_after(fields),
        ignored=[key for key in _WITHOUT_EFFECT if fields.all.get(key)],
    )
    if body.durability and "durability" in ignored:
        body.ignored.append("durability")
    _read_config(fields, body, graph)
    _read_input(fields, body, graph)
    return body


def _stops(fields: Fields, key: str, graph: Any) -> Any:
    given = fields.all.get(key)
    if given is None or given == "*":
        return given
    names = fields.texts(key)
    strange = [name for name in names if graph is not None and name not in graph.nodes]
    if graph is not None and strange:
        raise bad(f"{key} names {strange[0]!r}, and graph {graph.name!r} has no such node.")
    return names


def _after(fields: Fields) -> float:
    given = fields.all.get("after_seconds")
    try:
        after_ms_of(given or 0)
    except ValueError as error:
        raise bad(f"{error}.") from None
    return given or 0


def _durability(fields: Fields) -> str | None:
    asked = fields.choice("durability", _DURABILITIES)
    if asked:
        return asked
    if fields.all.get("checkpoint_during") is None:
        return None
    return "async" if fields.flag("checkpoint_during") else "exit"


def _read_config(fields: Fields, body: RunBody, graph: Any) -> None:
    given = Fields(fields.dict("config"), "config")
    context = fields.dict("context")
    refuse_reserved(context)  # it is merged into `configurable`
    configurable = dict(given.dict("configurable"))
    for key in _OF_PATH:
        configurable.pop(key, None)
    if "tags" in given.all:
        body.config["tags"] = given.texts("tags")
    if given.all.get("recursion_limit") is not None:
        body.config["recursion_limit"] = given.count("recursion_limit", 0, 1_000_000)
    if given.all.get("max_concurrency") is not None:
        body.config["max_concurrency"] = given.count("max_concurrency", 0, 1_000_000)
    body.metadata = {**given.dict("metadata"), **body.metadata}
    checkpoint = Fields(fields.dict("checkpoint"), "checkpoint")
    place: dict[str, Any] = {key: checkpoint.text(key) for key in _PLACE[:2] if checkpoint.text(key)}
    if checkpoint.dict("checkpoint_map"):
        place["checkpoint_map"] = checkpoint.dict("checkpoint_map")
    if fields.text("checkpoint_id"):
        place.setdefault("checkpoint_id", fields.text("checkpoint_id"))
    merged = {key: value for key, value in context.items() if key not in _OF_PATH}
    body.config["configurable"] = {**merged, **configurable, **place}
    body.context = _context(context, configurable, graph)


def _context(context: dict[str, Any], configurable: dict[str, Any], graph: Any) -> dict[str, Any] | None:
    """What nodes find as their context: what was sent as such, and what `configurable` says in place of it."""
    schema = None if graph is None else graph.get_context_jsonschema()
    if schema is None:
        return context or None
    named = schema.get("properties", {})
    merged = {**context, **{key: value for key, value in configurable.items() if key in named}}
    return merged or None


def _read_input(fields: Fields, body: RunBody, graph: Any) -> None:
    command = fields.all.get("command")
    given = fields.all.get("input")
    if command is None:
        body.input = None if given is None else _read(None if graph is None else graph.InputType, given, "input")
        return
    if given not in (None, {}):  # CopilotKit's agent sends the messages that it has beside each command
        body.ignored.append("input")
    asked = fields.dict("command")
    if asked.get("goto") in (END, [END]) and asked.get("update") is None and asked.get("resume") is None:
        body.gives_up = True
        return
    body.input = command_in(asked, graph, "command")


def command_in(given: dict[str, Any], graph: Any, where: str) -> Command[Any]:
    """A command as a client writes it. HttpError 422."""
    asked = Fields(given, where)
    update, goto = asked.all.get("update"), asked.all.get("goto")
    if not any(asked.all.get(key) is not None for key in ("update", "resume", "goto")):
        raise bad(f"{where} names none of update, resume and goto.")
    parts = goto if isinstance(goto, list) else [] if goto is None else [goto]
    return Command(
        update=None if update is None else _read(_state_schema(graph), update, f"{where}.update"),
        resume=asked.all.get("resume"),
        goto=[_goto(part, f"{where}.goto") for part in parts],
    )


def _state_schema(graph: Any) -> Any:
    return None if graph is None else graph.program.state_schema


def _goto(given: Any, where: str) -> Any:
    if isinstance(given, str):
        return given
    if isinstance(given, dict) and isinstance(given.get("node"), str):
        return Send(given["node"], _read(None, given.get("input"), f"{where}.input"))
    raise bad(f"{where} is the name of a node, {{node, input}}, or a list of these.")


def _read(schema: Any, data: Any, where: str) -> Any:
    try:
        return read_state(schema, data, where)
    except HttpError:
        raise
    except ValueError as error:
        raise bad(str(error)) from None
