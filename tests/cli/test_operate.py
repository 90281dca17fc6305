"""What an operator does: `drumline dead`, `protocol`, `install-scripts`; and `ps` on a broker that holds junk."""

from __future__ import annotations

import json
import random
from argparse import Namespace
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.cli.command import SERVED, Started, drumline, environment

from drumline.cli.dead import shown
from drumline.cli.main import main
from drumline.retention import Retention
from drumline.retention_text import retention_of, text_of
from drumline.settings import Settings, UsageError
from drumline_protocol import wire
from drumline_protocol.codec import Codec
from drumline_protocol.codec_types import TypeTable
from drumline_protocol.keys import Keys
from drumline_protocol.limits import DEAD_DATA_BYTES_MAX
from drumline_protocol.messages import CancelRun
from drumline_transport import connect
from drumline_transport.broker import START
from drumline_transport.dead import DeadEntry
from drumline_transport.local_server import LocalServer
from drumline_transport.scripts import ALL

pytestmark = pytest.mark.cluster
_numbers = count(1)
CANCEL = wire.encode(Codec(TypeTable()), CancelRun("run-1", "enough"))


class Place:
    """A cluster of its own on the server, and the commands that look at it."""

    def __init__(self, url: str) -> None:
        self.url, self.prefix = url, f"operate{next(_numbers)}"
        self.keys = Keys(self.prefix)
        self.broker = connect(url, prefix=self.prefix, partitions=2, create=True)
        self.raw = redis.Redis.from_url(url, protocol=2)

    def set_aside(self, p: int, entry: DeadEntry) -> str:
        self.broker.set_aside(p, entry)
        return f"{p}/{self.broker.dead(p, 1)[0][0]}"

    def call(self, *words: str) -> int:
        return main([*words, "--broker", self.url, "--prefix", self.prefix])


@pytest.fixture
def place(server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.chdir(tmp_path)
    made = Place(server.url)
    yield made
    made.broker.close()
    made.raw.close()


Capture = pytest.CaptureFixture[str]


# -- dead -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["show"], "which entry?"),
        (["retry", "1-1"], "it is P/ID"),
        (["drop", "x/1-1"], "it is P/ID"),
        (["list", "1/1-1"], "takes no entry"),
        (["drop", "1/1-1", "--all"], "takes no entry"),
        (["show", "1/1-1", "--all"], "--all goes with"),
    ],
)
def test_words_that_do_not_go_together(words: list[str], told: str, capsys: Capture) -> None:
    assert main(["dead", *words, "--broker", "redis://127.0.0.1:1"]) == 2
    assert told in capsys.readouterr().err


def test_entries_are_listed_for_people_and_for_programs(place: Place, capsys: Capture) -> None:
    assert place.call("dead", "list") == 0
    assert capsys.readouterr().out == "nothing was set aside\n"
    first = place.set_aside(0, DeadEntry("inbox", "5-1", "run-1", "it is \x1b[31mjunk", b"xyz"))
    second = place.set_aside(1, DeadEntry("tasks:gpu", "5-2", "", "it is no task", b"\xff" * (DEAD_DATA_BYTES_MAX + 9)))
    assert place.call("dead", "list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["entry", "source", "run", "bytes", "reason"]
    assert lines[1].split() == [first, "inbox", "run-1", "3", "it", "is", "\\x1b[31mjunk"]
    assert lines[2].split() == [second, "tasks:gpu", "65545", "it", "is", "no", "task"]
    assert place.call("dead", "list", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["entry"], row["source_id"], row["bytes"], row["kept_bytes"]) for row in rows] == [
        (first, "5-1", 3, 3),
        (second, "5-2", DEAD_DATA_BYTES_MAX + 9, DEAD_DATA_BYTES_MAX),
    ]


def test_a_list_that_is_none_costs_its_partition(place: Place, capsys: Capture) -> None:
    place.set_aside(1, DeadEntry("inbox", "5-1", "run-1", "it is junk", b"xyz"))
    place.raw.set(place.keys.dead(0), "rubbish")
    assert place.call("dead", "list") == 1
    told = capsys.readouterr()
    assert "it is junk" in told.out
    assert "the entries of partition 0 cannot be read: WRONGTYPE" in told.err


def test_an_entry_is_shown_with_its_message(place: Place, capsys: Capture) -> None:
    entry = place.set_aside(0, DeadEntry("requests", "5-1", "run-1", "why not", CANCEL))
    assert place.call("dead", "show", entry) == 0
    told = capsys.readouterr().out
    assert f"entry    {entry}\nfrom     requests, entry 5-1 there\nrun      run-1\nreason   why not\n" in told
    assert "message  CancelRun(run='run-1', reason='enough', takes_back=False)" in told


