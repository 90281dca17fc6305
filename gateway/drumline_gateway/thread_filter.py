"""What a reader of a thread's events asks for: channels, namespaces, how deep, and behind which event. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drumline_gateway.errors import bad

#: the channels of who only looks how the thread stands
_OF_WATCHERS = frozenset(("lifecycle", "input"))

CHANNELS_MAX = 100
NAMESPACES_MAX = 200
SEGMENTS_MAX = 50
TEXT_MAX = 500
#: the largest whole number that a client in JavaScript keeps exactly
NUMBER_MAX = 2**53 - 1

_CHANNEL_OF_METHOD = {"input.requested": "input"}


@dataclass(frozen=True, slots=True)
class Subscription:
    """Channels are values, updates, messages, tools, lifecycle, input, checkpoints, tasks, custom and `custom:name`.

    `namespaces` None: all. A namespace stands for all below it, `depth` levels deep (None: any).

    `since`: the reader has all events before that number, and maybe those of it. None: it has none.
    """

    channels: frozenset[str]
    namespaces: tuple[tuple[str, ...], ...] | None = None
    depth: int | None = None
    since: int | None = None

    @property
    def watches(self) -> bool:
        """Whether the reader only looks how the thread stands."""
        return self.channels <= _OF_WATCHERS

    def wants(self, channel: str) -> bool:
        """Whether events of a channel may be asked for."""
        return channel in self.channels or (
            channel == "custom" and any(name.startswith("custom:") for name in self.channels)
        )

    def takes(self, method: str, namespace: Sequence[str], data: Any) -> bool:
        """Whether an event is asked for."""
        channel = _CHANNEL_OF_METHOD.get(method, method)
        if channel not in self.channels:
            name = data.get("name") if method == "custom" else None
            if name is None or f"custom:{name}" not in self.channels:
                return False
        return self._reaches(namespace)

    def _reaches(self, namespace: Sequence[str]) -> bool:
        if not self.namespaces:  # then the clients do not ask how deep either
            return True
        return any(
            _begins(namespace, prefix) and (self.depth is None or len(namespace) - len(prefix) <= self.depth)
            for prefix in self.namespaces
        )


def _begins(namespace: Sequence[str], prefix: Sequence[str]) -> bool:
    """Whether a namespace lies at or under another one. A segment without a task's id stands for any task."""
    if len(prefix) > len(namespace):
        return False
    return all(
        segment == asked or (":" not in asked and segment.partition(":")[0] == asked)
        for segment, asked in zip(namespace, prefix, strict=False)
    )


def read_subscription(given: Mapping[str, Any]) -> Subscription:
    """What a body asks for. HttpError 422. Channels that there are not give no event."""
    namespaces = given.get("namespaces")
    return Subscription(
        frozenset(_texts(given.get("channels"), "channels", CHANNELS_MAX)),
        None if namespaces is None else _namespaces(namespaces),
        _number(given.get("depth"), "depth"),
        _number(given.get("since"), "since"),
    )


def read_namespace(given: Any, where: str = "namespace") -> tuple[str, ...]:
    """A namespace; none is that of the root. HttpError 422."""
    return () if given is None else tuple(_texts(given, where, SEGMENTS_MAX, least=0))


def _namespaces(given: Any) -> tuple[tuple[str, ...], ...]:
    if not isinstance(given, list) or len(given) > NAMESPACES_MAX:
        raise bad(f"namespaces must be a list of at most {NAMESPACES_MAX} lists of texts.")
    return tuple(read_namespace(one, "namespaces") for one in given)


def _texts(given: Any, where: str, most: int, *, least: int = 1) -> list[str]:
    if (
        not isinstance(given, list)
        or not least <= len(given) <= most
        or not all(isinstance(part, str) and len(part) <= TEXT_MAX for part in given)
    ):
        raise bad(f"{where} must be a list of {least} to {most} texts of at most {TEXT_MAX} characters.")
    return given


def _number(given: Any, where: str) -> int | None:
    if given is None:
        return None
    if not isinstance(given, int) or isinstance(given, bool) or not 0 <= given <= NUMBER_MAX:
        raise bad(f"{where} must be a whole number from 0 to {NUMBER_MAX}.")
    return given
