"""The state API on a cluster of threads in this process: as embedded, whatever is done with the thread."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.differential.engines import DRUMLINE
from tests.threads import state_graphs as graphs
from tests.threads import state_scripts as scripts
from tests.threads.scripts import Thread

from drumline import Cluster
from drumline.testing import local_cluster

SERVED = {build.__name__: build(DRUMLINE) for build in (graphs.line, graphs.fan, graphs.routed, graphs.child)}
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


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with local_cluster(SERVED) as made:
        yield made


CASES = [(name, script) for name in SERVED for script in SCRIPTS]
#: an answer to nobody is an error on a cluster
CASES += [(name, scripts.updates_while_it_asks) for name in ("fan", "child")]


@pytest.mark.parametrize(("name", "script"), CASES, ids=lambda case: getattr(case, "__name__", case))
def test_as_embedded(cluster: Cluster, name: str, script: Any) -> None:
    here = Thread(DRUMLINE, getattr(graphs, name)(DRUMLINE))
    there = Thread(DRUMLINE, SERVED[name].on(cluster, name), thread=f"{name} {script.__name__}")
    script(here)
    script(there)
    mine = [line.replace("thread_id: 1", f"thread_id: {name} {script.__name__}") for line in here.lines]
    assert there.lines == mine
