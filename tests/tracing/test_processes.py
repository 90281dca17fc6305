"""A client and workers that are processes of their own tell LangSmith, and handlers of the app, of one trace."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cluster.conftest import cluster_of  # noqa: F401  a fixture
from tests.tracing.conftest import LangSmith
from tests.tracing.recorder import Recorder
from tests.tracing.test_langsmith import is_one_trace

from drumline_protocol.trace_ids import root_trace_id

pytestmark = pytest.mark.cluster


def test_real_processes(
    langsmith: LangSmith,
    cluster_of,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard = tmp_path / "heard"
    monkeypatch.setenv("HEARD", str(heard))
    processes, cluster = cluster_of(workers=2, app="tests.tracing.served:GRAPHS")
    recorder = Recorder()
    stream = cluster.graph("whole").stream({"xs": [0]}, {"callbacks": [recorder]})
    list(stream)
    for index in range(2):
        worker = processes.roles[f"w{index}"].process
        worker.terminate()  # in good order: a worker that ends sends what LangSmith is to hear
        worker.wait()
    is_one_trace(langsmith, str(root_trace_id(stream.run_id)))
    assert ("whole", "sub", "LangGraph", "in2", "GenericFakeChatModel") in langsmith.names()
    told = [json.loads(line) for line in heard.read_text().splitlines()]
    nodes = {str(id_): run["name"] for id_, run in recorder.runs.items()}
    assert {(one["id"], one["name"]) for one in told if one["id"] in nodes} >= {
        (id_, name) for id_, name in nodes.items() if name in ("a", "models", "c", "w", "in1", "in2", "lam")
    }
    assert {one["parent"] for one in told} <= {*nodes, *(one["id"] for one in told)}