def test_whatever_an_entry_holds_can_be_shown() -> None:
    dice = random.Random(7)
    newer = Codec(TypeTable()).encode([99, [33, "run-1", ""]])
    assert "protocol version 99" in shown(0, "1-1", DeadEntry("inbox", "5-1", "", "", newer))
    for _ in range(500):
        data = bytearray(CANCEL if dice.random() < 0.7 else dice.randbytes(dice.randrange(300)))
        for _ in range(dice.randrange(4)):
            if data:
                data[dice.randrange(len(data))] = dice.randrange(256)
        told = shown(0, "1-1", DeadEntry("\ud800", "\x00", "\x1b", "\udcff", bytes(data)))
        assert told.encode() and "\x1b" not in told
    assert "bytes    9, of which the first 2 were kept" in shown(0, "1-1", DeadEntry("", "", "", "", b"ab", 9))


@pytest.mark.parametrize("source", ["inbox", "requests"])
def test_an_entry_goes_back_and_is_listed_no_more(place: Place, source: str, capsys: Capture) -> None:
    entry = place.set_aside(1, DeadEntry(source, "5-1", "run-1", "why", CANCEL))
    assert place.call("dead", "retry", entry) == 0
    assert capsys.readouterr().out == f"put {entry} back into {source}\n"
    [found] = place.broker.read_inbox({1: START}, 10, 0)
    assert (found.source, found.run, found.data) == (source, "run-1", CANCEL)
    assert place.broker.dead(1, 10) == []


def test_a_task_goes_back_into_its_pool(place: Place) -> None:
    entry = place.set_aside(0, DeadEntry("tasks:gpu", "5-1", "", "why", b"a task"))
    assert place.call("dead", "retry", entry) == 0
    assert [task.data for task in place.broker.take(["gpu"], "w", 10, 0)] == [b"a task"]


@pytest.mark.parametrize(
    ("dead", "told"),
    [
        (DeadEntry("inbox", "5-1", "r", "why", b"x" * (DEAD_DATA_BYTES_MAX + 1)), "only 65536 of its 65537 bytes"),
        (DeadEntry("somewhere", "5-1", "r", "why", b"x"), "it lay in 'somewhere'"),
    ],
)
def test_what_cannot_go_back_stays_in_the_list(place: Place, dead: DeadEntry, told: str, capsys: Capture) -> None:
    entry = place.set_aside(0, dead)
    assert place.call("dead", "retry", entry) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"entry {entry} cannot be put back: {told}" in line
    assert f"`drumline dead drop {entry}`" in line
    assert len(place.broker.dead(0, 10)) == 1


def test_one_entry_is_dropped_or_all(place: Place, capsys: Capture) -> None:
    one = place.set_aside(0, DeadEntry("inbox", "5-1", "", "", b""))
    for number in range(250):
        place.set_aside(1, DeadEntry("inbox", f"6-{number}", "", "", b""))
    assert place.call("dead", "drop", one) == 0
    assert (len(place.broker.dead(0, 10)), len(place.broker.dead(1, 999))) == (0, 250)
    assert place.call("dead", "drop", "--all") == 0
    assert "dropped 250 entries" in capsys.readouterr().out
    assert place.broker.dead(1, 10) == []


@pytest.mark.parametrize("action", ["show", "retry", "drop"])
def test_an_entry_that_is_not_there(place: Place, action: str, capsys: Capture) -> None:
    other = place.set_aside(0, DeadEntry("inbox", "5-1", "", "", b""))
    missing = f"{other}9"
    assert place.call("dead", action, missing) == 1
    assert f"there is no entry {missing}" in capsys.readouterr().err
    assert place.call("dead", action, "2/1-1") == 1
    assert "there is no partition 2: this cluster has 2" in capsys.readouterr().err
    assert len(place.broker.dead(0, 10)) == 1


# -- protocol and scripts ----------------------------------------------------------------------------


