"""Cancellation that user code raises itself. Nobody cancelled the run, so it must not look as if somebody had."""

from __future__ import annotations

from drumline_graph.errors import NodeCancelledError
from drumline_graph.loaded import loaded


def not_cancelled(error: BaseException, node: str, what: str = "node") -> BaseException:
    """A `NodeCancelledError` in place of an `asyncio.CancelledError` of a node's code; any other error as it is.

    A bare `CancelledError` would tell a `TaskGroup`, or whoever else awaits the run, that all is well. `what` is what
    kind of thing bears the name `node`.
    """
    if isinstance(error, Exception):
        return error
    asyncio = loaded("asyncio")
    if asyncio is None or not isinstance(error, asyncio.CancelledError):
        return error
    told = NodeCancelledError.of(node, what)
    told.__cause__ = error
    return told
