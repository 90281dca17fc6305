"""What Linux counts for a process: CPU time and peak memory, from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(slots=True)
class Stat:
    """What is used of one line of /proc/<pid>/stat."""

    parent: int
    cpu_ticks: int


def parse_stat(line: str) -> Stat:
    """The name in parentheses may hold anything, parentheses too; the fields behind the last one are numbers."""
    fields = line.rpartition(")")[2].split()
    return Stat(parent=int(fields[1]), cpu_ticks=int(fields[11]) + int(fields[12]))


def parse_peak(status: str) -> int:
    """Bytes of the line VmHWM of /proc/<pid>/status: the most that was ever resident. 0 if there is no such line."""
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def family(pid: int, stats: Mapping[int, Stat]) -> set[int]:
    """The process and its children, and theirs."""
    found = {pid}
    size = 0
    while len(found) > size:
        size = len(found)
        found.update(child for child, stat in stats.items() if stat.parent in found)
    return found


def cpu_seconds(pids: Iterable[int]) -> dict[int, float]:
    """CPU time (user and system) of each process with its children that are there, such as its renewer.

    The kernel tells it in ticks of 10 ms, so measure seconds of work. RuntimeError where there is no /proc.
    """
    stats = {}
    for path in PROC.glob("[0-9]*/stat"):
        try:
            stats[int(path.parent.name)] = parse_stat(path.read_text())
        except (OSError, ValueError):
            continue  # it has ended meanwhile
    if not stats:
        raise RuntimeError("the CPU time of other processes is read from /proc, which only Linux has")
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    return {pid: sum(stats[one].cpu_ticks for one in family(pid, stats) if one in stats) * tick_s for pid in pids}


def peak_bytes(pid: int) -> int:
    """The most memory that the process ever had resident, without its children."""
    return parse_peak((PROC / str(pid) / "status").read_text())
