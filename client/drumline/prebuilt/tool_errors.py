"""What becomes of an exception in a tool: which ones a tool node answers with an error message, and in which words.

The words are read by models and shown in streams, so they are LangGraph's.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from typing import Any, Union, get_args, get_origin

from langchain_core.tools import ToolException
from pydantic import ValidationError

from drumline_graph.errors import FeatureNotBuilt, GraphBubbleUp, is_invalid_resume

#: what `handle_tool_errors` may be
Handling = bool | str | Callable[..., str] | type[Exception] | tuple[type[Exception], ...]

#: never an answer to the model, whatever is handled: control flow, and what drumline refuses to do
_PASSED_ON = (GraphBubbleUp, FeatureNotBuilt)

INVALID_TOOL_NAME = "Error: {requested_tool} is not a valid tool, try one of [{available_tools}]."
TOOL_CALL = "Error: {error}\n Please fix your mistakes."
TOOL_INVOCATION = (
    "Error invoking tool '{tool_name}' with kwargs {tool_kwargs} with error:\n"
    " {error}\n Please fix the error and try again."
)


def is_passed_on(error: Exception) -> bool:
    """Whether an error is nothing that the model could mend. A person's answer of a wrong form is none either: it must
    end the run, so that the question waits on.
    """
    return isinstance(error, _PASSED_ON) or is_invalid_resume(error)


class ToolInvocationError(ToolException):
    """The model called a tool with arguments that do not fit its schema.

    `tool_name`, `tool_kwargs` (as the model gave them), `source` (pydantic's error) and `filtered_errors`: those of its
    entries that speak of arguments which the model gives. `message` is what the model is told.
    """

    def __init__(
        self,
        tool_name: str,
        source: ValidationError,
        tool_kwargs: dict[str, Any],
        filtered_errors: list[Any] | None = None,
    ) -> None:
        if filtered_errors is None:
            told = str(source)
        else:
            told = "\n".join(f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in filtered_errors)
        self.message = TOOL_INVOCATION.format(tool_name=tool_name, tool_kwargs=tool_kwargs, error=told)
        self.tool_name = tool_name
        self.tool_kwargs = tool_kwargs
        self.source = source
        self.filtered_errors = filtered_errors
        super().__init__(self.message)


def invocation_error(
    tool_name: str, source: ValidationError, tool_kwargs: dict[str, Any], injected: set[str]
) -> ToolInvocationError:
    """The error of arguments that do not fit, without what is said of `injected` ones: the model cannot mend those."""
    shown: list[dict[str, Any]] = []
    for entry in source.errors():
        if entry["loc"] and entry["loc"][0] not in injected:
            given = entry["input"]
            if isinstance(given, dict):
                given = {name: value for name, value in given.items() if name not in injected}
            shown.append({**entry, "input": given})
    return ToolInvocationError(tool_name, source, tool_kwargs, shown)


def default_handling(error: Exception) -> str:
    """The default of `handle_tool_errors`: arguments that do not fit are told to the model, all else is raised."""
    if isinstance(error, ToolInvocationError):
        return error.message
    raise error


def handled_types(handling: Handling) -> tuple[type[Exception], ...]:
    """The exceptions that become error messages. ValueError for a callable whose parameter is annotated as none, and
    for what is no way of handling at all.
    """
    if not handling:
        return ()
    if isinstance(handling, type):
        return (handling,)
    if isinstance(handling, tuple):
        return handling
    if callable(handling):
        return _annotated_types(handling)
    if handling is not True and not isinstance(handling, str):
        raise ValueError(
            f"handle_tool_errors was given {handling!r}: give a bool, a text, an exception type, a tuple of such "
            "types, or a function that takes the exception."
        )
    return (Exception,)


def _annotated_types(handler: Callable[..., str]) -> tuple[type[Exception], ...]:
    """Exception types that annotate a handler's first parameter; Exception if it has no annotation."""
    call = handler if inspect.isroutine(handler) else getattr(handler, "__call__", handler)  # noqa: B004
    names = list(inspect.signature(call).parameters)
    if len(names) == 2 and names[0] in ("self", "cls"):
        names = names[1:]
    annotation = typing.get_type_hints(call).get(names[0]) if names else None
    if annotation is None:
        return (Exception,)
    members = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    if not all(isinstance(member, type) and issubclass(member, Exception) for member in members):
        raise ValueError(
            f"handle_tool_errors was given {handler!r}, whose parameter is annotated {annotation!r}. Annotate it as an "
            "exception type or a union of exception types, or not at all."
        )
    return tuple(members)


def error_content(error: Exception, handling: Handling) -> str:
    """What the model is told of an error that is handled. Raises what a callable of the user raises."""
    if isinstance(handling, (bool, tuple, type)):
        return TOOL_CALL.format(error=repr(error))
    return handling if isinstance(handling, str) else handling(error)
