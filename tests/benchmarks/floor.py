"""The floor: bare COPY of the rows that imports ended as, into tables like ours."""

import time
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

#: Tables, and which of their rows belong to the newest receipts.
_TABLES = {
    "imports": "import_id IN (SELECT import_id FROM newest)",
    "profiles": "id IN (SELECT profile_id FROM newest)",
    "match_keys": "profile_id IN (SELECT profile_id FROM newest)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rows of some imports, as COPY writes them, by table."""

    imports: int
    texts: dict[str, bytes]


def make_tables(connection: psycopg.Connection[TupleRow]) -> None:
    """Make empty tables like ours, indexes and all."""
    connection.execute("DROP SCHEMA IF EXISTS floor CASCADE")
    connection.execute("CREATE SCHEMA floor")
    for table in _TABLES:
        connection.execute(
            sql.SQL("CREATE TABLE floor.{0} (LIKE public.{0} INCLUDING ALL)").format(
                sql.Identifier(table)
            )
        )


def take_rows(connection: psycopg.Connection[TupleRow], imports: int) -> Rows:
    """Return what the newest `imports` creations were written as."""
    texts = {}
    for table, condition in _TABLES.items():
        query = sql.SQL(
            "COPY (WITH newest AS MATERIALIZED ("
            " SELECT import_id, profile_id FROM imports WHERE state = 'created'"
            " ORDER BY applied_at DESC, import_id DESC LIMIT {}"
            ") SELECT * FROM {} WHERE {}) TO STDOUT"
        ).format(imports, sql.Identifier(table), sql.SQL(condition))
        with connection.cursor().copy(query) as copy:
            texts[table] = b"".join(bytes(block) for block in copy)
    return Rows(imports=imports, texts=texts)


def copy_rows(connection: psycopg.Connection[TupleRow], rows: Rows) -> float:
    """Write `rows` in one transaction; return imports a second."""
    started = time.perf_counter()
    with connection.transaction():
        for table, text in rows.texts.items():
            query = sql.SQL("COPY floor.{} FROM STDIN").format(sql.Identifier(table))
            with connection.cursor().copy(query) as copy:
                copy.write(text)
    return rows.imports / (time.perf_counter() - started)
