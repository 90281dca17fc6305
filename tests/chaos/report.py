"""The report of a session as text. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from tests.chaos.rounds import Round
from tests.chaos.takeover import percentile

#: a takeover must be quicker than this
TAKEOVER_MAX_S = 2.0
#: what good runs may lose to hostile ones: a kill of their worker (its takeover), and a lock held for 3 s
P50_FACTOR_MAX, P50_SLACK_S, P99_SLACK_S = 2.0, 0.5, 5.0
_SHOWN_MAX = 25


def compare_with_quiet(rounds: Sequence[Round]) -> None:
    """Add a violation to each hostile round whose good runs noticed: they are held against the quiet round before."""
    quiet = {found.server: found for found in rounds if found.name == "quiet"}
    for found in rounds:
        beside = quiet.get(found.server)
        if found.name != "hostile" or beside is None:
            continue
        for part, most in ((0.5, _p50_max(beside)), (0.99, percentile(beside.took_s, 0.99) + P99_SLACK_S)):
            is_now = percentile(found.took_s, part)
            if is_now > most:
                was = percentile(beside.took_s, part)
                found.violations.append(
                    f"good runs noticed: p{part * 100:.0f} is {is_now:.2f} s, and {was:.2f} s in the quiet round "
                    f"(at most {most:.2f} s)"
                )


def _p50_max(quiet: Round) -> float:
    return percentile(quiet.took_s, 0.5) * P50_FACTOR_MAX + P50_SLACK_S


def takeover_violations(found: Round) -> list[str]:
    """Takeovers of a round without other faults that took too long."""
    if found.name != "takeover":
        return []
    kinds = {"worker": found.takeovers.workers, "coordinator": found.takeovers.coordinators}
    return [
        f"takeover of a {kind}: p99 is {percentile(values, 0.99):.2f} s, {TAKEOVER_MAX_S:g} s at most"
        for kind, values in kinds.items()
        if percentile(values, 0.99) > TAKEOVER_MAX_S
    ]


def table(rounds: Sequence[Round]) -> str:
    """A column for each round, a row for each figure."""
    rows: list[tuple[str, list[str]]] = [
        ("", [f"{found.server} {found.name}" for found in rounds]),
        ("seconds", [f"{found.seconds:g}" for found in rounds]),
        ("runs", [str(sum(found.outcomes.values())) for found in rounds]),
    ]
    ends = ("right", "cancelled", "not accepted", "lost and told")
    rows += [(f"  {end}", [str(found.outcomes[end]) for found in rounds]) for end in ends]
    rows += [
        ("  wrong streams", [str(found.wrong) for found in rounds]),
        ("  lost, failed, stuck", [str(found.lost) for found in rounds]),
        ("joined again", [str(found.joins) for found in rounds]),
        ("run p50, p99", [_pair(found.took_s) for found in rounds]),
        ("faults", [str(sum(found.faults.values())) for found in rounds]),
    ]
    kinds = sorted({kind for found in rounds for kind in found.faults})
    rows += [(f"  {kind}", [str(found.faults[kind]) for found in rounds]) for kind in kinds]
    rows += [
        ("hostile messages", [str(sum(found.hostile.values())) for found in rounds]),
        ("misbehaving runs", [str(sum(found.bad_ends.values())) for found in rounds]),
        ("workers ended by nodes", [str(found.ended_by_nodes) for found in rounds]),
        ("starts without a broker", [str(found.started_in_vain) for found in rounds]),
        ("takeover of workers", [_pair(found.takeovers.workers, count=True) for found in rounds]),
        ("  of coordinators", [_pair(found.takeovers.coordinators, count=True) for found in rounds]),
        ("keys left", [str(len(found.left)) for found in rounds]),
        ("violations", [str(len(found.violations)) for found in rounds]),
    ]
    first = max(len(name) for name, _ in rows)
    widths = [max(len(cells[at]) for _, cells in rows) for at in range(len(rounds))]
    lines = [
        f"{name:<{first}}  " + "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        for name, cells in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def _pair(values: Sequence[float], *, count: bool = False) -> str:
    if not values:
        return "-"
    text = f"{percentile(list(values), 0.5):.2f} s, {percentile(list(values), 0.99):.2f} s"
    return f"{text} of {len(values)}" if count else text


def details(found: Round, replay: str) -> str:
    """What was wrong in a round, and how to play it again; "" if nothing was."""
    if not found.violations:
        return ""
    lines = [f"{found.server} {found.name}: {len(found.violations)} violations"]
    lines += [f"  {text}" for text in found.violations[:_SHOWN_MAX]]
    if len(found.violations) > _SHOWN_MAX:
        lines.append(f"  and {len(found.violations) - _SHOWN_MAX} more")
    return "\n".join([*lines, f"  again: {replay}", f"  logs: {found.folder}"])


def how_bad_runs_ended(found: Round) -> str:
    """A line for each misbehaving graph and each end of its runs."""
    return "\n".join(f"  {count:5}  {end}" for end, count in sorted(found.bad_ends.items()))
