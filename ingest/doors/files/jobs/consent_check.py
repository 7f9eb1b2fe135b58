"""Columns that may contain consent, and that nobody has mapped or skipped (R8)."""

from collections.abc import Iterator, Mapping, Sequence

from ingest.domain.errors import Fault, InvalidRequest
from ingest.domain.invisible import trim
from ingest.domain.statuses import DEFAULT_STATUS
from ingest.doors.files.formats.tables import FileTable
from ingest.wire.columns import Columns
from ingest.wire.headers import CONSENT, KEYS, OWN_PREFIX, SUBSCRIPTION
from ingest.wire.suggestions.consent_columns import find_consent_columns
from ingest.wire.targets import find_group


def check_consent_columns(
    table: FileTable, told: Mapping[str, str], rows: Sequence[Sequence[str]]
) -> None:
    """Raise InvalidRequest if a column of consent of a table that subscribes is open.

    It is answered by `told`: with a target, or with none. `rows` are the first ones.
    """
    plan = table.plan
    status = table.reading.statuses.status
    may_subscribe = status in ("", DEFAULT_STATUS) and not plan.is_exact
    if not may_subscribe or not makes_subscriptions(plan):
        return
    header = [trim(one) for one in table.form.columns]
    answered = {one for column in told for one in find_group(trim(column), header)}
    faults = [
        Fault(
            code=400,
            message=f"The column {name[:80]!r} may contain consent ({why}). Map it: "
            f"{name}=email_sub.status, or skip it: {name}=",
            path="map",
        )
        for name, why in _list_open(header, rows)
        if name not in answered
    ]
    if faults:
        raise InvalidRequest(faults)


def makes_subscriptions(plan: Columns) -> bool:
    """Return whether a column makes subscriptions."""
    return any(
        SUBSCRIPTION.fullmatch(one)
        for target in plan.targets
        for one in target.split("+")
    )


def _list_open(
    header: Sequence[str], rows: Sequence[Sequence[str]]
) -> Iterator[tuple[str, str]]:
    """Yield the columns of consent that are not called as ours are, and why."""
    for one in find_consent_columns(header, rows):
        name = one.name.lower()
        is_ours = name in (*CONSENT, *KEYS) or name.startswith(("_", OWN_PREFIX))
        if not is_ours and not SUBSCRIPTION.fullmatch(name.partition(".")[0]):
            yield one.name, one.why
