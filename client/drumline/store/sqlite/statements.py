"""The tables of a store in SQLite, and the statements on them. Pure.

Namespaces and items have numbers in the order in which they came, and a search goes through them in that order. A
namespace that holds no item has no row. Times are microseconds since the epoch.
"""

from __future__ import annotations

#: expired items that a batch of puts takes out at most
SWEEP_ITEMS_MAX = 100

TABLES = """
CREATE TABLE IF NOT EXISTS drumline_namespaces (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name BLOB NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS drumline_items (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    namespace INTEGER NOT NULL REFERENCES drumline_namespaces (id),
    key BLOB NOT NULL,
    value BLOB NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    lifetime INTEGER,
    expires INTEGER,
    vectors BLOB NOT NULL,
    UNIQUE (namespace, key)
);
CREATE INDEX IF NOT EXISTS drumline_items_expires ON drumline_items (expires) WHERE expires IS NOT NULL;
CREATE INDEX IF NOT EXISTS drumline_items_order ON drumline_items (namespace, id);
"""

_ITEMS = """
SELECT i.id, n.name, i.key, i.value, i.created, i.updated, i.lifetime, i.expires, i.vectors
FROM drumline_namespaces n JOIN drumline_items i ON i.namespace = n.id
"""
GET = f"{_ITEMS} WHERE n.name = ? AND i.key = ? AND (i.expires IS NULL OR i.expires > ?)"
SEARCH = f"{_ITEMS} WHERE n.name >= ? AND n.name < ? AND (i.expires IS NULL OR i.expires > ?) ORDER BY n.id, i.id"
PAGE = "LIMIT ? OFFSET ?"
NAMESPACES = """
SELECT n.name FROM drumline_namespaces n WHERE n.name >= ? AND n.name < ? AND EXISTS (
    SELECT 1 FROM drumline_items i WHERE i.namespace = n.id AND (i.expires IS NULL OR i.expires > ?)
)
"""
TOUCH = "UPDATE drumline_items SET expires = ? WHERE id = ?"
_ID = "(SELECT id FROM drumline_namespaces WHERE name = ?)"
DELETE = f"DELETE FROM drumline_items WHERE namespace = {_ID} AND key = ?"
DELETE_EXPIRED = f"{DELETE} AND expires <= ?"
PUT_NAMESPACE = "INSERT INTO drumline_namespaces (name) VALUES (?) ON CONFLICT (name) DO NOTHING"
PUT = f"""
INSERT INTO drumline_items (namespace, key, value, created, updated, lifetime, expires, vectors)
VALUES ({_ID}, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value, updated = excluded.updated,
    lifetime = excluded.lifetime, expires = excluded.expires, vectors = excluded.vectors
"""
EXPIRED = """
SELECT i.id, n.name FROM drumline_items i JOIN drumline_namespaces n ON i.namespace = n.id
WHERE i.expires <= ? ORDER BY i.expires LIMIT ?
"""
DELETE_BY_ID = "DELETE FROM drumline_items WHERE id = ?"
DROP_EMPTY = """
DELETE FROM drumline_namespaces
WHERE name = ? AND NOT EXISTS (SELECT 1 FROM drumline_items i WHERE i.namespace = drumline_namespaces.id)
"""
