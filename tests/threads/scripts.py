"""Scripts: what is done with a thread step by step, on either engine, told as lines that can be compared.

A script is a function of a `Thread`, which notes what each call gives. Ids are replaced by their number in the order in
which the script comes across them: so an id that should be the same as another, or another one, tells.
"""

import asyncio
import re
from collections.abc import Callable, Iterator
from typing import Any

MODES = ["values", "updates", "checkpoints", "tasks", "custom", "debug"]

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{32}\b")
_LEFT_OUT = ("timestamp", "created_at")
#: items of the root graph between supersteps
_BARRIER = re.compile(r"\(\(\), (values, (?!\{__interrupt__)|checkpoints),")


class Thread:
    """A thread of a graph, and the lines of what was done with it.

    `last` is the config that the last update gave. `is_async`: all calls go through their async twins.
    """

    def __init__(self, e: Any, graph: Any, *, thread: str = "1", is_async: bool = False) -> None:
        self.e = e
        self.graph = graph
        self.config: dict[str, Any] = {"configurable": {"thread_id": thread}}
        self.lines: list[str] = []
        self.last: Any = None
        self.is_async = is_async
        self._ids: dict[str, str] = {}

    # -- what is done -------------------------------------------------------------------------------

    def run(self, input: Any, config: Any = None, **options: Any) -> None:
        """Stream the graph in all modes that persistence has to do with."""
        options = {"stream_mode": MODES, "subgraphs": True, **options}
        config = config or self.config
        self._note(f"run {type(input).__name__}", lambda: self._drain(self._streamed(input, config, options)))

    def state(self, config: Any = None, **options: Any) -> Any:
        """Look at the state."""
        config = config or self.config
        return self._note("state", lambda: self._call("get_state", config, **options))

    def history(self, config: Any = None, **options: Any) -> list[Any]:
        """Look at the history; the snapshots, or none if it cannot be read."""
        config = config or self.config
        found = self._note("history", lambda: self._history(config, options))
        return found if isinstance(found, list) else []

    def update(self, values: Any, as_node: Any = None, config: Any = None, **options: Any) -> Any:
        """Update the state; the new config."""
        config = config or self.config
        text = f"update {values!r} as {as_node}"
        self.last = self._note(text, lambda: self._call("update_state", config, values, as_node, **options))
        return self.last

    def bulk(self, supersteps: Any, config: Any = None) -> Any:
        """Update the state in several supersteps; the new config."""
        config = config or self.config
        self.last = self._note("bulk", lambda: self._call("bulk_update_state", config, supersteps))
        return self.last

    def at(self, index: int, ns: str | None = None) -> Any:
        """The config of the checkpoint that is `index` from the newest one; the oldest if there are not so many."""
        config = self.config if ns is None else {"configurable": {**self.config["configurable"], "checkpoint_ns": ns}}
        found = self._history(config, {})
        return found[min(index, len(found) - 1)].config if found else self.config

    def everything(self) -> None:
        """Look at all that can be seen of the thread."""
        self.state()
        self.state(subgraphs=True)
        for snapshot in self.history():
            self.state(snapshot.config, subgraphs=True)

    # -- how it is told -----------------------------------------------------------------------------

    def _note(self, what: str, call: Callable[[], Any]) -> Any:
        self.lines.append(self._renamed(f"-- {what}"))
        try:
            found = call()
        except Exception as error:
            self.lines.append(f"raised {type(error).__name__}")
            return None
        texts = [self._text(item) for item in (found if isinstance(found, list) else [found])]
        self._tell_of_stream(texts) if what.startswith("run") else self.lines.extend(map(self._renamed, texts))
        return found

    def _tell_of_stream(self, texts: list[str]) -> None:
        """What tasks of one superstep tell is sorted: they race, in both engines."""
        group: list[str] = []
        for text in [*texts, ""]:
            if text and not _BARRIER.match(text):
                group.append(text)
                continue
            group.sort(key=lambda each: (_ID.sub("", each), _ID.sub(lambda found: self._ids.get(found[0], ""), each)))
            self.lines += map(self._renamed, [*group, *([text] if text else [])])
            group = []

    def _renamed(self, text: str) -> str:
        return _ID.sub(lambda found: self._ids.setdefault(found[0], f"<{len(self._ids)}>"), text)

    def _text(self, value: Any) -> str:
        """A value as text, with ids as they are."""
        if hasattr(value, "_asdict"):
            value = {"": type(value).__name__, **value._asdict()}
        if isinstance(value, dict):
            shown = [(str(key), item) for key, item in value.items() if not _is_left_out(key)]
            shown.sort(key=lambda pair: _ID.sub(lambda found: self._ids.get(found[0], ""), pair[0]))
            return "{" + ", ".join(f"{key}: {self._text(item)}" for key, item in shown) + "}"
        if isinstance(value, (list, tuple)):
            return ("[%s]" if isinstance(value, list) else "(%s)") % ", ".join(map(self._text, value))
        return repr(value) if isinstance(value, BaseException) or not isinstance(value, str) else value

    def _drain(self, items: Iterator[Any]) -> list[Any]:
        found: list[Any] = []
        try:
            for item in items:
                found.append(item)  # noqa: PERF402  what came before an error must stay
        except Exception as error:
            found.append(f"raised {type(error).__name__}")
        return found

    def _streamed(self, input: Any, config: Any, options: dict[str, Any]) -> Iterator[Any]:
        if not self.is_async:
            yield from self.graph.stream(input, config, **options)
            return
        found: list[Any] = []

        async def drain() -> None:
            async for item in self.graph.astream(input, config, **options):
                found.append(item)  # noqa: PERF401

        try:
            asyncio.run(drain())
        finally:
            yield from found

    def _call(self, name: str, *args: Any, **options: Any) -> Any:
        if not self.is_async:
            return getattr(self.graph, name)(*args, **options)

        async def call() -> Any:
            return await getattr(self.graph, f"a{name}")(*args, **options)

        return asyncio.run(call())

    def _history(self, config: Any, options: dict[str, Any]) -> list[Any]:
        if not self.is_async:
            return list(self.graph.get_state_history(config, **options))

        async def read() -> list[Any]:
            return [each async for each in self.graph.aget_state_history(config, **options)]

        return asyncio.run(read())


def _is_left_out(key: Any) -> bool:
    return key in _LEFT_OUT or str(key).startswith("__pregel_")
