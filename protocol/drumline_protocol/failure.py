"""Exceptions as data, and back. What crosses is class name, message, arguments, attributes, causes, the members of a
group, traceback text and notes.

Exceptions come from user code and may be hostile, and failures come from outside: so both directions are bounded, and
neither raises. An exception is rebuilt only if its class is in a closed table: Python's own exceptions and those of its
standard library, drumline's, LangGraph's and pydantic's, and the classes that the caller gave. Everything else becomes
a `RemoteError`. Nothing is imported because of what bytes name.
"""

from drumline_protocol.failure_base import NODE, Failure, FarTraceback, class_name_of, place_of, reason_of, text_of
from drumline_protocol.failure_rebuild import Known, own_classes, rebuild
from drumline_protocol.failure_told import describe

__all__ = [
    "NODE",
    "Failure",
    "FarTraceback",
    "Known",
    "class_name_of",
    "describe",
    "own_classes",
    "place_of",
    "reason_of",
    "rebuild",
    "text_of",
]
