"""Tokens of LangChain's chat models, by its callbacks (docs/semantics.md §4).

This module imports langchain-core, which is slow and may be missing. It is imported only when a run records `messages`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, LLMResult

from drumline_graph.constants import TAG_HIDDEN, TAG_NOSTREAM
from drumline_graph.message_ids import identify, messages_in_fields
from drumline_graph.returned import returned_messages
from drumline_protocol.facts import MESSAGE
from drumline_protocol.message_kinds import CHUNK, GIVEN, OUTPUT, WHOLE
from drumline_worker.job import Emit
from drumline_worker.model_call import ModelCall
from drumline_worker.task_handler import TaskHandler

#: tags that LangChain itself gives to the parts of a sequence
_INTERNAL_TAG = "seq:step"


class LifeHandler(BaseCallbackHandler):
    """Calls `touch` whenever LangChain tells of anything that runs below the config it is attached to."""

    run_inline = True

    def __init__(self, touch: Callable[[], None]) -> None:
        def hear(*_args: Any, **_kwargs: Any) -> None:
            touch()

        for name in _EVENTS:
            setattr(self, name, hear)


#: what LangChain's callbacks may tell
_EVENTS = [name for name in dir(BaseCallbackHandler) if name.startswith("on_")]


class TokenHandler(TaskHandler):
    """Hears every chat model that runs below the config it is attached to, and emits what the models say.

    One for each attempt of a task. With `commands` it also hears nodes of LangGraph's own compiled graphs (runs named
    like `metadata["langgraph_node"]`): it tells the ids of messages that they are given, and emits those that they
    return, also in commands of these classes. `numbers` numbers the calls.
    """

    def __init__(
        self,
        emit: Emit,
        *,
        ns: tuple[str, ...] = (),
        subgraphs: bool = False,
        commands: tuple[type[Any], ...] = (),
        task: str = "",
        metadata: Mapping[str, Any] | None = None,
        numbers: Iterator[int] | None = None,
    ) -> None:
        super().__init__(emit, ns=ns, subgraphs=subgraphs, task=task, metadata=metadata)
        self._commands = commands
        self._numbers = count(1) if numbers is None else numbers
        #: by LangChain's run id: models that are being called, and nodes that run
        self._calls: dict[uuid.UUID, ModelCall] = {}
        self._nodes: dict[uuid.UUID, tuple[ModelCall, Mapping[str, Any]]] = {}

    @property
    def ignore_chain(self) -> bool:
        """Chains are of interest only for the nodes among them."""
        return not self._commands

    # -- models ---------------------------------------------------------------------------------------

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[Any]],
        *,
        run_id: uuid.UUID,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """A model is called: remember where, unless nobody is to hear it."""
        del serialized, messages
        if not tags or TAG_NOSTREAM not in tags:
            call = self._call(tags, metadata, tagged=True)
            if call is not None:
                self._calls[run_id] = call[0]

    def on_llm_new_token(self, token: Any, *, run_id: uuid.UUID, chunk: Any = None, **_: Any) -> None:
        """A chunk of a model's answer."""
        del token
        call = self._calls.get(run_id)
        if call is not None and isinstance(chunk, ChatGenerationChunk):
            _fill_id(chunk.message)
            call.put(CHUNK, chunk.message)

    def on_llm_end(self, response: LLMResult, *, run_id: uuid.UUID, **_: Any) -> None:
        """A model's whole answer: emitted if it did not come as chunks."""
        call = self._calls.pop(run_id, None)
        if call is None or not response.generations or not response.generations[0]:
            return
        generation = response.generations[0][0]
        if isinstance(generation, ChatGeneration):
            _fill_id(generation.message)
            if not call.has_told(generation.message.id):
                call.put(WHOLE, generation.message)

    def on_llm_error(self, error: BaseException, *, run_id: uuid.UUID, **_: Any) -> None:
        """The call failed: what it said stays said."""
        del error
        self._calls.pop(run_id, None)

    # -- nodes of LangGraph's own graphs --------------------------------------------------------------

    def on_chain_start(
        self,
        serialized: dict[str, Any],
        inputs: Any,
        *,
        run_id: uuid.UUID,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **rest: Any,
    ) -> None:
        """If this is a node: the messages that it is given are not news."""
        del serialized
        if not metadata or rest.get("name") != metadata.get("langgraph_node") or TAG_HIDDEN in (tags or ()):
            return
        call = self._call(None, metadata, tagged=False)
        if call is None:
            return
        self._nodes[run_id] = call[0], metadata
        ids = [message.id for message in messages_in_fields(inputs) if message.id is not None]
        if ids:
            header: dict[str, Any] = {"kind": GIVEN, "ids": ids}
            if call[1] != self._ns:
                header["ns"] = list(call[1])
            self._put(MESSAGE, None, header)

    def on_chain_end(self, outputs: Any, *, run_id: uuid.UUID, **_: Any) -> None:
        """If this was a node: the messages that it returns."""
        node = self._nodes.pop(run_id, None)
        if node is None:
            return
        call, metadata = node
        found = list(returned_messages(outputs, self._commands))
        identify(_task_of(metadata), found)
        for message in found:
            if not call.has_told(message.id):
                call.put(OUTPUT, message)

    def on_chain_error(self, error: BaseException, *, run_id: uuid.UUID, **_: Any) -> None:
        """The node failed."""
        del error
        self._nodes.pop(run_id, None)

    # -- where an event belongs -----------------------------------------------------------------------

    def _call(
        self, tags: Sequence[str] | None, metadata: Mapping[str, Any] | None, *, tagged: bool
    ) -> tuple[ModelCall, tuple[str, ...]] | None:
        """The call that a run is on the stream, and its namespace. None if its graph is not listened to."""
        place = self._place(metadata)
        if place is None:
            return None
        own, ns = place
        shown = [tag for tag in tags or () if not tag.startswith(_INTERNAL_TAG)]
        if tagged and shown:
            own["tags"] = shown
        apart = ns if ns != self._ns else None
        return ModelCall(self._put, next(self._numbers), own, tags=shown, ns=apart), ns


def _fill_id(message: Any) -> None:
    """LangChain names every message before it tells of it; a model that goes its own way may not."""
    if message.id is None:
        message.id = str(uuid.uuid4())


def _task_of(metadata: Mapping[str, Any]) -> str:
    """Id of the task that metadata speak of."""
    return str(metadata["langgraph_checkpoint_ns"]).rpartition(":")[2]
