"""LangGraph's `langgraph.store.base`."""

from drumline._unbuilt import unbuilt

__getattr__ = unbuilt(
    __name__,
    "Stores",
    "BaseStore",
    "Item",
    "SearchItem",
    "Op",
    "PutOp",
    "GetOp",
    "SearchOp",
    "ListNamespacesOp",
    "MatchCondition",
    "NamespacePath",
    "NamespaceMatchType",
    "Embeddings",
    "ensure_embeddings",
    "tokenize_path",
    "get_text_at_path",
    "validate_op_namespace",
    "InvalidNamespaceError",
    "TTLConfig",
    "IndexConfig",
    "NotProvided",
    "NOT_PROVIDED",
)
