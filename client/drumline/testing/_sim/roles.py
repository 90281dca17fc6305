"""What all processes of a simulated cluster know of its graphs. Codecs take their time to build, so they are kept."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from drumline_coordinator.apps import Apps
from drumline_graph.program import Program
from drumline_protocol.codec import Codec
from drumline_worker.registry import Registry

#: sets of graphs whose codecs are kept: a test makes many clusters of one
KEPT_MAX = 8


@dataclass(slots=True)
class Roles:
    """One for all processes of a cluster: they only add to its caches."""

    programs: dict[str, Program]
    apps: Apps
    registry: Registry
    #: codecs of clients
    codecs: dict[Program | None, Codec] = field(default_factory=dict)


_kept: OrderedDict[tuple[tuple[str, int], ...], Roles] = OrderedDict()


def roles_of(programs: Mapping[str, Program]) -> Roles:
    """What a new cluster that serves these graphs begins with: nothing is known of runs."""
    key = tuple((name, id(program)) for name, program in programs.items())
    known = _kept.pop(key, None)
    if known is None:
        known = Roles(dict(programs), Apps(programs), Registry(programs))
    _kept[key] = known  # holds the programs, so their ids stay theirs
    while len(_kept) > KEPT_MAX:
        _kept.popitem(last=False)
    registry = copy.copy(known.registry)
    registry._shared = OrderedDict()
    return Roles(known.programs, known.apps, registry, known.codecs)
