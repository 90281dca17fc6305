"""A task that kills its workers fails; tasks that happened to be there do not, however often it struck."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.cluster.conftest import pids_in
from tests.cluster.processes import Processes

from drumline import Cluster
from drumline.errors import TaskLost
from drumline_protocol.limits import ATTEMPTS_MAX, DEATHS_IN_COMPANY_MAX

pytestmark = pytest.mark.cluster
Make = Callable[..., tuple[Processes, Cluster]]

APP = "tests.cluster.killers:GRAPHS"


@contextmanager
def supervised(processes: Processes, workers: int) -> Iterator[None]:
    """Each worker that ends is followed by another one, as any supervisor sees to it."""
    over = threading.Event()

    def follow(name: str) -> None:
        for number in range(100):
            processes.roles[name if not number else f"{name}-{number}"].process.wait()
            if over.is_set():
                return
            with suppress(AssertionError):  # what killed the last one was there before this one said that it is ready
                processes.start("worker", f"{name}-{number + 1}")

    threads = [threading.Thread(target=follow, args=(f"w{n}",), daemon=True) for n in range(workers)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for role in list(processes.roles.values()):
            if role.kind == "worker":
                role.process.terminate()
        for thread in threads:
            thread.join(60)


@pytest.mark.parametrize(("killers", "workers"), [(["kill"], 1), (["akill", "kill"], 2)])
def test_only_the_killer_fails(cluster_of: Make, tmp_path: Path, killers: list[str], workers: int) -> None:
    processes, cluster = cluster_of(workers=workers, app=APP)
    marks = [tmp_path / f"killer-{n}" for n in range(len(killers))]
    company = tmp_path / "company"
    given = {"mark": str(company), "work_s": 1.5}
    with supervised(processes, workers):
        innocents = [cluster.graph(name).start(given) for name in ("work", "awork") for _ in range(2)]
        guilty = [cluster.graph(name).start({"mark": str(mark)}) for name, mark in zip(killers, marks, strict=True)]
        for run in guilty:
            with pytest.raises(TaskLost, match=f"was begun {ATTEMPTS_MAX} times"):
                cluster.result(run)
        assert [cluster.result(run)["done"] for run in innocents] == [True] * 4
    for mark in marks:
        pids = pids_in(mark)
        # What it lost in company it may have lost before it had begun.
        assert ATTEMPTS_MAX - DEATHS_IN_COMPANY_MAX <= len(pids) == len(set(pids)) <= ATTEMPTS_MAX
    assert len(pids_in(company)) > 4, "they were there when it struck"
