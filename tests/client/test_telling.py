"""How streams tell of warnings, of the end of a run, and of its tasks."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pytest
from tests.client.scripted import PROGRAM, Script, begun, events, planned

from drumline.cluster.attendance import missing_workers
from drumline.errors import (
    NoWorker,
    RunCancelled,
)
from drumline_protocol.facts import (
    AttemptRetracted,
    Noticed,
    RunFinished,
    TaskFinished,
    TaskParked,
)
from drumline_protocol.failure import describe

# -- warnings --------------------------------------------------------------------------------------


def warned(stream: Any) -> list[Warning]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        list(stream)
    return [entry.message for entry in caught if isinstance(entry.message, Warning)]


def test_what_the_run_has_to_say_is_a_warning(script: Script) -> None:
    script.write("r", 1, *begun(PROGRAM), Noticed("late events were dropped"), planned(1, "says"))
    script.write("r", 5, TaskParked((), "says", "nobody holds it"))
    script.finish("r", 6)
    texts = [str(warning) for warning in warned(script.cluster().join("r"))]
    assert texts[0] == "run r: late events were dropped"
    assert "nobody holds it" in texts[1]


@pytest.mark.parametrize(
    ("pools", "age_ms", "missing"),
    [(["default"], 0, False), (["other"], 0, True), (["default"], 14_000, False), (["default"], 60_000, True)],
)
def test_a_pool_that_nobody_serves_is_told_once(script: Script, pools: list[str], age_ms: int, missing: bool) -> None:
    """A worker counts as long as it was heard of lately."""
    cluster = script.cluster()
    cluster.broker().beat("workers", "w", json.dumps({"pools": pools}).encode())
    script.server.now_ms += age_ms
    script.write("r", 1, *begun(PROGRAM), planned(1, "says"))
    script.at_empty_read(20, lambda: script.finish("r", 4))
    found = [warning for warning in warned(cluster.join("r")) if isinstance(warning, NoWorker)]
    assert [(warning.pool, warning.graph) for warning in found] == ([("default", "")] if missing else [])


@pytest.mark.parametrize(("graphs", "missing"), [(["said"], False), (["other"], True), ([], False)])
def test_a_worker_of_other_graphs_does_not_count(script: Script, graphs: list[str], missing: bool) -> None:
    said = {"pools": ["default"], "graphs": dict.fromkeys(graphs, "f")}
    cluster = script.cluster()
    cluster.broker().beat("workers", "w", json.dumps(said).encode())
    tasks = [{"pool": "default"}, {"pool": "default"}]
    found = missing_workers(cluster.link, "said", tasks)
    assert [(warning.pool, warning.graph) for warning in found] == ([("default", "said")] if missing else [])


# -- how a run ends --------------------------------------------------------------------------------


def test_a_failed_run_raises_once_and_then_is_at_its_end(script: Script) -> None:
    script.write("r", 1, *begun(PROGRAM), planned(1, "says"))
    script.finish("r", 4, "failed", describe(ValueError("no such thing", 7), script.codec))
    stream = script.cluster().join("r")
    with pytest.raises(ValueError, match="no such thing") as caught:
        next(stream)
    assert caught.value.args == ("no such thing", 7)
    assert list(stream) == []


def test_items_before_a_failure_are_yielded_first(script: Script) -> None:
    script.write("r", 1, *begun(PROGRAM, recorded=("custom",)), planned(1, "says"))
    script.write(
        "r",
        4,
        events(script, "a", "b"),
        RunFinished("cancelled", describe(RunCancelled("r", "x"), script.codec), 0.0),
        last=6,
    )
    stream = script.cluster().join("r", stream_mode="custom")
    assert [next(stream), next(stream)] == ["a", "b"]
    with pytest.raises(RunCancelled, match="x"):
        next(stream)


def test_a_retracted_attempt_is_told_by_status(script: Script) -> None:
    program = PROGRAM
    script.write("r", 1, *begun(program), planned(1, "says"), graph="says", created_ms=12)
    script.write("r", 4, AttemptRetracted((), "says", 1, "worker w vanished"))
    status = script.cluster().status("r")
    (task,) = status.pop("open_tasks")
    assert status == {"run_id": "r", "graph": "says", "status": "open", "created_ms": 12}
    assert (task["attempt"], task["state"], task["reason"]) == (2, "planned", "worker w vanished")
    script.write("r", 5, TaskParked((), "says", "nobody"), **{"t:says:2": "default 1-1"})  # type: ignore[arg-type]
    (task,) = script.cluster().status("r")["open_tasks"]
    assert (task["state"], task["reason"]) == ("parked", "nobody")
    script.write("r", 6, TaskFinished((), "says", 2, "w", [], 0.0))
    assert script.cluster().status("r")["open_tasks"] == []


def test_a_task_that_was_sent_out_is_dispatched(script: Script) -> None:
    script.write("r", 1, *begun(PROGRAM), planned(1, "says"), **{"t:says:1": "default 1-1"})  # type: ignore[arg-type]
    (task,) = script.cluster().status("r")["open_tasks"]
    assert (task["state"], task["pool"], task["node"], task["attempt"]) == ("dispatched", "default", "says", 1)
