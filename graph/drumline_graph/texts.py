"""What texts can become a name: of a node, a pool, a run."""

from __future__ import annotations


def is_encodable(text: str) -> bool:
    """Whether `text` can be written as UTF-8: it holds no lone surrogate."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
