"""What the commands of the thread protocol do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from drumline_gateway.ask import Ask
from drumline_gateway.auth import refuse_reserved
from drumline_gateway.bodies import Fields
from drumline_gateway.json_values import plain
from drumline_gateway.owners import visible
from drumline_gateway.places import config_at, graph_of, snapshot_of
from drumline_gateway.protocol_words import (
    INVALID,
    NO_CHECKPOINT,
    NO_INTERRUPT,
    NO_NAMESPACE,
    NO_RUN,
    UNKNOWN_COMMAND,
    UNSUPPORTED,
    ProtocolProblem,
    success,
)
from drumline_gateway.service import Row
from drumline_gateway.starting import start
from drumline_gateway.thread_feed import before
from drumline_gateway.thread_filter import read_namespace
from drumline_gateway.thread_tree import agent_tree

#: camelCase keys, as the protocol's text has them, and what both clients send
_SNAKE = {
    "assistantId": "assistant_id",
    "interruptId": "interrupt_id",
    "checkpointId": "checkpoint_id",
    "runId": "run_id",
    "multitaskStrategy": "multitask_strategy",
    "langsmithTracer": "langsmith_tracer",
    "strictResume": "strict_resume",
    "subscriptionId": "subscription_id",
    "lastEventId": "last_event_id",
}
#: what of a command's params a run's body has under the same name
_OF_BODY = ("config", "metadata", "context", "multitask_strategy", "durability", "langsmith_tracer")
RESPONSES_MAX = 1000

#: takes the `Ask` and the params; returns the result, and the number behind which what came of it begins
Command = Callable[[Ask, Fields], Awaitable[tuple[Any, int | None]]]


async def obey(ask: Ask, id_: int | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Do what a command says, to the thread in the path; the answer.

    ProtocolProblem, HttpError, UnknownThread and what starting a run raises.
    """
    if id_ is None or id_ < 0:
        raise ProtocolProblem(INVALID, "id must be a whole number from 0 on.")
    method, params = given.get("method"), given.get("params")
    command = COMMANDS.get(method) if isinstance(method, str) else None
    if command is None:
        await ask.thread_if_there()
        raise ProtocolProblem(UNKNOWN_COMMAND, f"method must be one of {', '.join(COMMANDS)}.")
    if params is not None and not isinstance(params, dict):
        raise ProtocolProblem(INVALID, "params must be an object.")
    return success(id_, *await command(ask, Fields(snake(params or {}), "params")))


def snake(params: Mapping[str, Any]) -> dict[str, Any]:
    """Params under the names that both clients use."""
    return {_SNAKE.get(key, key): value for key, value in params.items()}


# -- runs -------------------------------------------------------------------------------------------------


async def _run_start(ask: Ask, params: Fields) -> tuple[Any, int | None]:
    """Start a run. On a thread that has asked, the input is the answer; on one that is busy, the run waits its turn."""
    row = await ask.thread_if_there()
    body = _given(params, _OF_BODY)
    body |= {"assistant_id": params.all.get("assistant_id"), "if_not_exists": "create"}
    given = params.all.get("input")
    place = Fields(params.dict("config"), "params.config").dict("configurable")
    if row is not None and row["status"] == "paused" and given is not None and not place.get("checkpoint_id"):
        asked = await _questions(ask, row)
        if asked:
            body["command"] = {"resume": dict.fromkeys(asked, given) if len(asked) > 1 else given}
            given = None
    if given is not None:
        body["input"] = given
    return await _begin(ask, body)


async def _respond(ask: Ask, params: Fields) -> tuple[Any, int | None]:
    """Answer one question, or several at once; what else is to be written, and where to go on, is one step with it."""
    row = await ask.thread("update")
    answers = _answers(params)
    known = await _questions(ask, row)
    for each in answers:
        if known is not None and each not in known:
            raise ProtocolProblem(NO_INTERRUPT, f"The thread has no open question {each!r}.")
    command: dict[str, Any] = {"resume": answers, **_given(params, ("update", "goto"))}
    graph = row["graph"] or row["metadata"].get("graph_id")
    if not graph or row["status"] != "paused":
        raise ProtocolProblem(NO_INTERRUPT, "The thread waits for no answer.")
    return await _begin(ask, {**_given(params, _OF_BODY), "assistant_id": graph, "command": command})


def _given(params: Fields, keys: Sequence[str]) -> dict[str, Any]:
    """What the params say under these keys."""
    return {key: params.all[key] for key in keys if params.all.get(key) is not None}


def _answers(params: Fields) -> dict[str, Any]:
    """What is answered, by the ids of the questions."""
    several = params.all.get("responses")
    given: Sequence[Any] = [params.all] if several is None else several
    if not isinstance(given, list) or not 0 < len(given) <= RESPONSES_MAX:
        raise ProtocolProblem(INVALID, f"responses must be a list of 1 to {RESPONSES_MAX} answers.")
    answers: dict[str, Any] = {}
    for one in given:
        fields = Fields(snake(one) if isinstance(one, dict) else one, "params.responses")
        id_ = fields.text("interrupt_id")
        read_namespace(fields.all.get("namespace"))
        if not id_ or id_ in answers:
            raise ProtocolProblem(INVALID, "Each answer names its question by interrupt_id, and each question once.")
        answers[id_] = fields.all.get("response")
    return answers


