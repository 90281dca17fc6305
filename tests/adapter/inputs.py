"""What the served graphs are run with, and how their streams are compared."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tests.differential.compare import difference
from tests.differential.harness import ALL_MODES, record

MODES = [*ALL_MODES, "messages"]
PLAIN: dict[str, Any] = {
    "judge": {"messages": [{"role": "user", "content": "who?", "id": "h"}]},
    "chat": {"messages": [], "topic": "cats and dogs"},
    "nested": {"log": ["i"]},
    "asks": {"log": ["i"]},
    "flaky": {"log": []},
    "mixed": {"log": []},
    "flow": 3,
    "aflow": "cats",
    "routed": {"messages": [{"role": "user", "content": "q", "id": "q"}]},
    "kept": {"messages": [{"role": "user", "content": "large"}]},
    "hand": "x",
}
#: graphs that LangGraph runs under astream() only
ASYNC_ONLY = {"chat", "nested", "aflow", "agent", "react"}


def meeting(folder: Path) -> tuple[dict[str, Any], Path]:
    """Input of an agent that calls three tools at once, of which two wait for each other; and where they leave pids."""
    pipe, marks = folder / "pipe", folder / "marks"
    os.mkfifo(pipe)
    args = {"pipe": str(pipe), "marks": str(marks)}
    calls = [("meet", args), ("meet_back", args), ("ask_expert", {"question": "cats"})]
    return {"messages": [{"role": "user", "content": json.dumps(calls), "id": "h"}]}, marks


def differs(
    graph: Any, other: Any, given: Any, *, use_async: bool, reference_async: bool, **options: Any
) -> str | None:
    """None, or how the stream of `other` differs from that of LangGraph's `graph`."""
    reference = record(graph, given, MODES, use_async=reference_async, **options)
    return difference(reference, record(other, given, MODES, use_async=use_async, **options))
