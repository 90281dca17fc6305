"""What drumline raises for a LangGraph graph is caught by LangGraph's classes too."""

from __future__ import annotations

from functools import cache
from typing import Any

from langgraph import errors as theirs

from drumline_graph import errors as ours

#: classes that not all of LangGraph's versions have
_NEWER = ("GraphDrained", "NodeTimeoutError", "NodeCancelledError", "UnknownInterruptError")

_PAIRS: tuple[tuple[Any, Any], ...] = (
    (ours.NoParentGraph, theirs.ParentCommand),  # before its base InvalidUpdateError: LangGraph lets this out
    (ours.GraphRecursionError, theirs.GraphRecursionError),
    (ours.InvalidUpdateError, theirs.InvalidUpdateError),
    (ours.EmptyInputError, theirs.EmptyInputError),
    *((getattr(ours, name), getattr(theirs, name)) for name in _NEWER if hasattr(theirs, name)),
)


def of_both(error: BaseException) -> BaseException:
    """The error as one of drumline's class and of LangGraph's class of that name; any other error as it is.

    LangGraph itself raises its own in graphs that it runs inline.
    """
    for our_class, their_class in _PAIRS:
        if isinstance(error, our_class) != isinstance(error, their_class):
            raised: Any = type(error)
            cls = _both(raised, their_class if isinstance(error, our_class) else our_class)
            made: BaseException = cls.__new__(cls, *error.args)
            made.args = error.args
            made.__dict__.update(error.__dict__)
            made.__cause__, made.__suppress_context__ = error.__cause__, error.__suppress_context__
            return made.with_traceback(error.__traceback__)
    return error


@cache
def _both(raised: Any, other: Any) -> Any:
    names = {"__module__": raised.__module__, "__doc__": raised.__doc__}
    return type(raised.__name__, (raised, other), names)
