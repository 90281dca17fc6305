"""What a cluster looks like at this moment, as plain data: for `drumline ps`, and for programs by its `--json`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from drumline_protocol.errors import InvalidRequest, UnknownRun, without_password
from drumline_protocol.presence import Presence, presences, printable
from drumline_transport.errors import ServerError

if TYPE_CHECKING:
    from drumline.cluster import Cluster
    from drumline_transport.broker import Kind, LookVerbs, OperatorVerbs
    from drumline_transport.dead import FailedRun

T = TypeVar("T")


def survey(cluster: Cluster, *, runs_max: int) -> dict[str, Any]:
    """Everything that `drumline ps` shows.

    `{"broker", "prefix", "partitions", "unowned_partitions": [int], "open_runs": int` and lists of objects:

    * `"coordinators"`: `{"name", "partitions": [int], "graphs": [str], "age_ms", "alive"}`
    * `"workers"`: `{"name", "pools", "running", "concurrency", "graphs", "host", "pid", "age_ms", "alive"}`
    * `"pools"`: `{"name", "workers", "waiting", "taken"}` (taken: given to a worker and not finished)
    * `"runs"` (the first `runs_max` open ones): `Cluster.status` plus `"age_s"`, and in each open task `"told"`: what
      it waits for, in words
    * `"failed"` (the last `runs_max` that failed, newest first): `{"run_id", "graph", "at_ms", "error"}`
    * `"unusable"`: lines about keys that hold something else, whoever wrote it. They are left out, and nothing raises.
    """
    broker = cluster.broker()
    unusable: list[str] = []
    coordinators = [
        {"name": row.name, "partitions": row.partitions, "graphs": sorted(row.graphs), **_age(row)}
        for row in members(broker, "coordinators")
    ]
    workers = [
        {
            "name": row.name,
            "pools": row.pools,
            "running": row.running,
            "concurrency": row.concurrency,
            "graphs": sorted(row.graphs),
            "host": row.host,
            "pid": row.pid,
            **_age(row),
        }
        for row in members(broker, "workers")
    ]
    served = _served(workers)
    indices = range(broker.partitions)
    open_runs = _of_all(indices, broker.open_runs, "open runs", unusable)
    failed = _of_all(indices, lambda index: broker.failed(index, runs_max), "failed runs", unusable)
    runs = _runs(cluster, open_runs[:runs_max], served, unusable)
    wanted = {task["pool"] for run in runs for task in run["open_tasks"]}
    held = {index for row in coordinators if row["alive"] for index in row["partitions"]}
    return {
        "broker": without_password(cluster.url),
        "prefix": cluster.prefix,
        "partitions": broker.partitions,
        "unowned_partitions": [index for index in range(broker.partitions) if index not in held],
        "coordinators": coordinators,
        "workers": workers,
        "pools": _pools(broker, served, wanted),
        "open_runs": len(open_runs),
        "runs": runs,
        "failed": [_failed(run) for run in sorted(failed, key=lambda run: -run.at_ms)[:runs_max]],
        "unusable": unusable,
    }


def _of_all(indices: Iterable[int], ask: Callable[[int], list[T]], what: str, unusable: list[str]) -> list[T]:
    """What `ask` says of each partition, together."""
    found: list[T] = []
    for index in indices:
        try:
            found += ask(index)
        except ServerError as error:
            unusable.append(f"the {what} of partition {index} cannot be read: {error.text}")
    return found


def _failed(run: FailedRun) -> dict[str, Any]:
    texts = {"run_id": run.run_id, "graph": run.graph, "error": run.error}
    return {"at_ms": run.at_ms, **{name: printable(text) for name, text in texts.items()}}


def members(broker: LookVerbs, kind: Kind) -> list[Presence]:
    """All coordinators or workers, by name."""
    return presences(broker.members(kind))


def _age(row: Presence) -> dict[str, Any]:
    return {"age_ms": row.age_ms, "alive": row.is_alive}


def _pools(broker: OperatorVerbs, served: Mapping[str, int], wanted: Iterable[str]) -> list[dict[str, Any]]:
    names = sorted({*served, *wanted})
    depths = broker.queue_depths(names) if names else {}
    return [
        {"name": name, "workers": served.get(name, 0), "waiting": waiting, "taken": taken}
        for name, (waiting, taken) in ((name, depths.get(name, (0, 0))) for name in names)
    ]


def _runs(cluster: Cluster, run_ids: list[str], served: Mapping[str, int], unusable: list[str]) -> list[dict[str, Any]]:
    runs = []
    for run_id in run_ids:
        try:
            status = cluster.status(run_id)
        except UnknownRun:  # it ended meanwhile
            continue
        except (ServerError, InvalidRequest) as error:
            unusable.append(printable(f"run {run_id} cannot be looked at: {error}"))
            continue
        if status["status"] != "open":
            continue
        status.update(run_id=printable(run_id), graph=printable(status["graph"]))
        _tell_tasks(status, served)
        status["age_s"] = max(0.0, time.time() - status["created_ms"] / 1000)
        runs.append(status)
    return runs


def _served(workers: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many workers that live take each pool."""
    served: dict[str, int] = {}
    for pool in (pool for worker in workers if worker["alive"] for pool in worker["pools"]):
        served[pool] = served.get(pool, 0) + 1
    return served


def told_tasks(broker: LookVerbs, status: dict[str, Any]) -> None:
    """Give each open task of a `Cluster.status` its `"told"`: what it waits for, in words."""
    rows = [{"pools": row.pools, **_age(row)} for row in members(broker, "workers")] if status["open_tasks"] else []
    _tell_tasks(status, _served(rows))


def _tell_tasks(status: dict[str, Any], served: Mapping[str, int]) -> None:
    for task in status["open_tasks"]:
        task["told"] = _told(task, served)


def _told(task: Mapping[str, Any], served: Mapping[str, int]) -> str:
    """What a task waits for, in words."""
    if not served.get(task["pool"]):
        return f"waits: no worker takes pool {task['pool']!r}"
    if task["state"] == "parked":
        return f"parked: {task['reason']}"
    again = f", attempt {task['attempt']} ({task['reason']})" if task["attempt"] > 1 else ""
    if task["state"] == "dispatched":
        return f"given to pool {task['pool']!r}{again}"
    return f"planned, not given out yet{again}"
