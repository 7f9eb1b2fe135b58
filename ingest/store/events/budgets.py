"""The requests that all couriers together may send to an endpoint (T5)."""

from datetime import UTC, datetime, timedelta

from msgspec import Struct

from ingest.domain.sending_budgets import SendingBudget
from ingest.store.database import Connection


class Allowance(Struct, frozen=True, kw_only=True):
    """Requests that may be sent now; the wait for the next, if there are none."""

    requests: int
    wait: timedelta


def take_requests(
    connection: Connection, endpoint_id: int, rate: float, wanted: int
) -> Allowance:
    """Take up to `wanted` requests out of the budget of an endpoint.

    By the clock of Postgres: those of couriers differ.
    """
    with connection.transaction():
        budget, now = _lock_budget(connection, endpoint_id, rate)
        taken, budget = budget.take(wanted, now)
        if taken:
            _save_budget(connection, endpoint_id, budget)
    return Allowance(requests=taken, wait=budget.find_wait(now))


def give_back_requests(
    connection: Connection, endpoint_id: int, rate: float, unused: int
) -> None:
    """Put requests back that were taken, and not sent."""
    with connection.transaction():
        budget, now = _lock_budget(connection, endpoint_id, rate)
        _save_budget(connection, endpoint_id, budget.give_back(unused, now))


def _lock_budget(
    connection: Connection, endpoint_id: int, rate: float
) -> tuple[SendingBudget, datetime]:
    connection.execute(
        """
        INSERT INTO endpoint_budgets (endpoint_id)
        SELECT id
          FROM endpoints
         WHERE id = %(id)s
           AND NOT EXISTS (SELECT FROM endpoint_budgets WHERE endpoint_id = %(id)s)
            ON CONFLICT DO NOTHING
        """,
        {"id": endpoint_id},
    )
    row = connection.execute(
        """
        SELECT empty_at, clock_timestamp()
          FROM endpoint_budgets
         WHERE endpoint_id = %(id)s
           FOR UPDATE
        """,
        {"id": endpoint_id},
    ).fetchone()
    # The endpoint may be gone by now; then nothing can be claimed of it.
    empty_at, now = row or (None, datetime.now(UTC))
    return SendingBudget(rate=rate, empty_at=empty_at), now


def _save_budget(
    connection: Connection, endpoint_id: int, budget: SendingBudget
) -> None:
    connection.execute(
        """
        UPDATE endpoint_budgets
           SET empty_at = %(at)s
         WHERE endpoint_id = %(id)s
        """,
        {"id": endpoint_id, "at": budget.empty_at},
    )
