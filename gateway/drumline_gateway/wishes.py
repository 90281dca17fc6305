"""What somebody wants to see of a run: stream modes, and whether those of graphs within.

A client that comes back to a run has no way to say that again: `useStream` joins by the run's id alone, after a reload.
So the run's metadata keep what its starter wanted, where that is more than what everybody gets who says nothing. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from drumline_gateway.errors import bad
from drumline_gateway.frames import drumline_modes
from drumline_gateway.owners import SHOWN

#: what somebody sees who joins a run and says nothing of modes, and whose starter has not either
JOIN_MODES = ("values", "updates", "messages-tuple", "custom")


class Wish(NamedTuple):
    """Modes by LangGraph's names, and whether those of subgraphs too."""

    modes: Sequence[str] = JOIN_MODES
    subgraphs: bool = False


def modes_in(given: Any, default: Sequence[str] = JOIN_MODES) -> list[str]:
    """The modes that a client asks for, as it names them; `default` if it names none.

    An empty list names none: `useStream` sends it for a component that has not looked at anything yet. HttpError 422
    for a mode that there is not.
    """
    if given is None or given == []:
        return list(default)
    modes = [given] if isinstance(given, str) else given
    if not isinstance(modes, list) or not all(isinstance(mode, str) for mode in modes):
        raise bad("stream_mode must be a text, or a list of texts.")
    try:
        drumline_modes(modes)
    except ValueError as error:
        raise bad(str(error)) from None
    return list(dict.fromkeys(modes))


def noted(wish: Wish) -> dict[str, Any]:
    """Metadata of a run whose starter wants to see that."""
    if not wish.subgraphs and set(wish.modes) <= set(JOIN_MODES):
        return {}
    return {SHOWN: {"modes": list(wish.modes), "subgraphs": wish.subgraphs}}


def wish_in(metadata: Mapping[str, Any]) -> Wish:
    """What the starter of a run with these metadata wanted to see."""
    note = metadata.get(SHOWN)
    if not isinstance(note, Mapping):
        return Wish()
    modes = note.get("modes")
    return Wish(tuple(modes) if isinstance(modes, (list, tuple)) and modes else JOIN_MODES, bool(note.get("subgraphs")))
