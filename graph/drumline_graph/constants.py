"""Names that graphs, streams and users share; the spellings are LangGraph's."""

from __future__ import annotations

import sys
from typing import Final

START: Final = sys.intern("__start__")
"""Name of the hidden first node: an edge from it says where a run begins."""

END: Final = sys.intern("__end__")
"""Name of the virtual last node: an edge to it writes nothing."""

TAG_NOSTREAM: Final = "nostream"
"""Tag of a chat model whose tokens are left out of the `messages` stream."""

TAG_HIDDEN: Final = "langsmith:hidden"
"""Tag of a node that `updates`, `tasks` and `debug` never report."""

TASKS: Final = sys.intern("__pregel_tasks")
"""Channel that holds the `Send`s of a superstep."""

ROOT: Final = sys.intern("__root__")
"""The only key of a graph whose state is one bare value instead of named keys."""

RETURN: Final = sys.intern("__return__")
"""Channel that stands for what a subgraph returned, until its node's writers have seen it."""

PREVIOUS: Final = "__previous__"
"""Channel that holds what an entrypoint saved for its next run on the thread."""

INTERRUPT: Final = "__interrupt__"
"""Key under which interrupts appear in `values` and `updates`."""

BRANCH_PREFIX: Final = "branch:to:"
"""Prefix of the channel that an edge to a node writes."""

JOIN_PREFIX: Final = "join:"
"""Prefix of the channel that a list edge (wait for all sources) writes."""

PULL: Final = "__pregel_pull"
"""First part of the path of a task that a channel triggered."""

PUSH: Final = "__pregel_push"
"""First part of the path of a task that a `Send` created."""

RESERVED_NAMES: Final = frozenset({START, END})
"""Node names that a user may not take."""

RESERVED_CHARACTERS: Final = (":", "|")
"""Characters that namespaces and channel names use as separators."""

DEFAULT_NAME: Final = "LangGraph"
"""Name of a graph that was compiled without one. It shows up in streams (as a node's name), so it is LangGraph's."""

DEFAULT_POOL: Final = "default"
"""Worker pool of a node that names none in its metadata."""

#: the node that handles the errors of a node, and the one that does so for all nodes that have none
ERROR_HANDLER_PREFIX = "__error_handler__"
DEFAULT_ERROR_HANDLER = "__default_error_handler__"

#: the trigger of a task that no channel has triggered
PUSHED = ("__pregel_push",)
