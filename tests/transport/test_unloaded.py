"""Roles that may call scripts and load none: a coordinator's keeper loads them, or an operator."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from tests.transport.commits import commit_of, lease_of, settle

from drumline_protocol.errors import NoBroker
from drumline_transport import connect
from drumline_transport.broker import START
from drumline_transport.errors import BrokerRefuses
from drumline_transport.redis_broker import install_scripts
from drumline_transport.scripts import ALL


@pytest.fixture
def limited(real_backend) -> Iterator[str]:
    """The URL of a user who may do all but load scripts, or ask for them."""
    real_backend.connect().close()
    name = f"limited-{real_backend.prefix}"
    real_backend.raw("ACL", "SETUSER", name, "reset", "on", ">secret", "~*", "&*", "+@all", "-script")
    yield real_backend.url.replace("://", f"://{name}:secret@", 1)
    real_backend.raw("ACL", "DELUSER", name)


def loaded(real_backend) -> int:
    return sum(real_backend.raw("SCRIPT", "EXISTS", *(script.sha for script in ALL)))


def test_a_survey_loads_what_the_server_lost(real_backend):
    broker = real_backend.connect()
    real_backend.raw("SCRIPT", "FLUSH")
    broker.survey("a", b"", "A", [], 1_000)
    assert loaded(real_backend) == len(ALL)


def test_who_may_not_load_a_script_waits_for_a_keeper(real_backend, limited):
    worker, keeper = connect(limited, prefix=real_backend.prefix, name="w"), real_backend.connect()
    try:
        real_backend.raw("SCRIPT", "FLUSH")
        sent = threading.Thread(target=worker.publish, args=([(0, "r", b"x")], []), daemon=True)
        sent.start()
        keeper.survey("a", b"", "A", [], 1_000)
        sent.join(10)
        assert not sent.is_alive()
        assert [entry.data for entry in keeper.read_inbox({0: START}, 10, 0)] == [b"x"]
    finally:
        worker.close()


def test_nobody_waits_for_ever(real_backend, limited):
    """A worker's send thread says so after its patience, its keeper at once, and both go on when scripts are back."""
    worker = connect(limited, prefix=real_backend.prefix, name="w", patience_s=0.05)
    try:
        real_backend.raw("SCRIPT", "FLUSH")
        with pytest.raises(BrokerRefuses, match="'publish' is not loaded, and this user may not load it"):
            worker.publish([(0, "r", b"x")], [])
        with pytest.raises(BrokerRefuses, match="'beat' is not loaded"):
            worker.beat("workers", "w", b"{}")
        install_scripts(real_backend.url)
        worker.publish([(0, "r", b"x")], [])
        worker.beat("workers", "w", b"{}")
    finally:
        worker.close()


def test_a_coordinator_may_live_on_scripts_that_an_operator_loads(real_backend, limited):
    real_backend.raw("SCRIPT", "FLUSH")
    broker = connect(limited, prefix=real_backend.prefix, name="c")
    try:
        with pytest.raises(BrokerRefuses, match=r"'beat' is not loaded|'renew_lease' is not loaded"):
            broker.survey("a", b"", "A", [], 1_000)
        assert install_scripts(real_backend.url) == loaded(real_backend) == len(ALL)
        assert broker.survey("a", b"", "A", [], 1_000).kept == set()
        lease = lease_of(broker, 0, "A")
        assert settle(broker, commit_of(lease, 1))[0].status == "applied"
        # Commits wait, and are applied when the script is there again
        real_backend.raw("SCRIPT", "FLUSH")
        broker.send_commit(commit_of(lease, 2))
        assert broker.poll_commits(100) == []
        assert broker.stalled
        install_scripts(real_backend.url)
        assert [reply.status for reply in broker.poll_commits(10_000)] == ["applied"]
    finally:
        broker.close()


def test_only_who_may_load_scripts_installs_them(limited):
    with pytest.raises(NoBroker, match="may not load it"):
        install_scripts(limited)
