"""A store in Redis: batches of a store's operations, each one call of its script. Plain commands, no module."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from drumline_protocol.keys import Keys
from drumline_protocol.limits import STORE_PAGE_BYTES_MAX, STORE_PAGE_ITEMS_MAX
from drumline_transport.connection import Argument, Reply
from drumline_transport.dialer import Dialer, address_of, dialer_of
from drumline_transport.line import Line
from drumline_transport.nodes import Nodes, SlotDialer, slot_of
from drumline_transport.scripts import STORE, Script


class StoreLine:
    """A connection for one group of keys that lie in one slot, opened when first used. Safe for threads and forks."""

    def __init__(self, url: str, key: str, name: str, patience_s: float) -> None:
        self._key = key
        self._dialer, self._close = _dialer(url, key, name, patience_s)
        self._line = Line(self._dialer, "store")

    def batch(self, operations: Sequence[Sequence[Argument]]) -> list[Reply]:
        """The replies of operations of `store.lua`, which runs them as one step: all or none. At least once.

        Raises `NoBroker` when patience ends (`BrokerRefuses` while the server takes no writes), `ServerError` for keys
        that somebody made something else of.
        """
        flat = [word for operation in operations for word in operation]
        replies: list[Reply] = self.script(STORE, [STORE_PAGE_ITEMS_MAX, STORE_PAGE_BYTES_MAX, *flat])
        return replies

    def script(self, script: Script, arguments: Sequence[Argument]) -> Reply:
        """One call of a script on these keys."""
        return self._line.script(script, [self._key], arguments)

    def close(self) -> None:
        """Close the connection, for good."""
        self._close()


def store_line(url: str, prefix: str, *, name: str = "drumline", patience_s: float = 10.0) -> StoreLine:
    """The line to the store of the cluster `prefix` at `url`. The cluster need not be there yet."""
    return StoreLine(url, Keys(prefix).store(), name, patience_s)


def _dialer(url: str, key: str, name: str, patience_s: float) -> tuple[Dialer, Callable[[], None]]:
    if address_of(url).kind != "cluster":
        dialer = dialer_of(url, name, patience_s)
        return dialer, dialer.close
    nodes = Nodes(url, name, patience_s)
    slot = SlotDialer(nodes, slot_of(key))

    def close() -> None:
        slot.close()
        nodes.close()

    return slot, close
