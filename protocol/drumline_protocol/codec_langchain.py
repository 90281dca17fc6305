"""LangChain messages, documents and their kin on the wire, when langchain-core is there.

A closed list of classes under tags of their own, which do not depend on where langchain-core keeps them. They travel as
their fields, like any pydantic model (`codec_pydantic`): `langchain_core.load` is never called, and nothing in the
bytes is imported. A field that only the writer's version of langchain-core knows is dropped; one that only the reader's
version knows takes its default.
"""

from __future__ import annotations

from functools import cache

from drumline_protocol.codec_subclass import subclass_type
from drumline_protocol.codec_types import TypeTable

#: What every tag of this table begins with.
TAG_PREFIX = "langchain:"

#: Every message class, by the name it has in `langchain_core.messages`.
MESSAGES = (
    "AIMessage",
    "AIMessageChunk",
    "BaseMessage",
    "BaseMessageChunk",
    "ChatMessage",
    "ChatMessageChunk",
    "FunctionMessage",
    "FunctionMessageChunk",
    "HumanMessage",
    "HumanMessageChunk",
    "RemoveMessage",
    "SystemMessage",
    "SystemMessageChunk",
    "ToolMessage",
    "ToolMessageChunk",
)

#: Of `langchain_core.agents`: what the older agents keep in their state.
AGENTS = ("AgentAction", "AgentActionMessageLog", "AgentFinish", "AgentStep")
#: Of `langchain_core.prompt_values`: what a prompt gives to what comes behind it.
PROMPTS = ("ChatPromptValue", "ImagePromptValue", "StringPromptValue")


@cache
def langchain_types() -> TypeTable:
    """The table of LangChain's classes; an empty one where langchain-core is not installed.

    Imports langchain-core, which is slow: call it only with an object or a tag of it in hand.
    """
    try:
        from langchain_core import agents, messages, prompt_values
        from langchain_core.documents import Document
        from langchain_core.messages import base
        from langchain_core.runnables.utils import AddableDict
    except ImportError:
        return TypeTable()
    from drumline_protocol.codec_pydantic import model_type

    names = [(messages, name) for name in MESSAGES] + [(agents, name) for name in AGENTS]
    names += [(prompt_values, name) for name in PROMPTS]
    models = {name: getattr(module, name, None) for module, name in names} | {"Document": Document}
    table = [model_type(cls, TAG_PREFIX + name) for name, cls in models.items() if cls is not None]
    # what `message.text` is, and what streams of runnables add up to
    extended = (AddableDict, getattr(base, "TextAccessor", None))
    found = [subclass_type(cls, TAG_PREFIX + cls.__name__) for cls in extended if cls is not None]
    return TypeTable([*table, *(wire_type for wire_type in found if wire_type is not None)])
