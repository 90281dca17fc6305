"""Test your graphs against crashes, in milliseconds and without a server: see docs/testing.md.

    from drumline.testing import Faults, SimCluster, assert_survives

    def test_my_agent_survives_crashes():
        assert_survives(graph, {"messages": [("user", "hi")]}, seeds=50)

`SimCluster` is a whole cluster in one thread, on a virtual clock, with faults that are drawn from a seed.
`local_cluster` is one of real threads on the memory broker, without faults, for integration tests.
"""

from drumline.testing._streams.shown import Recorded
from drumline.testing.errors import FaultDidNotHappen, InvariantViolation, SimulationStuck, StreamsDiffer
from drumline.testing.faults import (
    CrashCoordinator,
    CrashWorker,
    Faults,
    LoseReply,
    LoseResultReply,
    NamedFault,
    PauseWorker,
    RestartBroker,
)
from drumline.testing.local import LocalCluster, local_cluster
from drumline.testing.sim import Process, SimCluster, SimGraph
from drumline.testing.streams import assert_same_stream, record, stream_difference
from drumline.testing.survive import assert_survives, seeds

__all__ = [
    "CrashCoordinator",
    "CrashWorker",
    "FaultDidNotHappen",
    "Faults",
    "InvariantViolation",
    "LocalCluster",
    "LoseReply",
    "LoseResultReply",
    "NamedFault",
    "PauseWorker",
    "Process",
    "Recorded",
    "RestartBroker",
    "SimCluster",
    "SimGraph",
    "SimulationStuck",
    "StreamsDiffer",
    "assert_same_stream",
    "assert_survives",
    "local_cluster",
    "record",
    "seeds",
    "stream_difference",
]
