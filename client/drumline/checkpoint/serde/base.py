"""LangGraph's `langgraph.checkpoint.serde.base`."""

from drumline._unbuilt import unbuilt

__getattr__ = unbuilt(
    __name__,
    "Persistence",
    "UntypedSerializerProtocol",
    "SerializerProtocol",
    "SerializerCompat",
    "maybe_add_typed_methods",
    "CipherProtocol",
)
