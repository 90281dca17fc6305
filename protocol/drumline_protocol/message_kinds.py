"""Kinds of `messages` events: the header of each event names one. Workers write them, views read them."""

from __future__ import annotations

#: a token chunk, a whole message of a model, a message found in a node's output
CHUNK, WHOLE, OUTPUT = "chunk", "whole", "output"
#: no message, but the `ids` of those that a node was given: they are not shown again
GIVEN = "given"
