"""Where a value that cannot be encoded stands, as the user wrote it: the codec knows only what it was given. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from drumline_graph.constants import BRANCH_PREFIX, RETURN, ROOT, START, TASKS
from drumline_graph.types import Send
from drumline_protocol.errors import EncodeError
from drumline_protocol.facts import CUSTOM, MESSAGE, STREAMED

if TYPE_CHECKING:
    from drumline_protocol.codec import Codec


def of_answer(error: EncodeError, codec: Codec, writes: Iterable[Sequence[Any]], node: str) -> BaseException:
    """`error` of a node's answer, told of the one among its `writes`, (channel, value), that is to blame.

    What an encoder of the user raises while it is looked for is returned in place of it.
    """
    place = place_of_answer(node)
    for channel, value in writes:
        root = root_of_write(channel, value)
        try:
            codec.encode(value.arg if isinstance(value, Send) and channel == TASKS else value, root)
        except EncodeError as at:
            return at.at(place)
        except BaseException as other:
            return other
    return error.at(place)


def place_of_answer(node: str) -> str:
    """Whose value the answer of a node is, for people."""
    return "what a router after START returned" if node == START else f"what node {node!r} returned"


def root_of_write(channel: Any, value: Any) -> str:
    """What the user calls the place of a write."""
    if channel == TASKS and isinstance(value, Send):
        return f"Send({value.node!r}).arg"
    if channel in (ROOT, RETURN):
        return "state"
    if isinstance(channel, str) and channel.startswith(BRANCH_PREFIX):
        return f"goto({channel.removeprefix(BRANCH_PREFIX)!r})"
    return f"state[{channel!r}]"


#: what lies at which place of the item that a node emits, and what the user calls it
_EVENT_PARTS = {
    CUSTOM: (("[1]", "event"),),
    MESSAGE: (("[1][0]", "message"), ("[1][1]", "metadata")),
    STREAMED: (("[1][2]", "event"),),
}


def of_event(error: EncodeError, kind: int, node: str) -> EncodeError:
    """`error` of an item `[kind, payload, header]` that a node emitted, told of what the node's code passed on."""
    path = error.path.removeprefix("value")
    for inside, root in _EVENT_PARTS.get(kind, (("[1]", "event"),)):
        if path.startswith(inside):
            path = root + path.removeprefix(inside)
            break
    else:
        path = f"event{path}"
    what = "a message of a model in node" if kind == MESSAGE else "what a stream writer got in node"
    return EncodeError(path, error.type_name, error.reason, f"{what} {node!r}")
