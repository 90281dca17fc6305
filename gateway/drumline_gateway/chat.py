"""Items of a run as the parts of a chat: texts that grow, calls of tools, steps, states. Pure.

What AG-UI and the AI SDK have in common: each part has an id, begins, grows and ends. `agui` and `vercel` say these in
the words of their clients.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drumline_gateway.json_values import dumps, plain
from drumline_gateway.service import Item

#: the modes in which a run must be read
MODES = ("messages", "tasks", "values", "custom")

TEXT, REASONING = "text", "reasoning"


@dataclass(frozen=True, slots=True)
class Part:
    """`kind` is `text`, `reasoning` or `call` with `-start`, `-delta` or `-end`; `result`, `step-start`, `step-end`,
    `values`, `custom` or `retracted`. `id` is that of the message or call, `name` that of the tool or node.
    """

    kind: str
    id: str = ""
    name: str = ""
    text: str = ""
    data: Any = None


@dataclass(slots=True)
class _Message:
    """A message that is not complete."""

    id: str
    #: the task that it comes of, as its metadata tell: the namespace of a graph in it, and the name of its node
    task: tuple[str, str]
    #: text or reasoning that has begun and not ended: its kind, and its number among those of the message
    growing: str = ""
    #: calls that have begun and not ended, by the index that chunks name them with
    calls: dict[Any, str] = field(default_factory=dict)


class Chat:
    """Tells the parts of a run, in order; each that begins ends before `end` is over."""

    def __init__(self) -> None:
        self._open: dict[str, _Message] = {}
        self._steps: Counter[str] = Counter()
        self._running: dict[str, str] = {}
        #: names of calls that were told, and what has come of their arguments
        self._names: dict[str, str] = {}
        self._arguments: dict[str, str] = {}
        self._parts = 0

    def item(self, item: Item) -> Iterator[Part]:
        """What an item adds."""
        if item.mode == "messages":
            message, metadata = item.data
            task = (str(metadata.get("langgraph_checkpoint_ns") or ""), str(metadata.get("langgraph_node") or ""))
            yield from self._message(plain(message), task)
        elif item.mode == "tasks":
            yield from self._task(item.data, item.ns)
        elif item.mode in ("values", "custom", "retracted"):
            yield Part(item.mode, data=item)

    def end(self) -> Iterator[Part]:
        """What has begun ends."""
        for message in list(self._open.values()):
            yield from self._close(message)
        for name in list(self._steps):
            yield Part("step-end", name=name)
        self._steps.clear()

    def grows(self, *, but: str) -> bool:
        """Whether there are messages that are not complete, beside one."""
        return any(id_ != but for id_ in self._open)

    # -- messages -----------------------------------------------------------------------------------

    def _message(self, fields: Any, task: tuple[str, str]) -> Iterator[Part]:
        kind = str(fields.get("type") or fields.get("role") or "") if isinstance(fields, dict) else ""
        if kind in ("tool", "ToolMessageChunk"):
            yield from self._result(fields)
        elif kind in ("ai", "assistant", "AIMessageChunk"):
            id_ = str(fields.get("id") or f"message-{len(self._names) + self._parts}")
            message = self._open.setdefault(id_, _Message(id_, task))
            yield from self._contents(message, fields)
            if kind != "AIMessageChunk" or fields.get("chunk_position") == "last":
                yield from self._close(message)

    def _contents(self, message: _Message, fields: Mapping[str, Any]) -> Iterator[Part]:
        further = fields.get("additional_kwargs")
        thought = further.get("reasoning_content") if isinstance(further, dict) else None
        if isinstance(thought, str):
            yield from self._grow(message, REASONING, thought)
        for kind, text in _texts(fields.get("content")):
            yield from self._grow(message, kind, text)
        calls = fields.get("tool_call_chunks") or fields.get("tool_calls")
        for number, call in enumerate(calls if isinstance(calls, list) else ()):
            if isinstance(call, dict):
                yield from self._call(message, call, number)

    def _grow(self, message: _Message, kind: str, text: str) -> Iterator[Part]:
        if not text:
            return
        if not message.growing.startswith(kind):
            yield from self._stop_growing(message)
            self._parts += 1
            message.growing = f"{kind} {self._parts}"
            yield Part(f"{kind}-start", message.id, data=self._parts)
        yield Part(f"{kind}-delta", message.id, text=text, data=int(message.growing.split()[1]))

    @staticmethod
    def _stop_growing(message: _Message) -> Iterator[Part]:
        if message.growing:
            kind, number = message.growing.split()
            message.growing = ""
            yield Part(f"{kind}-end", message.id, data=int(number))

    def _call(self, message: _Message, call: Mapping[str, Any], number: int) -> Iterator[Part]:
        """A call of a tool, or a piece of one: the first piece has the id and the name."""
        index = call.get("index")
        if index is None:  # a model that numbers no pieces sends each call whole, or names it in each piece
            index = call.get("id") or next(reversed(message.calls), number)
        id_ = call.get("id") or message.calls.get(index)
        if id_ is None or (index not in message.calls and id_ in self._names):
            return  # a piece of a call that has no beginning, or one that was told
        if index not in message.calls:
            yield from self._stop_growing(message)
            message.calls[index] = id_
            self._names[id_] = str(call.get("name") or "")
            self._arguments[id_] = ""
            yield Part("call-start", id_, self._names[id_], data=message.id)
        given = call.get("args")
        text = given if isinstance(given, str) else "" if given is None else dumps(given).decode()
        if text:
            self._arguments[id_] += text
            yield Part("call-delta", id_, self._names[id_], text)

    def _close(self, message: _Message) -> Iterator[Part]:
        yield from self._stop_growing(message)
        for id_ in message.calls.values():
            yield Part("call-end", id_, self._names[id_], data=_read(self._arguments.pop(id_, "")))
        message.calls = {}
        self._open.pop(message.id, None)

    def _result(self, fields: Mapping[str, Any]) -> Iterator[Part]:
        id_ = str(fields.get("tool_call_id") or "")
        for message in list(self._open.values()):
            if id_ in message.calls.values():
                yield from self._close(message)
        if id_ not in self._names:  # the call was told in an earlier run
            self._names[id_] = str(fields.get("name") or "")
            yield Part("call-start", id_, self._names[id_], data="")
            yield Part("call-end", id_, self._names[id_], data={})
        content = fields.get("content")
        text = content if isinstance(content, str) else "".join(text for _, text in _texts(content))
        yield Part("result", id_, self._names[id_], text, fields)

    # -- steps --------------------------------------------------------------------------------------

    def _task(self, payload: Mapping[str, Any], ns: tuple[str, ...]) -> Iterator[Part]:
        """A task begins or ends. Tasks of one name are one step, for as long as one of them runs."""
        id_ = str(payload.get("id"))
        if "result" not in payload and "error" not in payload:
            name = "/".join([*(step.partition(":")[0] for step in ns), str(payload.get("name"))])
            self._running[id_] = name
            self._steps[name] += 1
            if self._steps[name] == 1:
                yield Part("step-start", name=name)
            return
        ended = self._running.pop(id_, None)
        for message in [one for one in self._open.values() if _is_of(one.task, id_, str(payload.get("name")))]:
            yield from self._close(message)
        if ended is not None and self._steps[ended]:
            self._steps[ended] -= 1
            if not self._steps[ended]:
                del self._steps[ended]
                yield Part("step-end", name=ended)


def _is_of(task: tuple[str, str], id_: str, name: str) -> bool:
    """Whether a message of that task is of the one with this id: by its namespace, or where it has none by its node."""
    ns, node = task
    return ns.rpartition(":")[2] == id_ if ns else node == name


def _texts(content: Any) -> Iterator[tuple[str, str]]:
    """Texts and thoughts of a message's content: text, or a list of blocks."""
    blocks: Sequence[Any] = content if isinstance(content, list) else [content]
    for block in blocks:
        if isinstance(block, str):
            yield TEXT, block
        elif isinstance(block, dict) and block.get("type") in ("text", "output_text"):
            yield TEXT, str(block.get("text") or "")
        elif isinstance(block, dict) and block.get("type") in ("reasoning", "thinking"):
            yield REASONING, str(block.get("reasoning") or block.get("thinking") or "")


def _read(arguments: str) -> Any:
    """The arguments of a call; as text, if a model wrote something else than JSON."""
    try:
        return json.loads(arguments or "{}")
    except ValueError:
        return arguments
