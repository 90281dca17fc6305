"""Mutations of what serves a Redis Cluster and masters behind sentinels."""

from __future__ import annotations

from ..mutation import Mutation

_HERE = "transport/drumline_transport/"
_DEPLOYED = "tests/transport/test_deployed.py"
_BOTH = f"{_DEPLOYED} tests/transport/test_contract_tasks.py"

DEPLOYED: tuple[Mutation, ...] = (
    Mutation(
        "away_is_lost",
        _HERE + "cluster_worker.py",
        "kept = {**found, **{p: set(places[p]) for p in away}}",
        "kept = {**found}",
        _DEPLOYED,
        "Tasks of a partition whose master is away go on.",
    ),
    Mutation(
        "one_away_is_all_away",
        _HERE + "cluster_parts.py",
        "if away and not found:",
        "if away:",
        _DEPLOYED,
        "A master that is away costs its own partitions.",
    ),
    Mutation(
        "reads_left_standing",
        _HERE + "cluster_take.py",
        "        for place, numbers in by_place.items():\n",
        "        for place, numbers in ():\n",
        _DEPLOYED,
        "A worker that has a task calls its other reads off, and is not kept waiting by them.",
    ),
    Mutation(
        "commits_waited_for",
        _HERE + "cluster_coordinator.py",
        "sum(part.outstanding for part in self._sending() if not part.stalled)",
        "sum(part.outstanding for part in self._sending())",
        _DEPLOYED,
        "Nobody waits for the reply of a master that is away.",
    ),
    Mutation(
        "entry_of_any_partition",
        _HERE + "cluster_take.py",
        "taken.id = entry_name(p, taken.id)",
        "taken.id = entry_name(0, taken.id)",
        _BOTH,
        "An entry is acknowledged in the stream where it lies.",
    ),
    Mutation(
        "only_the_first_sentinel",
        _HERE + "dialer.py",
        "for place in list(self._sentinels):",
        "for place in self._sentinels[:1]:",
        _DEPLOYED,
        "A sentinel that is away is passed over.",
    ),
    Mutation(
        "held_back_is_overtaken",
        "worker/drumline_worker/sender.py",
        "                self.batch = self.held_back.part(self.batch)\n",
        "                pass\n",
        "tests/worker/test_held_back.py",
        "What is said for a partition keeps its order while that cannot be reached.",
    ),
    Mutation(
        "held_back_is_forgotten",
        "worker/drumline_worker/held_back.py",
        "            except NoBroker:\n                continue\n",
        "            except NoBroker:\n                pass\n",
        "tests/worker/test_held_back.py",
        "What was held back waits until its partition has it.",
    ),
    Mutation(
        "rewind_forgotten",
        "client/drumline/cluster/reader.py",
        "and start.epoch != self._epoch:",
        "and start.epoch > self._epoch:",
        "tests/client/test_reading.py",
        "A position in facts that were lost, and written anew, is a gap.",
    ),
    Mutation(
        "thread_anywhere",
        "protocol/drumline_protocol/new_ids.py",
        "if thread_id is None else home_of(thread_id)",
        "if thread_id is None else home_of(thread_id) ^ 1",
        "tests/protocol/test_run_ids.py",
        "The runs of a thread lie where the thread does.",
    ),
    Mutation(
        "foreign_ids_are_ours",
        "protocol/drumline_protocol/ids.py",
        "if bits >> 22 & 0xFF == _check(bits) else None",
        "",
        "tests/protocol/test_run_ids.py",
        "UUIDs of version 8 that others made are told from ours.",
    ),
)
