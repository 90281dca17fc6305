"""LangGraph's control values inside of other values: they cross as themselves.

What a node hands to the engine becomes drumline's (`values`). What it only carries (a `Command` as the argument of a
`Send`, a `Send` in the state) its next node must get as what it was.
"""

from __future__ import annotations

from typing import Any

from langgraph import types as theirs

from drumline_protocol.codec_types import register, registered

#: the first version of LangGraph has no TimeoutPolicy
_DATA_CLASSES = ("Command", "Interrupt", "Overwrite", "TimeoutPolicy")


def _send_fields(send: Any) -> Any:
    return {"node": send.node, "arg": send.arg, "timeout": getattr(send, "timeout", None)}


def _send(fields: Any) -> Any:
    if fields.get("timeout") is None:
        return theirs.Send(fields["node"], fields["arg"])
    return theirs.Send(fields["node"], fields["arg"], timeout=fields["timeout"])


def register_control_values() -> None:
    """Let the codecs of this process write and read them. Doing it again changes nothing."""
    if registered.find_class(theirs.Send) is not None:
        return
    register(theirs.Send, tag="langgraph:Send", to_fields=_send_fields, from_fields=_send)
    for name in _DATA_CLASSES:
        cls = getattr(theirs, name, None)
        if cls is not None:
            register(cls, tag=f"langgraph:{name}")
