"""Uploads of jobs, as clients send and watch them."""

from collections.abc import Callable
from typing import Any

import httpx

from tests.conftest import Connection
from tests.intakes import ServedIntake

PATH = "/api/v1.1/jobs/import"
PEOPLE = b"email,_fname\nada@example.com,Ada\nbob@example.com,Bob\nbad,Zed\n"


def send(
    intake: ServedIntake,
    token: str,
    content: Any,
    content_type: str = "text/csv",
    headers: dict[str, str] | None = None,
    path: str = PATH,
    **query: Any,
) -> httpx.Response:
    return intake.client.post(
        path,
        params={"db_id": 1, **query},
        content=content,
        headers={
            "Authorization": f"Bearer {token}",
            "Content-Type": content_type,
            **(headers or {}),
        },
        timeout=60,
    )


def ask(intake: ServedIntake, token: str, job_id: str, more: str = "") -> Any:
    return intake.client.get(
        f"/api/v1.1/jobs/{job_id}{more}", headers={"Authorization": f"Bearer {token}"}
    )


def emails(connection: Connection) -> list[str]:
    rows = connection.execute("SELECT email FROM profiles ORDER BY email")
    return [email for (email,) in rows]


def answered(send_it: Callable[[], httpx.Response]) -> Any:
    """Return the answer, or None if the connection ended before all was sent."""
    try:
        return send_it().json()
    except httpx.TransportError:
        return None
