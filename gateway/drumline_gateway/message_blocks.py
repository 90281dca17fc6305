"""Messages as they grow, in the words of the thread protocol: blocks that begin, grow and end, one after another. Pure.

A model may tell two calls of tools at once, a piece of one and a piece of the other. The protocol has one block of a
message open at a time, so what else comes waits until the arguments of the open call are complete. Text that goes on
behind another block is a block of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Data = dict[str, Any]

TEXT, REASONING, CALL = "text", "reasoning", "tool_call"

#: kinds of messages that are told, and who speaks in them; results of tools are told by their own channel
_ROLES = {
    "ai": "ai",
    "assistant": "ai",
    "AIMessageChunk": "ai",
    "human": "human",
    "user": "human",
    "HumanMessageChunk": "human",
    "system": "system",
    "developer": "system",
    "SystemMessageChunk": "system",
}
#: blocks of content that say again what a message's calls say
_OF_CALLS = frozenset(("tool_use", "input_json_delta", "tool_call", "tool_call_chunk", "function_call"))
_WHOLE = frozenset(("image", "video", "audio", "file", "non_standard", "server_tool_call", "server_tool_result"))
#: fields of a block that its end brings, and its beginning does not
_HEAVY = frozenset(("args", "data", "base64", "output", "value", "transcript"))
#: what is told of a message's metadata where it is text, a number or a truth
_METADATA = {"langgraph_node": "langgraph_node", "langgraph_step": "langgraph_step", "ls_provider": "provider",
             "ls_model_name": "model", "ls_model_type": "model_type"}  # fmt: skip


@dataclass(slots=True)
class _Block:
    """A block that is open, or waits for its turn."""

    kind: str
    key: Any
    index: int = -1
    text: str = ""
    call_id: Any = None
    name: Any = None

    def add(self, text: str, call_id: Any = None, name: Any = None) -> None:
        self.text += text
        self.call_id = self.call_id or call_id
        self.name = self.name or name


@dataclass(slots=True)
class _Message:
    id: str
    run_id: str
    #: the task that it comes of: the namespace of a graph in it, and the name of its node
    task: tuple[str, str]
    ns: tuple[str, ...]
    open: _Block | None = None
    waiting: list[_Block] = field(default_factory=list)
    blocks: int = 0
    usage: Data | None = None
    metadata: Data = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Told:
    """One event of a message: what it says, under which namespace, and of which node."""

    ns: tuple[str, ...]
    node: str
    data: Data


class MessageBlocks:
    """Tells the messages of a run, in order; each that begins ends with its last chunk, its task, or the run."""

    def __init__(self) -> None:
        self._open: dict[str, _Message] = {}
        self._unnamed = 0

    def add(self, ns: Sequence[str], fields: Any, metadata: Mapping[str, Any]) -> Iterator[Told]:
        """A message or a chunk of one, as JSON has it, and its metadata."""
        kind = str(fields.get("type") or fields.get("role") or "") if isinstance(fields, dict) else ""
        role = _ROLES.get(kind)
        if role is None:
            return
        id_ = str(fields.get("id") or "")
        if not id_:
            self._unnamed += 1
            id_ = f"message-{self._unnamed}"
        message = self._open.get(id_)
        if message is None:
            task = (str(metadata.get("langgraph_checkpoint_ns") or ""), str(metadata.get("langgraph_node") or ""))
            message = self._open[id_] = _Message(id_, _run_of(id_), task, tuple(ns))
            yield self._told(message, "message-start", role=role, metadata=_concise(metadata))
        yield from self._contents(message, fields)
        _note(message, fields)
        if not kind.endswith("Chunk") or fields.get("chunk_position") == "last":
            yield from self._finish(message)

    def task_over(self, task: str, node: str = "", failed: str = "") -> Iterator[Told]:
        """A task has ended: its messages end, or break off if what it has said does not count."""
        for message in [one for one in self._open.values() if _is_of(one.task, task, node)]:
            if failed:
                del self._open[message.id]
                yield self._told(message, "error", message=failed, code="retracted")
            else:
                yield from self._finish(message)

    def end(self) -> Iterator[Told]:
        """The run has ended."""
        for message in list(self._open.values()):
            yield from self._finish(message)

    # -- contents -----------------------------------------------------------------------------------

    def _contents(self, message: _Message, fields: Mapping[str, Any]) -> Iterator[Told]:
        further = fields.get("additional_kwargs")
        thought = further.get("reasoning_content") if isinstance(further, dict) else None
        if isinstance(thought, str) and thought:
            yield from self._grow(message, REASONING, None, thought)
        content = fields.get("content")
        for block in content if isinstance(content, list) else [content]:
            yield from self._content(message, block)
        calls = fields.get("tool_call_chunks") or fields.get("tool_calls")
        for number, call in enumerate(calls if isinstance(calls, list) else ()):
            if isinstance(call, dict):
                yield from self._call(message, call, number)

    def _content(self, message: _Message, block: Any) -> Iterator[Told]:
        if isinstance(block, str):
            if block:
                yield from self._grow(message, TEXT, None, block)
            return
        kind = block.get("type") if isinstance(block, dict) else None
        if kind in ("text", "output_text"):
            yield from self._grow(message, TEXT, block.get("index"), str(block.get("text") or ""))
        elif kind in ("reasoning", "thinking"):
            text = str(block.get("reasoning") or block.get("thinking") or "")
            yield from self._grow(message, REASONING, block.get("index"), text)
        elif kind is not None and kind not in _OF_CALLS:
            yield from self._settle(message)
            whole = block if kind in _WHOLE else {"type": "non_standard", "value": block}
            index, message.blocks = message.blocks, message.blocks + 1
            light = {key: value for key, value in whole.items() if key not in _HEAVY}
            if kind not in _WHOLE or kind == "non_standard":
                light["value"] = {}
            elif kind == "server_tool_call":
                light["args"] = {}
            yield self._told(message, "content-block-start", index=index, content=light)
            yield self._told(message, "content-block-finish", index=index, content=whole)

    def _grow(self, message: _Message, kind: str, key: Any, text: str) -> Iterator[Told]:
        if not text:
            return
        block = message.open
        if block is not None and block.kind == CALL and not _is_complete(block.text):
            waits = message.waiting[-1] if message.waiting else None
            if waits is None or (waits.kind, waits.key) != (kind, key):
                waits = _Block(kind, key)
                message.waiting.append(waits)
            waits.add(text)
            return
        if block is None or block.kind != kind or (key is not None and block.key != key):
            yield from self._settle(message)
            block = _Block(kind, key)
            yield from self._start(message, block)
        block.add(text)
        yield self._delta(message, block, text)

    def _call(self, message: _Message, call: Mapping[str, Any], number: int) -> Iterator[Told]:
        """A call of a tool, or a piece of one: the first piece has the id and the name."""
        key, id_ = call.get("index"), call.get("id")
        if key is None:  # a model that numbers no pieces sends each call whole, or names it in each piece
            last = message.waiting[-1] if message.waiting else message.open
            key = id_ or (last.key if last is not None and last.kind == CALL else number)
        given = call.get("args")
        text = given if isinstance(given, str) else "" if given is None else _dumps(given)
        block = message.open
        if block is not None and block.kind == CALL and block.key == key:
            yield from self._piece(message, block, text, id_, call.get("name"))
            return
        if block is not None and block.kind == CALL and not _is_complete(block.text):
            waits = next((one for one in message.waiting if one.kind == CALL and one.key == key), None)
            if waits is None:
                waits = _Block(CALL, key)
                message.waiting.append(waits)
            waits.add(text, id_, call.get("name"))
            return
        yield from self._stop(message)
        yield from self._next(message)
        if message.open is not None:  # one that waited, and is not complete
            yield from self._call(message, call, number)
            return
        started = _Block(CALL, key, call_id=id_, name=call.get("name"))
        yield from self._start(message, started)
        yield from self._piece(message, started, text, None, None)

    def _piece(self, message: _Message, block: _Block, text: str, id_: Any, name: Any) -> Iterator[Told]:
        block.add(text, id_, name)
        if text:
            yield self._delta(message, block, text)
        if message.waiting and _is_complete(block.text):
            yield from self._stop(message)
            yield from self._next(message)

    # -- one block after another --------------------------------------------------------------------

    def _next(self, message: _Message) -> Iterator[Told]:
        """Tell what has waited: all that is complete, and the first that is not."""
        while message.waiting and message.open is None:
            block = message.waiting.pop(0)
            yield from self._start(message, block)
            if block.text:
                yield self._delta(message, block, block.text)
            if message.waiting and (block.kind != CALL or _is_complete(block.text)):
                yield from self._stop(message)

    def _settle(self, message: _Message) -> Iterator[Told]:
        """Nothing is open any more, and nothing waits."""
        yield from self._stop(message)
        while message.waiting:
            yield from self._next(message)
            yield from self._stop(message)

    def _start(self, message: _Message, block: _Block) -> Iterator[Told]:
        block.index, message.blocks = message.blocks, message.blocks + 1
        message.open = block
        content: Data = {"type": block.kind, block.kind: ""}
        if block.kind == CALL:
            content = {"type": "tool_call_chunk", "id": block.call_id, "name": block.name, "args": ""}
        yield self._told(message, "content-block-start", index=block.index, content=content)

    def _stop(self, message: _Message) -> Iterator[Told]:
        block, message.open = message.open, None
        if block is not None:
            yield self._told(message, "content-block-finish", index=block.index, content=_finished(block))

    def _finish(self, message: _Message) -> Iterator[Told]:
        yield from self._settle(message)
        del self._open[message.id]
        last: Data = {"metadata": message.metadata} if message.metadata else {}
        if message.usage is not None:
            last["usage"] = message.usage
        reason = message.metadata.get("finish_reason") or message.metadata.get("stop_reason")
        if isinstance(reason, str):
            last["reason"] = reason
        yield self._told(message, "message-finish", **last)

    def _delta(self, message: _Message, block: _Block, text: str) -> Told:
        delta = {"type": f"{block.kind}-delta", block.kind: text}
        if block.kind == CALL:
            delta = {"type": "tool-call-delta", "args": text}
        return self._told(message, "content-block-delta", index=block.index, delta=delta)

    @staticmethod
    def _told(of: _Message, event: str, **rest: Any) -> Told:
        # Python's client finds the message by `id`; JavaScript's by `run_id`, which must differ for each message.
        return Told(of.ns, of.task[1], {"event": event, "id": of.id, "run_id": of.run_id, **rest})


def _run_of(id_: str) -> str:
    """The run of the model, whose id a streamed message has for its own."""
    for prefix in ("lc_run--", "run--", "run-"):
        if id_.startswith(prefix):
            return id_.removeprefix(prefix)
    return id_


def _is_of(task: tuple[str, str], id_: str, node: str) -> bool:
    """Whether a message of that task is of the one with this id: by its namespace, or where it has none by its node."""
    ns, name = task
    return ns.rpartition(":")[2] == id_ if ns else bool(node) and name == node


def _concise(metadata: Mapping[str, Any]) -> Data:
    told = {name: metadata.get(key) for key, name in _METADATA.items()}
    return {name: value for name, value in told.items() if isinstance(value, (str, int, float, bool))}


def _note(message: _Message, fields: Mapping[str, Any]) -> None:
    """What the end of a message tells."""
    given = fields.get("response_metadata")
    if isinstance(given, dict):
        message.metadata.update(given)
    usage = fields.get("usage_metadata")
    if isinstance(usage, dict):
        message.usage = _sum(message.usage, usage)


def _sum(one: Data | None, other: Data) -> Data:
    total = dict(one or {})
    for key, value in other.items():
        before = total.get(key)
        if isinstance(value, dict):
            total[key] = _sum(before if isinstance(before, dict) else None, value)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            total[key] = (before if isinstance(before, (int, float)) else 0) + value
        else:
            total[key] = value
    return total


def _finished(block: _Block) -> Data:
    if block.kind != CALL:
        return {"type": block.kind, block.kind: block.text}
    try:
        args = json.loads(block.text or "{}")
    except ValueError:
        args = None
    if isinstance(args, dict):
        return {"type": CALL, "id": block.call_id, "name": block.name or "", "args": args}
    error = "the arguments are no JSON object"
    return {"type": "invalid_tool_call", "id": block.call_id, "name": block.name, "args": block.text, "error": error}


def _is_complete(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
