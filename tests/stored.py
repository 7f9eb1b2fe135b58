"""What is stored, as tests ask for it."""

from psycopg import sql

from tests.conftest import Connection


def count(connection: Connection, table: str) -> int:
    """Return how many rows a table has."""
    query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def read_points(connection: Connection) -> list[int]:
    """Return the points of every profile, the fewest first."""
    rows = connection.execute("SELECT fields -> 'points' FROM profiles ORDER BY 1")
    return [value for (value,) in rows]
