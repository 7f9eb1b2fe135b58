"""A Redis that is wiped under a running group ends what waited, and nothing else."""

from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from ingest.store.database import connect
from tests.groups import Group, wait_for


def add_point(answer: dict[str, Any], address: str) -> bool:
    """Import, and tell whether it was applied in time."""
    data = {"points": {"action": "incr", "value": 1}}
    reply = httpx.post(
        f"{answer['http']}/api/v1.1/profiles/import",
        headers={"Authorization": f"Bearer {answer['token']}"},
        json={"db_id": 1, "email": address, "data": data},
        timeout=30,
    )
    return reply.status_code == 200 and "profile_id" in reply.json()


@pytest.mark.timeout(240)
def test_imports_go_on_after_a_flush(tmp_path: Path) -> None:
    group = Group(tmp_path / "state")
    try:
        answer = group.wait_ready()
        before = add_point(answer, "ann@example.com")
        with redis.Redis.from_url(answer["redis"]) as client:
            client.flushall()

        wait_for(lambda: add_point(answer, "bob@example.com"))
        with connect(answer["database"]) as connection:
            applied = connection.execute(
                "SELECT email, fields ->> 'points' FROM profiles ORDER BY email"
            ).fetchall()
            receipts = connection.execute("SELECT count(*) FROM imports").fetchone()

        assert before
        assert applied[0] == ("ann@example.com", "1")
        assert receipts == (1 + int(applied[1][1]),)
        assert group.end() == 0, group.said
    finally:
        group.close()
