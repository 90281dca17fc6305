"""An agent of LangChain's asks a person, and everything is killed. The next day another client answers new code."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command as TheirCommand
from tests.adapter.reviewed_app import reviewed
from tests.cluster.processes import running
from tests.servers import local_server
from tests.threads.traces import plain

from drumline.types import Command

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]
ON: Any = {"configurable": {"thread_id": "1"}}
MODES: Any = ["updates", "values"]


def test_the_stream_goes_on_as_langgraphs_does(tmp_path: Path) -> None:
    prefix, saver = f"t{uuid.uuid4().hex[:8]}", InMemorySaver()
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    answer = {"decisions": [{"type": "approve"}]}

    def shown(items: Any) -> list[str]:
        return [plain(item).replace(str(ours), "LOG").replace(str(theirs), "LOG") for item in items]

    def given(log: Path) -> Any:
        return {"messages": [{"role": "user", "content": f"Oslo {log}", "id": "u"}]}

    with local_server(options=("--appendfsync", "always")) as server:
        with running(server.url, "tests.adapter.reviewed_app:NOW", prefix=prefix, workers=2) as (processes, cluster):
            first = list(cluster.graph("reviewed").stream(given(ours), ON, stream_mode=MODES))
            for role in processes.roles.values():
                role.kill()
        server.kill()
        server.start()
        assert shown(first) == shown(reviewed("now", saver).stream(given(theirs), ON, stream_mode=MODES))
        assert "action_requests" in repr(first[-1]), "it asks"
        with running(server.url, "tests.adapter.reviewed_app:NEXT", prefix=prefix, workers=2) as (_, cluster):
            [question] = [row["interrupt"] for row in cluster.interrupts(graph="reviewed")]
            second = list(
                cluster.graph("reviewed").stream(Command(resume={question.id: answer}), ON, stream_mode=MODES)
            )
    assert shown(second) == shown(reviewed("next", saver).stream(TheirCommand(resume=answer), ON, stream_mode=MODES))
    assert "next: rain in Oslo" in repr(second)
    assert ours.read_text() == theirs.read_text() == "next\n"
