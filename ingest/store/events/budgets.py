"""The requests that all couriers together may send to an endpoint (T5)."""

from datetime import datetime, timedelta

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
    row = connection.execute(
        """
        SELECT budget_at, clock_timestamp()
          FROM endpoints
         WHERE id = %(id)s
           FOR NO KEY UPDATE
        """,
        {"id": endpoint_id},
    ).fetchone()
    # The endpoint may be gone by now; then nothing can be claimed of it.
    empty_at, now = row or (None, datetime.now().astimezone())
    return SendingBudget(rate=rate, empty_at=empty_at), now


def _save_budget(
    connection: Connection, endpoint_id: int, budget: SendingBudget
) -> None:
    connection.execute(
        "UPDATE endpoints SET budget_at = %(at)s WHERE id = %(id)s",
        {"id": endpoint_id, "at": budget.empty_at},
    )
