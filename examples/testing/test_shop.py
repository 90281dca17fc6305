"""An order as a graph (reserve the goods, charge the card, ship), and its tests against crashes.

    python -m pytest examples/testing

No server is needed, and each crash takes milliseconds. docs/testing.md explains the kit.
"""

from collections.abc import Iterator
from typing import TypedDict

import pytest

from drumline.graph import END, START, StateGraph
from drumline.testing import (
    CrashCoordinator,
    CrashWorker,
    Faults,
    LocalCluster,
    SimCluster,
    assert_survives,
    local_cluster,
    seeds,
)

# -- the graph: in a project of yours the tests would import it -------------------------------------


class Order(TypedDict, total=False):
    number: str
    reserved: bool
    receipt: str
    shipped: bool


class Payments:
    """Stands for a payment service. It knows a key that it has seen, as real ones do (`Idempotency-Key`)."""

    def __init__(self) -> None:
        self.receipts: dict[str, str] = {}
        self.charged = 0

    def charge(self, key: str) -> str:
        """Charge the card, unless this key was charged before. Returns the receipt."""
        if key not in self.receipts:
            self.charged += 1
            self.receipts[key] = f"receipt of {key}"
        return self.receipts[key]


payments = Payments()


def reserve(_order: Order) -> Order:
    return {"reserved": True}


def charge(order: Order) -> Order:
    # The number of the order is the key: an attempt that follows a crash gets the same receipt, and charges nothing.
    return {"receipt": payments.charge(order["number"])}


def ship(_order: Order) -> Order:
    return {"shipped": True}


graph = (
    StateGraph(Order)
    .add_node("reserve", reserve)
    .add_node("charge", charge)
    .add_node("ship", ship)
    .add_edge(START, "reserve")
    .add_edge("reserve", "charge")
    .add_edge("charge", "ship")
    .add_edge("ship", END)
    .compile(name="shop")
)

# -- its tests --------------------------------------------------------------------------------------

ORDER: Order = {"number": "order 7"}


@pytest.fixture(autouse=True)
def _new_payments() -> None:
    payments.receipts.clear()
    payments.charged = 0


def test_survives_crashes() -> None:
    """50 clusters, in each of which everything goes wrong: the stream is that of a run in this process."""
    assert_survives(graph, ORDER, seeds=50, faults=Faults.rough())
    assert payments.charged == 1


@pytest.mark.parametrize("node", ["reserve", "charge", "ship"])
def test_a_worker_dies_in_a_node(node: str) -> None:
    """The node's code has run, its result is lost, and another worker runs it again."""
    with SimCluster({"shop": graph}, workers=2, faults=CrashWorker(node)) as cluster:
        assert cluster.graph("shop").invoke(ORDER)["shipped"]
        assert cluster.executions[node] == 2
    assert payments.charged == 1


@pytest.mark.parametrize("seed", seeds(10))
def test_a_coordinator_dies(seed: int) -> None:
    with SimCluster({"shop": graph}, coordinators=2, seed=seed, faults=CrashCoordinator(commit=2)) as cluster:
        assert list(cluster.graph("shop").stream(ORDER)) == list(graph.stream(ORDER))


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Real threads on the memory broker: for tests of the code around a graph."""
    with local_cluster({"shop": graph}) as cluster:
        yield cluster


def test_an_order_is_shipped(cluster: LocalCluster) -> None:
    assert cluster.graph("shop").invoke(ORDER)["shipped"]