def test_the_version_of_a_cluster_is_shown_and_raised(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    assert place.call("protocol", "--raise") == 0
    assert f"speaks protocol version {wire.VERSION}, the latest" in capsys.readouterr().out
    monkeypatch.setattr(wire, "VERSION", wire.VERSION + 1)  # this drumline is a newer one
    assert place.call("protocol") == 0
    assert "`drumline protocol --raise`" in capsys.readouterr().out
    assert place.raw.hget(place.keys.meta(), "protocol") == b"%d" % (wire.VERSION - 1)
    assert place.call("protocol", "--raise") == 0
    assert place.raw.hget(place.keys.meta(), "protocol") == b"%d" % wire.VERSION


def test_scripts_are_installed(server: LocalServer) -> None:
    with redis.Redis.from_url(server.url, protocol=2) as raw:
        raw.script_flush()
        assert main(["install-scripts", "--broker", server.url, "--prefix", "nobody-made-this"]) == 0
        assert all(raw.script_exists(*(script.sha for script in ALL)))
        assert raw.exists(Keys("nobody-made-this").meta()) == 0


# -- ps ----------------------------------------------------------------------------------------------


def test_ps_lives_with_junk(place: Place, capsys: Capture) -> None:
    keys, raw = place.keys, place.raw
    raw.set(keys.open(0), "rubbish")
    raw.set(keys.failed(0), "rubbish")
    raw.xadd(keys.failed(1), {"r": "run-9", "g": "shop\x1b[31m", "t": "junk", "e": "ValueError: no"})
    raw.set(keys.tasks("gpu"), "rubbish")
    raw.hset(keys.workers(), "w", b"%d " % (raw.time()[0] * 1000) + b'{"pools": ["gpu"], "running": "many"}')
    raw.hset(keys.coordinators(), "c", b"\xff\xfe")
    raw.sadd(keys.open(1), "run-a", "run-b", "\x1b", b"\xff", "x" * 500)
    for run_id in ("run-a", "run-b"):  # wherever they belong
        for p in (0, 1):
            raw.delete(keys.run(p, run_id))
    for p in (0, 1):
        raw.hset(keys.run(p, "run-a"), mapping={"status": "open", "graph": b"\xff", "created_ms": "soon"})
        raw.xadd(keys.log(p, "run-a"), {"f": "1", "d": b"junk"})
        raw.set(keys.run(p, "run-b"), "rubbish")
    assert place.call("ps", "--json") == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert [(run["run_id"], run["created_ms"]) for run in found["runs"]] == [("run-a", 0)]
    assert [(run["run_id"], run["at_ms"], run["error"]) for run in found["failed"]] == [("run-9", 0, "ValueError: no")]
    assert found["pools"] == [{"name": "gpu", "workers": 1, "waiting": 0, "taken": 0}]
    told = "\n".join(found["unusable"])
    for part in ("open runs of partition 0", "failed runs of partition 0", "run run-b cannot be looked at"):
        assert part in told
    assert place.call("ps") == 0
    told = capsys.readouterr().out
    assert "ValueError: no" in told and "open runs of partition 0" in told and "\x1b" not in told


@pytest.mark.parametrize(
    "junk", [{"partitions": "many"}, {"partitions": "0"}, {"partitions": "9" * 12}, {"protocol": "x"}]
)
def test_a_cluster_whose_meta_is_junk(place: Place, junk: dict[str, str], capsys: Capture) -> None:
    place.raw.hset(place.keys.meta(), mapping=junk)  # type: ignore[arg-type]
    for command in (["ps"], ["health", "worker"], ["dead", "list"], ["protocol"]):
        assert place.call(*command) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert f"{place.keys.meta()} is damaged" in line


# -- what one run may write ---------------------------------------------------------------------------


def test_the_bound_of_a_log_is_a_setting() -> None:
    def bound(option: int | None, **env: str) -> int | None:
        return Settings(Namespace(run_log_bytes=option), env).run_log_bytes()

    assert bound(5, DRUMLINE_RUN_LOG_BYTES="6") == 5
    assert bound(None, DRUMLINE_RUN_LOG_BYTES="6") == 6
    assert bound(None) is None
    with pytest.raises(UsageError, match="DRUMLINE_RUN_LOG_BYTES"):
        bound(None, DRUMLINE_RUN_LOG_BYTES="much")


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("max_age=30d", Retention(max_age=30 * 86_400)),
        ("max_age=1.5h, max_checkpoints=5,keep=interrupted", Retention(5400, 5, keep="interrupted")),
        ("max_age=90,max_bytes=1000000", Retention(90, max_bytes=1_000_000)),
    ],
)
def test_what_is_kept_of_threads_is_a_setting(text: str, rules: Retention) -> None:
    assert Settings(Namespace(retention=text), {}).retention() == rules
    assert Settings(Namespace(retention=None), {"DRUMLINE_RETENTION": text}).retention() == rules
    assert Settings(Namespace(retention=None), {}).retention() is None
    assert retention_of(text_of(rules)) == rules


@pytest.mark.parametrize("text", ["30d", "age=3", "max_age=3w", "max_age=0", "max_checkpoints=1.5", "keep=some", ","])
def test_rules_that_are_none_are_wrong_use(text: str) -> None:
    with pytest.raises(UsageError, match="DRUMLINE_RETENTION"):
        Settings(Namespace(retention=text), {}).retention()


def test_a_run_that_writes_more_than_its_coordinator_keeps(server: LocalServer, tmp_path: Path) -> None:
    env = environment(DRUMLINE_BROKER=server.url)
    words = (SERVED, "--prefix", "bounded")
    started = [Started("coordinator", "--run-log-bytes", "20000", *words, cwd=tmp_path, env=env)]
    try:
        started.append(Started("worker", *words, cwd=tmp_path, env=env))
        for role in started:
            role.await_line("ready")
        work = json.dumps({"mark": str(tmp_path / "mark"), "count": 600})
        done = drumline("run", "speak", "--input", work, "--prefix", "bounded", cwd=tmp_path, env=env)
        assert done.returncode == 0, done.stderr
        with redis.Redis.from_url(server.url) as raw:
            (record,) = raw.scan_iter("*bounded*:run:*")
            (log,) = raw.scan_iter("*bounded*:log:*")
            assert raw.hget(record, "status") == b"done" and raw.hexists(record, "trimmed")
            assert sum(len(fields[b"d"]) for _, fields in raw.xrange(log)) < 40_000
    finally:
        for role in started:
            role.close()
