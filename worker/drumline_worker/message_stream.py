"""Messages that a node emits itself, without LangChain's callbacks: from any client of any model.

What `drumline.messages` and `push_message` do. Ids depend on the task and on the order of the calls, so a second
attempt that says the same says it byte for byte.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from drumline_graph.message_ids import base_message, namespace_of
from drumline_graph.message_types import Message, MessageChunk
from drumline_protocol.message_kinds import CHUNK, WHOLE
from drumline_worker.context import TaskContext, current_task
from drumline_worker.model_call import ModelCall


class MessageStream:
    """A message that grows token by token. Made by `start()`; any thread may write to it.

    It belongs to its task: what is written after the node's result is left out, as with the stream writer.
    """

    def __init__(self, id: str, role: str, call: ModelCall | None) -> None:
        self._id = id
        self._role = role
        self._call = call
        self._parts: list[str] = []
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"MessageStream(id={self._id!r}, role={self._role!r}, content={self.content!r})"

    @property
    def id(self) -> str:
        """Id of the message and of each of its chunks."""
        return self._id

    @property
    def role(self) -> str:
        """Role of who speaks."""
        return self._role

    @property
    def content(self) -> str:
        """All that was written so far."""
        return "".join(self._parts)

    def write(self, text: str) -> None:
        """Add a token: a `MessageChunk` on the `messages` stream, at once. An empty one adds nothing.

        TypeError if it is no str; WriterBlocked if the broker takes nothing for too long.
        """
        if not isinstance(text, str):
            raise TypeError(
                f"write() takes a token as str, not {type(text).__name__}. Give the delta's text "
                "(and leave out deltas whose content is None)."
            )
        if not text:
            return
        with self._lock:
            self._parts.append(text)
            if self._call is not None:
                self._call.put(CHUNK, MessageChunk(self._id, self._role, text))

    def message(self) -> dict[str, Any]:
        """The whole message for the state: `{"role", "content", "id"}`.

        It has the id of the chunks, so a node that returns it shows nothing twice.
        """
        return {"role": self._role, "content": self.content, "id": self._id}


def start(
    *,
    role: str = "assistant",
    id: str | None = None,
    tags: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
) -> MessageStream:
    """Begin a message that is streamed token by token, on the `messages` stream of the running task.

    Items are `(MessageChunk, metadata)`; the metadata are those that a LangChain model called here would have, without
    what LangChain adds, and with `metadata` and `tags` (left out if there are none). If nobody asked for `messages` the
    tokens are only gathered. RuntimeError outside of a node.
    """
    context = current_task("drumline.messages.start()")
    return MessageStream(id or _next_id(context), role, _call(context, tags, metadata))


def emit(message: Any, *, tags: Sequence[str] = (), metadata: Mapping[str, Any] | None = None) -> Any:
    """Put a message on the `messages` stream of the running task, once: a whole one whose id was shown is left out.

    `message` is a dict `{"role", "content"[, "id", ...]}`, a `Message`, a `MessageChunk`, or a message or chunk of
    LangChain. Returns what a node may return for its state: the same, with an id if it had none (objects get it in
    place). ValueError if it is none of these; RuntimeError outside of a node.
    """
    context = current_task("drumline.messages.emit()")
    if isinstance(message, dict):
        shown: Any = as_message(message, _next_id(context))
        message = shown.as_dict()
    elif isinstance(message, (Message, MessageChunk)) or _is_langchain(message):
        shown = message
        if not shown.id:
            shown.id = _next_id(context)
    else:
        raise ValueError(
            f"{message!r} is no message. Give a dict with 'role' and 'content', a Message, or an object of "
            "langchain-core; for tokens use start() and write()."
        )
    call = _call(context, tags, metadata)
    if call is not None:
        call.put(CHUNK if type(shown).__name__.endswith("Chunk") else WHOLE, shown)
    return message


def push_message(message: Any, *, state_key: str | None = "messages") -> Any:
    """Show a message on the `messages` stream now, and write it to `state_key` before what the node returns.

    LangGraph's `push_message`: the message must have an id (ValueError), it is shown even if its id was shown before,
    and `state_key=None` writes nothing. Returns the message: LangChain's class of it, or a dict where langchain-core is
    not installed. ValueError also for a key that the graph does not have; RuntimeError outside of a node.
    """
    context = current_task("push_message()")
    job = context.job
    shown: Any
    try:
        from langchain_core.messages import convert_to_messages

        shown = written = convert_to_messages([message])[0]
    except ImportError:
        shown = as_message(message, "")
        written = shown.as_dict()
    if not shown.id:
        raise ValueError("Message ID is required by push_message(): with it the state can replace the message")
    if state_key is not None and state_key not in job.program.channels:
        known = ", ".join(sorted(job.program.state_keys))
        raise ValueError(f"push_message(state_key={state_key!r}): the keys of graph {job.program.name!r} are {known}")
    call = _call(context, (), None)
    if call is not None:
        call.put(CHUNK, shown)  # as a chunk: whatever was shown before
    if state_key is not None:
        job.pushed = [*(job.pushed or ()), (state_key, written)]
    return written


def as_message(given: Any, id: str) -> Message:
    """The message of a dict; `id` if it has none. ValueError if it is none."""
    if not isinstance(given, dict) or not ("role" in given or "type" in given) or "content" not in given:
        raise ValueError(f"{given!r} is no message: a dict needs 'role' and 'content'")
    rest = {key: value for key, value in given.items() if key not in ("role", "content", "id")}
    return Message(given.get("id") or id, given.get("role") or rest.pop("type"), given["content"], rest)


def _is_langchain(message: Any) -> bool:
    base = base_message()
    return base is not None and isinstance(message, base)


def _next_id(context: TaskContext) -> str:
    return str(uuid.uuid5(namespace_of(context.job.task), f"emitted {next(context.emitted)}"))


def _call(context: TaskContext, tags: Sequence[str], metadata: Mapping[str, Any] | None) -> ModelCall | None:
    """Where messages go; None if nobody asked for them."""
    job = context.job
    if "messages" not in job.shared.recorded or not job.is_heard:
        return None
    told = {**context.metadata(), **(metadata or {})}
    if tags:
        told["tags"] = list(tags)
    return ModelCall(job.emit, next(context.model_calls), told, tags=tags)
