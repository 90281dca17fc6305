"""LangChain messages and documents on the wire, when langchain-core is there.

A closed list of classes under tags of their own, which do not depend on where langchain-core keeps
them. They travel as their fields, like any pydantic model (`codec_pydantic`): `langchain_core.load`
is never called, and nothing in the bytes is imported. A field that only the writer's version of
langchain-core knows is dropped; one that only the reader's version knows takes its default.
"""

from __future__ import annotations

from functools import cache

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


@cache
def langchain_types() -> TypeTable:
    """The table of LangChain's classes; an empty one where langchain-core is not installed.

    Imports langchain-core, which is slow: call it only with an object or a tag of it in hand.
    """
    try:
        from langchain_core import messages
        from langchain_core.documents import Document
    except ImportError:
        return TypeTable()
    from drumline_protocol.codec_pydantic import model_type

    found = [(name, getattr(messages, name, None)) for name in MESSAGES]
    classes = [(name, cls) for name, cls in found if cls is not None] + [("Document", Document)]
    return TypeTable(model_type(cls, TAG_PREFIX + name) for name, cls in classes)
