"""Handlers that remember what they hear, as a tree that can be compared."""

from __future__ import annotations

import threading
from typing import Any
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler


def plain_ns(text: str) -> str:
    """A namespace without task ids, which no two engines share."""
    return "|".join(part.partition(":")[0] for part in text.split("|"))


class Recorder(BaseCallbackHandler):
    """Remembers every run: its name, the names above it, its tags and metadata, and how it ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.runs: dict[UUID, dict[str, Any]] = {}
        self.order: list[tuple[str, str]] = []

    # -- what was heard -------------------------------------------------------------------------------

    def path(self, run_id: UUID) -> tuple[str, ...]:
        """Names from the root down to a run."""
        run = self.runs[run_id]
        above = self.path(run["parent"]) if run["parent"] in self.runs else ()
        return (*above, run["name"])

    def tree(self) -> list[Any]:
        """Every run as (names from the root, kind, tags, metadata, end), sorted."""
        found = []
        for run_id, run in self.runs.items():
            given = sorted(run["metadata"].items())
            metadata = [(key, plain_ns(value) if "checkpoint_ns" in key else value) for key, value in given]
            found.append((self.path(run_id), run["kind"], sorted(run["tags"]), metadata, run["end"]))
        return sorted(found, key=repr)

    def names(self) -> list[tuple[str, ...]]:
        """The names of all runs, each with those above it."""
        return sorted(self.path(run_id) for run_id in self.runs)

    def ends(self) -> dict[tuple[str, ...], Any]:
        """How runs ended, by their names."""
        return {self.path(run_id): run["end"] for run_id, run in self.runs.items()}

    @property
    def roots(self) -> list[UUID]:
        """Runs whose parent was not heard of."""
        return [run_id for run_id, run in self.runs.items() if run["parent"] not in self.runs]

    # -- hearing --------------------------------------------------------------------------------------

    def _start(self, kind: str, name: Any, run_id: UUID, parent: UUID | None, rest: dict[str, Any]) -> None:
        with self._lock:
            assert run_id not in self.runs, f"{name} began twice"
            self.runs[run_id] = {
                "kind": kind,
                "name": name,
                "parent": parent,
                "tags": rest.get("tags") or [],
                "metadata": dict(rest.get("metadata") or {}),
                "input": rest.get("input"),
                "end": None,
                "begun_in_open": parent not in self.runs or self.runs[parent]["end"] is None,
            }
            self.order.append(("start", name))

    def _end(self, run_id: UUID, end: Any) -> None:
        with self._lock:
            assert self.runs[run_id]["end"] is None, f"{self.runs[run_id]['name']} ended twice"
            self.runs[run_id]["end"] = end
            self.order.append((end[0], self.runs[run_id]["name"]))

    def on_chain_start(  # type: ignore[override]
        self, _serialized: Any, inputs: Any, *, run_id: UUID, parent_run_id: Any = None, **rest: Any
    ) -> None:
        self._start("chain", rest.get("name"), run_id, parent_run_id, {**rest, "input": inputs})

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **_: Any) -> None:
        self._end(run_id, ("end", outputs))

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        self._end(run_id, ("error", type(error).__name__))

    def on_chat_model_start(  # type: ignore[override]
        self, _serialized: Any, _messages: Any, *, run_id: UUID, parent_run_id: Any = None, **rest: Any
    ) -> None:
        rest["metadata"] = {
            key: v for key, v in (rest.get("metadata") or {}).items() if not key.startswith(("ls_", "lc_"))
        }
        self._start("model", "model", run_id, parent_run_id, rest)

    def on_llm_end(self, response: Any, *, run_id: UUID, **_: Any) -> None:
        self._end(run_id, ("end", response.generations[0][0].text))

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        self._end(run_id, ("error", type(error).__name__))

    def on_tool_start(  # type: ignore[override]
        self, serialized: Any, _input: str, *, run_id: UUID, parent_run_id: Any = None, **rest: Any
    ) -> None:
        self._start("tool", rest.get("name") or serialized["name"], run_id, parent_run_id, rest)

    def on_tool_end(self, output: Any, *, run_id: UUID, **_: Any) -> None:
        self._end(run_id, ("end", str(output)))


class AsyncRecorder(AsyncCallbackHandler):
    """The same, by coroutines."""

    def __init__(self) -> None:
        self.heard = Recorder()

    async def on_chain_start(self, *args: Any, **rest: Any) -> None:
        self.heard.on_chain_start(*args, **rest)

    async def on_chain_end(self, *args: Any, **rest: Any) -> None:
        self.heard.on_chain_end(*args, **rest)

    async def on_chain_error(self, *args: Any, **rest: Any) -> None:
        self.heard.on_chain_error(*args, **rest)

    async def on_chat_model_start(self, *args: Any, **rest: Any) -> None:
        self.heard.on_chat_model_start(*args, **rest)

    async def on_llm_end(self, *args: Any, **rest: Any) -> None:
        self.heard.on_llm_end(*args, **rest)


class Grumpy(BaseCallbackHandler):
    """A handler that raises at everything; with `raise_error` LangChain lets it through."""

    def __init__(self, raise_error: bool, at: str) -> None:
        self.raise_error = raise_error
        self._at = at

    def _raise(self, at: str) -> None:
        if at == self._at:
            raise RuntimeError(f"the handler does not like {at}")

    def on_chain_start(self, *_: Any, **rest: Any) -> None:
        self._raise(f"start of {rest.get('name')}")

    def on_chain_end(self, *_: Any, **__: Any) -> None:
        self._raise("end")
