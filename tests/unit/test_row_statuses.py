"""Statuses of the rows of a file: words, several columns, the whole file (FR7)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.errors import InvalidRequest
from ingest.domain.statuses import PROHIBITION, STATUSES
from ingest.wire.cell_rules import CellRules, load_rules
from ingest.wire.columns import Columns, StatusColumns, plan_columns
from ingest.wire.row_statuses import StatusRules, WordReader, choose_strictest
from ingest.wire.status_parameters import parse_words
from tests.factories import make_database

MAP = {"E-mail": "email+email_sub", "State": "email_sub.status"}


def plan(
    *header: str,
    told: dict[str, str] | None = None,
    words: dict[str, dict[str, str]] | None = None,
    rules: CellRules | None = None,
    **options: Any,
) -> Columns:
    statuses = StatusRules(words=words or {}, **options)
    mapping = MAP if told is None else told
    return plan_columns(
        header, make_database(), mapping, None, rules or load_rules({}), statuses
    )


def load(cells: str, **options: Any) -> Any:
    """Return the subscriptions of a row of an email and a state."""
    element = plan("E-mail", "State", **options).load(cells.split(","))
    return element["data"].get("subscriptions")  # type: ignore[attr-defined]


def subscribed(**more: Any) -> list[dict[str, Any]]:
    return [{"channel": "email", "email": "a@b.c", **more}]


@pytest.mark.fact("FR.7-status")
@pytest.mark.parametrize("status", STATUSES)
def test_a_word_of_the_contract_is_that_status(status: str) -> None:
    assert load(f"a@b.c, {status.upper()} ") == subscribed(status=status)


@pytest.mark.fact("FR.7-words")
@pytest.mark.parametrize(
    ("word", "status"),
    [
        *(("active", "subscribed"), ("Cleaned", "hardbounced"), ("JUNK", "complained")),
        *(("отписан", "unsubscribed"), ("Opted-Out", "unsubscribed")),
        *(("pending", "unconfirmed"), ("inactive", "suspended")),
    ],
)
def test_words_of_other_systems_are_known(word: str, status: str) -> None:
    assert load(f"a@b.c,{word}") == subscribed(status=status)


@pytest.mark.fact("FR.7-words")
def test_words_mean_what_they_are_said_to_mean() -> None:
    words = {"State": {"active": "unconfirmed", "Left": "unsubscribed"}}

    assert load("a@b.c,ACTIVE", words=words) == subscribed(status="unconfirmed")
    assert load("a@b.c, left ", words=words) == subscribed(status="unsubscribed")


@pytest.mark.fact("FR.7-words")
@pytest.mark.parametrize(
    ("rest", "cell", "status"),
    [
        ("hardbounced", "Mailbox full", "hardbounced"),
        ("subscribed", "whatever", "subscribed"),
        ("subscribed", "unsubscribed", "unsubscribed"),
        ("hardbounced", "spam", "complained"),
        ("hardbounced", "active", "hardbounced"),
        ("", "unsubscribed", "unsubscribed"),
        ("hardbounced", "-", None),
        ("hardbounced", "n/a", None),
        ("hardbounced", "none", None),
        ("hardbounced", "no", "hardbounced"),
        ("unsubscribed", "x" * 1000, "unsubscribed"),
    ],
)
def test_any_other_word_weakens_no_word_that_forbids_more(
    rest: str, cell: str, status: str | None
) -> None:
    words = {"State": {"left": "unsubscribed", "*": rest}}
    expected = None if status is None else subscribed(status=status)

    assert load(f"a@b.c,{cell}", words=words) == expected


@pytest.mark.fact("FR.7-unknown")
@pytest.mark.parametrize("cell", ["", "no", "none", "Never subscribed", "implied"])
def test_a_row_without_a_status_makes_no_subscription(cell: str) -> None:
    assert load(f"a@b.c,{cell}") is None


@pytest.mark.fact("FR.7-unknown")
def test_a_word_that_means_nothing_is_as_good_as_an_empty_cell() -> None:
    words = {"State": {"0": "", "*": "unsubscribed"}}

    assert load("a@b.c,0", words=words) is None
    assert load("a@b.c,1", words=words) == subscribed(status="unsubscribed")


@pytest.mark.fact("FR.7-words")
@pytest.mark.parametrize("cell", ["VIP-only", "1", "0", "yes", "true"])
def test_an_unknown_word_rejects_the_row_and_is_counted(cell: str) -> None:
    columns = plan("E-mail", "State")

    with pytest.raises(InvalidRequest) as refused:
        columns.load(["a@b.c", cell])

    assert (
        str(refused.value) == f"No status is known by {cell!r}: data.email_sub.status"
    )
    assert isinstance(columns, StatusColumns)
    assert columns.tally.unknown == {("State", cell): 1}
    assert "subscriptions" not in refused.value.element["data"]  # type: ignore[attr-defined]


@pytest.mark.fact("FR.7-strictest")
@pytest.mark.parametrize(
    ("cells", "status"),
    [
        ("subscribed,unsubscribed", "unsubscribed"),
        ("complained,unsubscribed", "complained"),
        ("hardbounced,suspended", "hardbounced"),
        ("none,subscribed", None),
        ("none,bounced", "hardbounced"),
        (",subscribed", "subscribed"),
        (",", None),
    ],
)
def test_of_several_columns_the_one_that_forbids_most_counts(
    cells: str, status: str | None
) -> None:
    told = {**MAP, "Other": "email_sub.status"}
    element = plan("E-mail", "State", "Other", told=told).load(
        ["a@b.c", *cells.split(",")]
    )

    expected = None if status is None else subscribed(status=status)
    assert element["data"].get("subscriptions") == expected  # type: ignore[attr-defined]


@pytest.mark.fact("FR.7-constant")
@pytest.mark.parametrize(
    ("of_file", "cell", "status"),
    [
        ("unsubscribed", "", "unsubscribed"),
        ("unsubscribed", "active", "unsubscribed"),
        ("unsubscribed", "spam", "complained"),
        ("subscribed", "", "subscribed"),
        ("subscribed", "no", None),
        ("none", "active", None),
        ("none", "bounced", "hardbounced"),
    ],
)
def test_a_status_of_the_file_is_that_of_each_row_unless_a_cell_forbids_more(
    of_file: str, cell: str, status: str | None
) -> None:
    expected = None if status is None else subscribed(status=status)

    assert load(f"a@b.c,{cell}", status=of_file) == expected


@pytest.mark.fact("FR.7-targets")
def test_one_column_is_the_address_and_its_subscription() -> None:
    element = plan("E-mail", told={"E-mail": " Email + EMAIL_SUB:3 "}).load(["a@b.c"])

    assert element == {
        "data": {"email": "a@b.c", "subscriptions": subscribed(resource_id=3)}
    }


@pytest.mark.fact("FR.7-targets")
def test_a_status_makes_the_subscription_of_the_email() -> None:
    told = {"E-mail": "email", "State": "email_sub.status"}
    columns = plan("E-mail", "State", told=told)

    assert columns.load(["a@b.c", ""]) == {"data": {"email": "a@b.c"}}
    assert columns.load(["a@b.c", "active"]) == {
        "data": {"email": "a@b.c", "subscriptions": subscribed(status="subscribed")}
    }


@pytest.mark.fact("FR.7-targets")
def test_a_subscription_has_the_status_of_its_own_resource() -> None:
    told = {
        "E-mail": "email+email_sub:1+email_sub:2",
        "One": "email_sub:1.status",
        "Two": "email_sub:2.status",
    }
    element = plan("E-mail", "One", "Two", told=told).load(
        ["a@b.c", "active", "unsubscribed"]
    )

    one = subscribed(resource_id=1, status="subscribed")
    two = subscribed(resource_id=2, status="unsubscribed")
    assert element["data"]["subscriptions"] == one + two  # type: ignore[index]


@pytest.mark.fact("FR.7-targets")
@pytest.mark.parametrize(
    ("told", "message"),
    [
        (
            {"E-mail": "_fname", "State": "email_sub.status"},
            "email_sub.status needs a column of email_sub (such as map "
            "Contact=email+email_sub): map",
        ),
        (
            {"E-mail": "email", "State": "email_sub.time"},
            "email_sub.time needs a column of email_sub (such as map "
            "Contact=email+email_sub): map",
        ),
        (
            {"E-mail": "email+email"},
            "A column has the target email twice (keep one): map",
        ),
        (
            {"E-mail": "email_sub.state"},
            "Unknown part of email_sub: 'state' (one of status, time, ip, url, text, "
            "source): map",
        ),
        ({"E-mail": "email+nonsense"}, "No field is called 'nonsense'"),
        ({"E-mail": "email", "State": "email"}, "Several columns contain email"),
    ],
)
def test_a_target_that_is_none_is_refused(told: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        plan("E-mail", "State", told={"State": "", **told})

    assert message in str(refused.value)


@pytest.mark.fact("FR.7-targets")
def test_a_status_of_the_file_without_subscriptions_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="status needs a column of email_sub"):
        plan("email", told={}, status="unsubscribed")


@pytest.mark.fact("FR.7-basis")
def test_a_consent_has_the_parts_of_its_columns() -> None:
    told = {
        **MAP,
        "When": "email_sub.time",
        "Where": "email_sub.ip",
        "What": "email_sub.text",
    }
    cells = ["a@b.c", "active", "2023-02-01T09:00:00Z", "203.0.113.7", "Yes, mail me"]

    element = plan("E-mail", "State", *["When", "Where", "What"], told=told).load(cells)

    basis = {
        "time": cells[2],
        "ip": cells[3],
        "text": cells[4],
        "source": "file",
    }
    expected = subscribed(status="subscribed", consent=basis)
    assert element["data"]["subscriptions"] == expected  # type: ignore[index]


@pytest.mark.fact("FR.7-basis", "FR.7-negative")
@pytest.mark.parametrize("time", ["2023-02-01T09:00:00Z", "some day"])
def test_nothing_keeps_an_opt_out_from_counting(time: str) -> None:
    told = {**MAP, "When": "email_sub.time", "Where": "email_sub.ip"}
    basis = {"raise": True, "source": "form", "time": "2030-01-01T00:00:00Z"}
    columns = plan(
        *("E-mail", "State", "When", "Where"),
        told=told,
        basis=basis,
        system="mailchimp",
    )

    element = columns.load(["a@b.c", "unsubscribed", time, "nowhere"])

    date = {} if time == "some day" else {"date": time}
    expected = subscribed(status="unsubscribed", consent={"source": "form", **date})
    assert element["data"]["subscriptions"] == expected  # type: ignore[index]


@pytest.mark.fact("FR.4-first")
@pytest.mark.parametrize(
    ("cells", "email"),
    [
        ("w@x.y,p@x.y", "w@x.y"),
        (" ,p@x.y", "p@x.y"),
        ("n/a,p@x.y", "p@x.y"),
        ("—,p@x.y", "p@x.y"),
        ("?,p@x.y", "p@x.y"),
        ('=" ",p@x.y', "p@x.y"),
        (",", None),
    ],
)
def test_the_first_column_that_is_filled_counts(cells: str, email: str | None) -> None:
    columns = plan(
        *("Private", "Work"),
        told={"Work,Private": "email+email_sub"},
        rules=load_rules({"null": ["?"]}),
    )
    work, private = cells.split(",")

    element = columns.load([private, work])

    data = (
        {}
        if email is None
        else {"email": email, "subscriptions": [{"channel": "email", "email": email}]}
    )
    assert element == {"data": data}


@pytest.mark.fact("FR.4-first")
def test_a_column_that_is_called_so_is_one_column() -> None:
    columns = plan("Work,Private", told={"Work,Private": "email"})

    assert columns.load(["a@b.c"]) == {"data": {"email": "a@b.c"}}


@pytest.mark.fact("FR.4-first")
def test_a_name_with_a_comma_is_in_quotation_marks() -> None:
    columns = plan("Mail, work", "Private", told={'"Mail, work",Private': "email"})

    assert columns.load(["", "p@x.y"]) == {"data": {"email": "p@x.y"}}
    with pytest.raises(InvalidRequest, match="Unknown column 'Other'"):
        plan("Private", told={"Private,Other": "email"})


def test_words_of_options_are_read_by_column() -> None:
    faults: list[Any] = []
    words = parse_words(
        ['E-mail: state: a=subscribed, "b, c=unsubscribed", *=', "S:x=none"], faults
    )

    assert not faults
    assert words == {
        "E-mail: state": {"a": "subscribed", "b, c": "unsubscribed", "*": ""},
        "S": {"x": "none"},
    }


@pytest.mark.parametrize(
    "text", ["Status", "Status: a", "a=subscribed", ": a=b", "S: =x"]
)
def test_words_that_are_none_are_refused(text: str) -> None:
    faults: list[Any] = []

    parse_words([text], faults)

    assert faults[0].path == "words"


def test_a_status_of_a_word_is_one_of_the_contract() -> None:
    faults: list[Any] = []

    parse_words(["Status: a=gone"], faults)

    assert "Unknown status 'gone' of 'a' (one of subscribed, " in faults[0].message


def test_an_empty_word_is_no_word() -> None:
    assert WordReader({"…": "unsubscribed"}).find("x") is None
    assert choose_strictest([]) == ""


_CELLS = st.sampled_from(
    ["", "active", "unsubscribed", "cleaned", "spam", "no", "x", "y", "pending", "?"]
)
_MEANINGS = st.sampled_from([*STATUSES, "none", ""])


@pytest.mark.fact("FR.7-strictest", "FR.7-unknown", "FR.7-negative")
@given(
    cells=st.lists(_CELLS, max_size=3),
    words=st.dictionaries(st.sampled_from(["x", "y", "active", "*"]), _MEANINGS),
    status=_MEANINGS,
    raises=st.booleans(),
)
def test_nobody_is_subscribed_whom_a_column_forbids_or_does_not_name(
    cells: list[str], words: dict[str, str], status: str, *, raises: bool
) -> None:
    names = [f"S{place}" for place, _ in enumerate(cells)]
    told = {"E-mail": "email+email_sub", **dict.fromkeys(names, "email_sub.status")}
    columns = plan(
        "E-mail",
        *names,
        told=told,
        words=dict.fromkeys(names, words),
        status=status,
        basis={"raise": True, "source": "form"} if raises else {},
    )

    try:
        element: Any = columns.load(["a@b.c", *cells])
    except InvalidRequest as error:
        element = error.element  # type: ignore[attr-defined]
        assert any(WordReader(words).find(cell) is None for cell in cells if cell)

    found = [WordReader(words).find(cell) for cell in cells if cell]
    said = [one for one in [*found, status] if one]
    negatives = [one for one in said if one not in ("subscribed", "none")]
    (made,) = element["data"].get("subscriptions") or [{}]
    if negatives:
        assert PROHIBITION[made["status"]] == max(PROHIBITION[one] for one in negatives)
        assert not {"raise", "time"} & made.get("consent", {}).keys()
        assert not raises or "consent" in made
    elif not names and not status:
        assert made == {"channel": "email", "email": "a@b.c"}
    elif said and "none" not in said:
        assert made["status"] == "subscribed"
    else:
        assert made == {}
