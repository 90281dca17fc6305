"""The state API on a cluster of threads in this process: as embedded, whatever is done with the thread."""

import time
from collections.abc import Iterator
from difflib import unified_diff
from typing import Any

import pytest
from tests.differential.engines import DRUMLINE
from tests.threads import state_graphs as graphs
from tests.threads import state_scripts as scripts
from tests.threads.scripts import Thread

from drumline import Cluster
from drumline.embedded import jobs
from drumline.testing import local_cluster

#: graphs without graphs within, those with graphs as nodes, and those whose nodes call graphs
ALONE = (graphs.line, graphs.fan, graphs.routed)
AROUND = (
    graphs.child,
    graphs.grandchild,
    graphs.child_with_one_history_asks,
    graphs.histories_within_histories,
    graphs.child_of_one_history,
)
CALLING = (graphs.calls, graphs.calls_twice, graphs.calls_one_history)
QUIET = (graphs.calls_one_history_twice, graphs.calls_without_history)
SERVED = {build.__name__: build(DRUMLINE) for build in (*ALONE, *AROUND, *CALLING, *QUIET, *graphs.ASKING)}
SERVED["calls_async"] = graphs.calls_async(DRUMLINE)
SCRIPTS = [
    scripts.looking,
    scripts.parts_of_the_history,
    scripts.updates,
    scripts.updates_that_are_no_nodes,
    scripts.supersteps_of_updates,
    scripts.replays,
    scripts.forks,
    scripts.new_inputs_and_commands_to_old_checkpoints,
]
WITHIN = [
    scripts.updates_while_it_asks,
    scripts.answers_to_old_checkpoints,
    scripts.the_graph_within,
    scripts.a_fork_of_the_graph_within,
    scripts.histories_of_their_own,
]
CASES = [
    *((build, script) for build in (*ALONE, graphs.child) for script in SCRIPTS),
    (graphs.fan, scripts.updates_while_it_asks),
    *((build, script) for build in (*AROUND, *CALLING) for script in (*WITHIN, scripts.answers_by_id)),
    *((build, scripts.answers_one_by_one) for build in (*AROUND, *CALLING, *graphs.ASKING)),
    *((build, script) for build in QUIET for script in (scripts.looking, scripts.histories_of_their_own)),
    *((build, script) for build in (*CALLING, *QUIET) for script in (scripts.replays, scripts.forks)),
]
CALLED = [(build, script) for build, script in CASES if build in (*CALLING, *QUIET)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with local_cluster(SERVED) as made:
        yield made


class Strict(Thread):
    """An embedded thread on which an answer to nobody is an error, as it is on a cluster."""

    def run(self, input: Any, config: Any = None, **options: Any) -> None:
        configurable = {**(config or self.config)["configurable"], "__pregel_strict_resume": True}
        super().run(input, {**(config or self.config), "configurable": configurable}, **options)


def check(cluster: Cluster, build: Any, script: Any, **options: Any) -> None:
    here = Strict(DRUMLINE, build(DRUMLINE), **options)
    there = Thread(DRUMLINE, SERVED[build.__name__].on(cluster, build.__name__), **options)
    script(here)
    try:
        script(there)
    finally:
        cluster.threads.delete("1")
    differing = unified_diff(here.lines, there.lines, "here", "there", lineterm="", n=1)
    assert there.lines == here.lines, "\n".join(differing)


@pytest.mark.parametrize(("build", "script"), CASES, ids=lambda case: case.__name__)
def test_as_embedded(cluster: Cluster, build: Any, script: Any) -> None:
    check(cluster, build, script)


@pytest.mark.parametrize("script", WITHIN, ids=lambda script: script.__name__)
@pytest.mark.parametrize("build", [graphs.child, graphs.calls], ids=lambda build: build.__name__)
def test_async_twins(cluster: Cluster, build: Any, script: Any) -> None:
    check(cluster, build, script, is_async=True)


@pytest.mark.parametrize("build", [graphs.calls_async, *graphs.ASKING], ids=lambda build: build.__name__)
def test_questions_of_called_graphs_async(cluster: Cluster, build: Any) -> None:
    check(cluster, build, scripts.answers_one_by_one, is_async=True)


@pytest.mark.parametrize("ahead_s", [3600, -3600], ids=["ahead", "behind"])
@pytest.mark.parametrize(("build", "script"), CALLED, ids=lambda case: case.__name__)
def test_clocks_of_workers_do_not_matter(
    cluster: Cluster, build: Any, script: Any, ahead_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Graphs that nodes call have checkpoints by the clock of a worker, and the run's are by that of the broker."""
    monkeypatch.setattr(jobs, "now_ms", lambda: (time.time() + ahead_s) * 1000)
    check(cluster, build, script)
