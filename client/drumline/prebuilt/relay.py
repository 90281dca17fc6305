"""Lets a tool return drumline's `Command`.

LangChain's tools turn whatever they return into the text of a ToolMessage, but for objects of its class
`ToolOutputMixin`. Drumline's `Command` cannot be one: graphs are built without LangChain. So a tool is called through a
copy of itself that hands commands through as `ToolCommand`, which is both.
"""

from __future__ import annotations

import functools
from typing import Any

from langchain_core.messages.tool import ToolOutputMixin
from langchain_core.tools import BaseTool

from drumline_graph.types import Command, Send


class ToolCommand(Command[Any], ToolOutputMixin):
    """A `Command` on its way out of a tool."""


def relay_of(tool: BaseTool) -> BaseTool:
    """A tool that does the same by calling the methods of `tool`, and whose commands come out as they are."""
    relay = tool.model_copy()
    run, arun = tool._run, tool._arun

    @functools.wraps(run)
    def relayed(*args: Any, **kwargs: Any) -> Any:
        return _handed_out(run(*args, **kwargs))

    @functools.wraps(arun)
    async def arelayed(*args: Any, **kwargs: Any) -> Any:
        return _handed_out(await arun(*args, **kwargs))

    # As attributes of the instance, not as a subclass: LangChain looks at a tool's class to see what it can do.
    object.__setattr__(relay, "_run", relayed)
    object.__setattr__(relay, "_arun", arelayed)
    return relay


def _handed_out(result: Any) -> Any:
    if type(result) is list or type(result) is tuple:  # several outputs; content and artifact
        return type(result)(map(_handed_out, result))
    if type(result) is Command:
        return ToolCommand(graph=result.graph, update=result.update, resume=result.resume, goto=result.goto)
    return result


def received(response: Any) -> Any:
    """What a relayed tool gave, with plain `Command`s in it; LangGraph's become drumline's."""
    if isinstance(response, list):
        return [received(item) for item in response]
    if isinstance(response, ToolCommand) or _is_langgraphs(response, "Command"):
        goto = response.goto
        goto = [_send(item) for item in goto] if isinstance(goto, (list, tuple)) and goto else _send(goto)
        return Command(graph=response.graph, update=response.update, resume=response.resume, goto=goto)
    return response


def _send(item: Any) -> Any:
    return Send(item.node, item.arg) if _is_langgraphs(item, "Send") else item


def _is_langgraphs(value: Any, name: str) -> bool:
    cls = type(value)
    return cls.__module__ == "langgraph.types" and cls.__name__ == name
