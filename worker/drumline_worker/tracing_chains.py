"""A node that is a Runnable of LangChain's, while somebody listens to it.

In LangGraph the steps of a chain are steps of the node itself: there is no run of the chain between them. For handlers
that are shown what runs give while they run (`astream_events`), the chain is streamed through.

This module imports langchain-core. It is imported only when somebody listens.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.runnables import Runnable, RunnableSequence

from drumline_graph.channels.base import MISSING

_FIRST = "seq:step:1"


def steps_of(action: Any) -> list[Any]:
    """What a node runs, one after another: the steps of a chain, else itself."""
    return list(action.steps) if isinstance(action, RunnableSequence) else [action]


def run_chain(steps: Sequence[Any], value: Any, config: Any) -> Any:
    """What the last step gives. `config` is the node's, for the first step."""
    for number, step in enumerate(steps, 1):
        value = step.invoke(value, _placed(config, number))
    return value


async def arun_chain(steps: Sequence[Any], value: Any, config: Any, *, streamed: bool) -> Any:
    """The twin of `run_chain`. `streamed`: by the streams of the steps, whose parts are added up."""
    if streamed and all(Runnable in type(step).__mro__ for step in steps):  # no graphs: they stream updates
        return await _streamed(steps, value, config)
    for number, step in enumerate(steps, 1):
        value = await step.ainvoke(value, _placed(config, number))
    return value


async def _streamed(steps: Sequence[Any], value: Any, config: Any) -> Any:
    whole: Any = MISSING
    async with AsyncExitStack() as open_streams:
        stream: Any = None
        for number, step in enumerate(steps, 1):
            placed = _placed(config, number)
            stream = step.astream(value, placed) if stream is None else step.atransform(stream, placed)
            if hasattr(stream, "aclose"):
                open_streams.push_async_callback(stream.aclose)
        async for part in stream:
            whole = part if whole is MISSING else _added(whole, part)
    return None if whole is MISSING else whole


def _added(whole: Any, part: Any) -> Any:
    """Parts that cannot be added replace each other, as LangChain has it."""
    try:
        return whole + part
    except TypeError:
        return part


def _placed(config: Any, number: int) -> Any:
    """The node's config for one of its steps."""
    callbacks = config.get("callbacks")
    if number == 1 or not isinstance(callbacks, BaseCallbackManager):
        return config
    manager = callbacks.copy()
    manager.remove_tags([_FIRST])
    manager.add_tags([f"seq:step:{number}"], inherit=False)
    return {**config, "callbacks": manager}