async def _questions(ask: Ask, row: Row) -> list[str] | None:
    """The ids of the questions that a thread waits with; None where this process does not hold its graph."""
    snapshot = await snapshot_of(ask, row)
    return None if snapshot is None else [str(each.id) for each in snapshot.interrupts]


async def _begin(ask: Ask, body: dict[str, Any]) -> tuple[Any, int | None]:
    started = await start(ask, body)
    run = await ask.service.run(started.run_id, started.thread)
    return {"run_id": started.run_id}, before(run)


async def _inject(ask: Ask, _params: Fields) -> tuple[Any, int | None]:
    """Say something to a graph that runs: there is no way in but the thread's next run."""
    await ask.thread("update")
    raise ProtocolProblem(UNSUPPORTED, "input.inject is not built: run.start gives a busy thread its next input.")


# -- states -----------------------------------------------------------------------------------------------


async def _state_get(ask: Ask, params: Fields) -> tuple[Any, int | None]:
    """The newest values of the thread, or of a graph within."""
    row, namespace = await ask.thread(), read_namespace(params.all.get("namespace"))
    keys = set(params.texts("keys")) if params.all.get("keys") is not None else None
    snapshot = await _snapshot(ask, row, namespace)
    if snapshot is None:
        return {"values": {}}, None
    values = plain(snapshot.values)
    if keys is not None and isinstance(values, dict):
        values = {key: value for key, value in values.items() if key in keys}
    place = snapshot.config["configurable"]
    return {
        "values": values,
        "checkpoint": {"id": place["checkpoint_id"], "ns": place.get("checkpoint_ns") or ""},
    }, None


async def _snapshot(ask: Ask, row: Row, namespace: tuple[str, ...]) -> Any:
    """The newest snapshot at a namespace; None if the thread has none. ProtocolProblem."""
    graph = await graph_of(ask, row)
    if graph is None:
        return None
    place = {"checkpoint_ns": "|".join(namespace)} if namespace else {}
    try:
        snapshot = await graph.aget_state(config_at(row["thread_id"], place))
    except ValueError as error:
        raise ProtocolProblem(NO_NAMESPACE, str(error)) from None
    if snapshot.metadata is None:
        if namespace:
            raise ProtocolProblem(NO_NAMESPACE, f"The thread has nothing under {list(namespace)!r}.")
        return None
    return snapshot


async def _list_checkpoints(ask: Ask, params: Fields) -> tuple[Any, int | None]:
    """Checkpoints of the thread, the newest first."""
    row, namespace = await ask.thread(), read_namespace(params.all.get("namespace"))
    limit, since = params.count("limit", 10), params.text("before")
    graph = await graph_of(ask, row)
    found: list[dict[str, Any]] = []
    if graph is not None and limit:
        place = {"checkpoint_ns": "|".join(namespace)} if namespace else {}
        history = graph.aget_state_history(
            config_at(row["thread_id"], place),
            before=config_at(row["thread_id"], {"checkpoint_id": since}) if since else None,
            limit=limit,
        )
        found = [_checkpoint(snapshot) async for snapshot in history]
    return {"checkpoints": found}, None


def _checkpoint(snapshot: Any) -> dict[str, Any]:
    metadata = visible(plain(snapshot.metadata))
    return {
        "id": snapshot.config["configurable"]["checkpoint_id"],
        "timestamp": snapshot.created_at,
        "step": metadata.get("step", -1),
        "metadata": metadata,
    }


async def _fork(ask: Ask, params: Fields) -> tuple[Any, int | None]:
    """Run the thread from one of its checkpoints: with an input, or as it went on there."""
    row, checkpoint = await ask.thread("update"), params.text("checkpoint_id")
    if not checkpoint:
        raise ProtocolProblem(INVALID, "checkpoint_id is missing.")
    graph = await graph_of(ask, row)
    if graph is None:
        raise ProtocolProblem(NO_CHECKPOINT, "The thread has no checkpoints.")
    snapshot = await graph.aget_state(config_at(row["thread_id"], {"checkpoint_id": checkpoint}))
    if snapshot.metadata is None:
        raise ProtocolProblem(NO_CHECKPOINT, f"The thread has no checkpoint {checkpoint!r}.")
    config = dict(params.dict("config"))
    inner = Fields(config, "params.config").dict("configurable")
    refuse_reserved(inner)
    body: dict[str, Any] = {"config": {**config, "configurable": {**inner, "checkpoint_id": checkpoint}}}
    if params.all.get("input") is not None:
        body["input"] = params.all["input"]
    begun, applied = await _begin(ask, {**body, "assistant_id": row["graph"] or row["metadata"].get("graph_id")})
    return {**begun, "thread_id": row["thread_id"]}, applied


async def _tree(ask: Ask, params: Fields) -> tuple[Any, int | None]:
    """The graphs of a run and how they stand: of that run, or of the thread's newest."""
    row, run_id = await ask.thread(), params.text("run_id")
    runs = await ask.service.runs(row["thread_id"], limit=1)
    run = await ask.service.run(run_id, row["thread_id"]) if run_id else runs[0] if runs else None
    if run is None:
        raise ProtocolProblem(NO_RUN, "The thread has had no run.")
    return {"tree": await agent_tree(ask.service, row["thread_id"], run)}, None


COMMANDS: dict[str, Command] = {
    "run.start": _run_start,
    "input.respond": _respond,
    "input.inject": _inject,
    "state.get": _state_get,
    "state.listCheckpoints": _list_checkpoints,
    "state.fork": _fork,
    "agent.getTree": _tree,
}
