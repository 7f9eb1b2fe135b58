"""Dates of tables: forms that mean one day, and orders that the column decides."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.dates import parse_date, parse_moment
from ingest.domain.errors import InvalidRequest, InvalidValue
from ingest.domain.table_dates import (
    DayOrder,
    NoDate,
    as_birthday,
    find_header_zone,
    find_orders,
    read_table_date,
    read_zone,
)
from tests.table_files import read_table

DAYS = st.dates(date(1900, 1, 1), date(2099, 12, 31))
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2099, 12, 31)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0)
)
#: Forms that mean one day only, whatever the column.
SURE_DAYS = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d %b %Y", "%b %d, %Y"),
    *("%d. %B %Y", "%A, %d %B %Y"),
)
SURE_TIMES = (
    *("%H:%M:%S", "%H:%M:%S Z", "%H:%M:%S UTC", "%H:%M:%S +0000", "%H:%M:%S+00:00"),
    *("%I:%M:%S %p", "%H:%M:%S.000", "%H:%M:%S.000000 +0000 UTC"),
)


def read(cell: str, order: DayOrder | None = None) -> str:
    text = read_table_date(cell, order)
    assert text is not None
    assert not isinstance(text, NoDate)
    return parse_date(text)


@pytest.mark.fact("FV.1-sure")
@given(day=DAYS, form=st.sampled_from(SURE_DAYS))
def test_a_day_in_any_sure_form_reads_back(day: date, form: str) -> None:
    assert read(day.strftime(form)) == f"{day.isoformat()}T00:00:00Z"


@pytest.mark.fact("FV.1-sure")
@given(
    moment=MOMENTS, form=st.sampled_from(SURE_DAYS), time=st.sampled_from(SURE_TIMES)
)
def test_a_moment_in_any_sure_form_reads_back(
    moment: datetime, form: str, time: str
) -> None:
    assert read(moment.strftime(f"{form} {time}")) == f"{moment.isoformat()}Z"


@pytest.mark.fact("FV.1-order")
@given(
    day=DAYS,
    order=st.sampled_from(DayOrder),
    mark=st.sampled_from("/-"),
    form=st.sampled_from(["%02d", "%d"]),
)
def test_a_day_reads_back_in_its_order(
    day: date, order: DayOrder, mark: str, form: str
) -> None:
    parts = [form % day.day, form % day.month]
    if order is DayOrder.MONTH_FIRST:
        parts.reverse()
    cell = mark.join([*parts, str(day.year)])

    assert read(cell, order) == f"{day.isoformat()}T00:00:00Z"
    orders = find_orders(cell)
    assert order in orders if orders is not None else day.day == day.month


@pytest.mark.fact("FV.1-sure")
@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2023-02-01 09:00", "2023-02-01T09:00:00Z"),
        ("2023-02-01 9:05", "2023-02-01T09:05:00Z"),
        ("2023-02-01 09:00:00 -0500", "2023-02-01T14:00:00Z"),
        ("2023-02-01 09:00:00.123456 +0000 UTC", "2023-02-01T09:00:00.123456Z"),
        ("2020-03-01 09:00:00 +0000 +0000", "2020-03-01T09:00:00Z"),
        ("2020-03-01 09:00:00 +0200 CEST", "2020-03-01T07:00:00Z"),
        ("2023-02-01T09:00:00.000+0000", "2023-02-01T09:00:00Z"),
        ("12.03.2024 15:20:11", "2024-03-12T15:20:11Z"),
        ("1.3.2024, 5:20", "2024-03-01T05:20:00Z"),
        ("17.05.1990 0:00:00", "1990-05-17T00:00:00Z"),
        ("20110122T111244", "2011-01-22T11:12:44Z"),
        ("20110122T111244Z", "2011-01-22T11:12:44Z"),
        ("20110122T1112", "2011-01-22T11:12:00Z"),
        ("Feb 1, 2023", "2023-02-01T00:00:00Z"),
        ("1 февраля 2023", "2023-02-01T00:00:00Z"),
        ("1. März 2023 9:00", "2023-03-01T09:00:00Z"),
        ("1 de julio de 2023", "2023-07-01T00:00:00Z"),
        ("1er juin 2023", "2023-06-01T00:00:00Z"),
        (
            "Wed Feb 01 2023 09:00:00 GMT+0300 (Moscow Standard Time)",
            "2023-02-01T06:00:00Z",
        ),
        ("05/05/1990", "1990-05-05T00:00:00Z"),
    ],
)
def test_a_sure_form_is_read(cell: str, expected: str) -> None:
    assert read(cell) == expected


@pytest.mark.fact("FV.1-open")
@pytest.mark.parametrize(
    "cell",
    ["05/07/1990", "5/17/1990", "31.02.2023", "32.01.2023", "x", "1.5", "90-05-17"],
)
def test_what_no_form_decides_is_not_read(cell: str) -> None:
    assert read_table_date(cell, None) is None


@pytest.mark.fact("FV.3-year")
@pytest.mark.parametrize(
    "cell", ["05/17", "17/5", "--05-17", "--0517", "17.5.", "17.05.", "May 17", "1 мая"]
)
def test_a_date_without_a_year_is_none(cell: str) -> None:
    assert read_table_date(cell, DayOrder.DAY_FIRST) is NoDate.NO_YEAR


@pytest.mark.fact("FV.3-empty")
@pytest.mark.parametrize(
    "cell",
    [
        *("0/0/00", "0.0.00", "0000-00-00", "0000-00-00 00:00:00", "00.00.0000"),
        *("00/00/0000", "0001-01-01T00:00:00", "01.01.0001 0:00:00"),
    ],
)
def test_a_date_of_zeros_is_empty(cell: str) -> None:
    assert read_table_date(cell, None) is NoDate.EMPTY


@pytest.mark.parametrize("cell", ["13/13", "40.01.", "--13-13", "Mon 17"])
def test_a_day_that_there_is_not_lacks_no_year(cell: str) -> None:
    assert read_table_date(cell, None) is None


@pytest.mark.fact("FV.2-zone")
@pytest.mark.parametrize(
    ("header", "hours"),
    [
        *(("Created (UTC)", 0), ("Create Date (GMT+2)", 2), ("Date (UTC-3)", -3)),
        *(("Date (UTC+05:30)", 5.5), ("Дата (UTC +03:00)", 3)),
    ],
)
def test_a_header_names_a_time_zone(header: str, hours: float) -> None:
    assert find_header_zone(header) == timezone(timedelta(hours=hours))


@pytest.mark.fact("FV.2-zone")
@pytest.mark.parametrize(
    "header", ["Created", "Created (EST)", "Phone (2)", "x (GMT2)", "(UTC+99)"]
)
def test_another_header_names_none(header: str) -> None:
    assert find_header_zone(header) is None


@pytest.mark.fact("FV.2-zone")
def test_times_are_of_the_zone_that_is_told() -> None:
    berlin = read_zone("Europe/Berlin")

    assert read_table_date("01.02.2023 09:00", None, berlin) == "2023-02-01T08:00:00Z"
    assert read_table_date("01.07.2023 09:00", None, berlin) == "2023-07-01T07:00:00Z"
    # What has a zone of its own, or no time, stays.
    assert read_table_date("2023-07-01 09:00Z", None, berlin) == "2023-07-01T09:00:00Z"
    assert read_table_date("01.07.2023", None, berlin) == "2023-07-01"
    assert read_zone("UTC+2") == timezone(timedelta(hours=2))
    with pytest.raises(InvalidValue, match="Unknown time zone"):
        read_zone("Mars/Base")


@pytest.mark.fact("FV.2-zone")
@given(moment=MOMENTS, zone=st.sampled_from(["Europe/Berlin", "America/New_York"]))
def test_a_time_of_a_zone_is_that_moment(moment: datetime, zone: str) -> None:
    tz = read_zone(zone)
    local = moment.replace(tzinfo=UTC).astimezone(tz)
    if local.fold or local.utcoffset() is None:
        return
    cell = local.strftime("%d.%m.%Y %H:%M:%S")

    text = read_table_date(cell, None, tz)

    assert text is not None
    assert parse_moment(str(text)) == moment.replace(tzinfo=UTC)


@pytest.mark.fact("FV.2-birthday")
@pytest.mark.parametrize(
    ("text", "cell", "expected"),
    [
        ("1990-05-17T00:00:00", "17.05.1990 0:00:00", "1990-05-17"),
        ("1990-05-17T00:00:00.000+0300", "1990-05-17T00:00:00.000+0300", "1990-05-17"),
        ("1990-05-17T10:00:00Z", "1990-05-17T10:00:00Z", "1990-05-17T10:00:00"),
        ("2045-05-17", "17.05.45", "1945-05-17"),
        ("2005-05-17", "17.05.05", "2005-05-17"),
        ("2045-05-17", "17.05.2045", "2045-05-17"),
    ],
)
def test_a_birthday_is_a_day(text: str, cell: str, expected: str) -> None:
    assert as_birthday(text, cell, 2026) == expected


def load(*cells: str, header: str = "email,_bdate", **options: Any) -> Any:
    rows = "".join(f"p{n}@b.c,{cell}\n" for n, cell in enumerate(cells))
    return read_table(f"{header}\n{rows}", **options)


def refuse(*cells: str, **options: Any) -> str:
    with pytest.raises(InvalidRequest) as refused:
        load(*cells, **options)
    (fault,) = refused.value.faults
    assert fault.path == "dates"
    return fault.message


@pytest.mark.fact("FV.1-order")
@pytest.mark.parametrize(
    ("proof", "expected"),
    [("17/05/1990", "1990-07-05"), ("05/17/1990", "1990-05-07")],
)
def test_one_number_above_twelve_decides_a_column(proof: str, expected: str) -> None:
    table = load("05/07/1990", *["06/06/2001"] * 50, proof)

    assert table.data[0]["_bdate"] == expected
    assert not table.faults


@pytest.mark.fact("FV.1-order")
def test_each_column_has_its_own_order() -> None:
    table = read_table(
        "_bdate,_regdate\n05/17/1990,2/1/2023 09:00\n05/07/1990,20/1/2023 09:00\n"
    )

    assert table.data[0] == {
        "_bdate": "1990-05-17",
        "_regdate": "2023-01-02T09:00:00",
    }


@pytest.mark.fact("FV.1-open")
def test_a_column_that_both_orders_read_is_asked_for() -> None:
    message = refuse("05/05/1990", "05/07/1990")

    assert message.startswith("The dates of '_bdate' may be day first or month first")
    assert "row 2" in message
    assert '--dates "_bdate=day-first"' in message
    assert '--dates "_bdate=month-first"' in message


@pytest.mark.fact("FV.1-order")
@pytest.mark.parametrize("value", ["day-first", "_bdate=day-first"])
def test_the_answer_decides(value: str) -> None:
    table = load("05/07/1990", "05/17/1990", dates=[value])

    assert table.data[0]["_bdate"] == "1990-07-05"
    # What the order does not read stays, for its error.
    assert table.data[1]["_bdate"] == "05/17/1990"


@pytest.mark.fact("FV.1-both")
def test_a_column_that_needs_both_orders_is_refused() -> None:
    message = refuse("05/07/1990", "17/05/1990", "05/17/1990")

    assert "in two orders" in message
    assert "rows 2 and 3" in message


def test_two_orders_of_one_column_are_refused() -> None:
    message = refuse("1990-05-17", dates=["day-first", "month-first"])

    assert message == "Only one order of dates is allowed"


@pytest.mark.fact("FV.1-open")
def test_only_the_first_ten_thousand_rows_decide() -> None:
    rows = ["1990-05-17"] * 10_000

    late = load(*rows, "05/07/1990", "17/05/1990")
    decided = load("17/05/1990", *rows, "05/07/1990")

    # Nothing has decided it: the day is not guessed.
    assert late.data[-2]["_bdate"] == "05/07/1990"
    assert decided.data[-1]["_bdate"] == "1990-07-05"


@pytest.mark.fact("FV.1-open")
def test_of_a_stream_the_rows_that_have_come_decide() -> None:
    table = "email,_bdate\na@b.c,17/05/1990\nb@b.c,05/07/1990\nc@b.c,05/07/1990\n"

    assert read_table(table, live=True).data[1]["_bdate"] == "1990-07-05"
    with pytest.raises(InvalidRequest, match="may be day first or month first"):
        read_table(table.replace("17/", "07/"), live=True)


@pytest.mark.fact("FV.2-zone")
def test_the_zone_of_a_column_is_that_of_its_header_or_the_file() -> None:
    table = read_table(
        "R (GMT+2),as_of\n2023-02-01 09:00:00,2023-02-01 09:00:00\n",
        mapping={"R (GMT+2)": "_regdate", "as_of": ""},
        timezone="Europe/Moscow",
    )
    told = read_table(
        "_regdate\n2023-02-01 09:00:00\n01.02.2023 09:00 +01:00\n01.02.2023\n",
        timezone="Europe/Moscow",
    )

    assert table.data == [{"_regdate": "2023-02-01T07:00:00Z"}]
    assert [one["_regdate"] for one in told.data] == [
        *("2023-02-01T06:00:00Z", "2023-02-01T09:00:00+01:00", "2023-02-01"),
    ]
    assert table.notes == told.notes == []


@pytest.mark.fact("FV.2-zone")
def test_times_without_a_zone_are_of_utc_and_that_is_noted() -> None:
    table = read_table("_regdate,_bdate\n01.02.2023 09:00,01.02.1990 09:00\n")

    assert table.data[0]["_regdate"] == "2023-02-01T09:00:00"
    assert table.notes == [
        "_regdate: times without a time zone, read as UTC. To name another: --timezone"
    ]


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"Unknown time zone .*: timezone"):
        read_table("_regdate\n\n", timezone="Mars/Base")


@pytest.mark.fact("FV.3-year")
@pytest.mark.fact("FV.3-empty")
def test_what_has_no_year_is_counted_and_what_is_empty_is_not() -> None:
    table = load("05/17", "--05-17", "0/0/00", "-", "1990-05-17")

    assert [one.get("_bdate") for one in table.data] == [*[None] * 4, "1990-05-17"]
    assert table.notes == ["_bdate: 2 dates without a year, not stored"]


@pytest.mark.fact("FV.2-birthday")
def test_a_birthday_in_any_zone_is_its_day() -> None:
    table = load(
        "1990-05-17 00:00:00",
        "17.05.1990 0:00:00",
        "1990-05-17T00:00:00+03:00",
        "17.05.45",
        timezone="Asia/Tokyo",
        dates=["day-first"],
    )

    assert [one["_bdate"] for one in table.data] == [*["1990-05-17"] * 3, "1945-05-17"]


def test_seconds_since_1970_stay() -> None:
    table = read_table("_regdate\n1675242000\n1675242000000\n")

    assert [one["_regdate"] for one in table.data] == ["1675242000", "1675242000000"]
    assert parse_date("1675242000") == "2023-02-01T09:00:00Z"


@pytest.mark.fact("FV.1-rejects")
def test_what_the_rows_decided_is_kept_with_the_form() -> None:
    table = load("05/17/1990", "05/07/1990")

    assert table.decided == {"dates": ["_bdate=month-first"]}


@pytest.mark.fact("FV.1-order")
def test_moments_that_are_no_fields_are_dates_too() -> None:
    rows = read_table(
        "as_of,consent_time,email\n17.05.2024 09:00,5/17/2024,a@b.c\n"
    ).rows
    told = read_table("as_of,note\n0/0/00,x\n").rows

    assert rows.form.decided == {"dates": ["consent_time=month-first"]}
    assert told.form.decided == {}


@pytest.mark.fact("FV.1-sure")
def test_moments_stand_beside_the_data() -> None:
    table = read_table("as_of,consent_time,note\n17.05.2024 09:00,1.6.2024,x\n-,-,y\n")

    assert table.elements == [
        {
            "as_of": "2024-05-17T09:00:00",
            "consent": {"time": "2024-06-01"},
            "data": {"note": "x"},
        },
        {"data": {"note": "y"}},
    ]
