"""What is wrong with a file is told by its kinds."""

from collections.abc import Sequence

from ingest.domain.errors import Fault
from ingest.doors.files.jobs.fault_groups import FaultGroups
from ingest.doors.files.rows import dump_cells

COLUMNS = [("", ""), ("E-mail", "email"), ("", ""), ("Birthday", "_bdate")]
SUBSCRIBED = [("email", "email"), ("Mail", "email_sub:2"), ("SMS", "phone_sub")]


def fault(message: str, path: str = "") -> Fault:
    return Fault(code=400, message=message, path=path)


def group(
    rows: Sequence[tuple[Sequence[str], Fault]],
    columns: Sequence[tuple[str, str]] = COLUMNS,
) -> FaultGroups:
    groups = FaultGroups(columns)
    for number, (cells, one) in enumerate(rows, start=1):
        groups.add(number, dump_cells(cells), [one])
    return groups


def test_a_kind_has_a_count_a_column_a_sample_and_what_would_read_it() -> None:
    late = fault("Incorrect date", "data._bdate")
    rows = [(["", "a@b.c", "", f"0{n}.09.1963"], late) for n in range(1, 8)]
    bad = (["", "bad", "", ""], fault("Incorrect email", "data.email"))

    groups = group([*rows, bad])

    assert list(groups.tell()) == [
        '7 \xd7 Birthday: not a date, found "01.09.1963"; try --dates DD.MM.YYYY or '
        "--dates MM.DD.YYYY",
        '1 \xd7 E-mail: not an email, found "bad" (row 8). Use one address, such as '
        "ada@example.com.",
    ]
    assert groups.list_kinds()[0].rows == [1, 2, 3, 4, 5]


def test_a_place_in_a_row_makes_no_kind_of_its_own() -> None:
    groups = FaultGroups()
    for number in range(3):
        told = (
            f"The body is not JSON: unexpected end of data at line 1, column {number}"
        )
        groups.add(number, b"{bad", [fault(told, "")])
        groups.add(number, b"{}", [fault("Incorrect phone", f"data.phones[{number}]")])

    assert [kind.count for kind in groups.list_kinds()] == [3, 3]


def test_kinds_are_bounded_whatever_the_rows() -> None:
    groups = FaultGroups()
    for number in range(1500):
        name = "x" * number
        groups.add(number, b"{}", [fault("Unknown field", f"data.{name}")])

    first, *others = groups.list_kinds()
    assert (first.count, first.message) == (
        500,
        "Other errors",
    )
    assert len(others) == 1000


def test_a_subscription_stands_in_the_column_that_made_it() -> None:
    wrong = fault("Incorrect phone", "data.subscriptions[0].phone")
    groups = group([(["a@b.c", "", "12"], wrong)], SUBSCRIBED)
    other = fault("Incorrect email", "data.subscriptions[0].email")
    groups.add(2, dump_cells(["a@b.c", "bad", "12"]), [other])

    assert [(kind.column, kind.sample) for kind in groups.list_kinds()] == [
        ("SMS", "12"),
        ("Mail", "bad"),
    ]


def test_bytes_that_are_no_text_are_shown_as_numbers() -> None:
    wrong = fault("Not valid in the encoding of the file", "data.email")
    groups = group([(["", "Zo\udceb", "", ""], wrong), (["", "\ud83d", "", ""], wrong)])

    (kind,) = groups.list_kinds()
    assert kind.sample == "Zo\\xeb"


def test_what_is_dropped_says_that_the_rest_is_imported() -> None:
    groups = FaultGroups(COLUMNS)
    wrong = [fault("Incorrect date", "data._bdate")]
    groups.add(1, dump_cells(["", "a@b.c", "", "n/a"]), wrong, dropped=True)
    groups.add(2, dump_cells(["", "a@b.c", "", "n/a"]), wrong)

    assert list(groups.tell()) == [
        '1 \xd7 Birthday: not a date, found "n/a" (the rest of the row is imported); '
        "try --null n/a",
        '1 \xd7 Birthday: not a date, found "n/a"; try --null n/a',
    ]


def test_a_message_with_an_example_gives_the_sample_behind_it() -> None:
    wrong = fault('Must be a JSON list, such as ["a", "b"]', "data.email")

    (told,) = group([(["", "[x", "", ""], wrong)]).tell()

    assert told.startswith(
        '1 \xd7 E-mail: must be a JSON list, such as ["a", "b"], found "[x" (row 1). '
    )


def test_what_is_dumped_holds_no_value_and_goes_on_when_loaded() -> None:
    late = fault("Incorrect date", "data._bdate")
    groups = group([(["", "", "", f"0{n}.09.1963"], late) for n in range(1, 8)])
    dumped = groups.dump()
    contents = {1: dump_cells(["", "", "", "01.09.1963"])}

    loaded = FaultGroups(COLUMNS)
    loaded.load(dumped, contents)
    loaded.add(8, dump_cells(["", "", "", "31.12.1999"]), [late])

    assert "1963" not in str(dumped)
    (kind,) = loaded.list_kinds()
    assert (kind.count, kind.rows, kind.column) == (8, [1, 2, 3, 8], "Birthday")
    assert kind.samples == ["01.09.1963", "31.12.1999"]
    # What reads the values of before and the new one.
    assert kind.try_ == ["--dates DD.MM.YYYY"]


def test_the_commonest_kinds_are_dumped() -> None:
    groups = FaultGroups()
    for number in range(150):
        told = fault("Unknown field", f"data.{'x' * number}")
        groups.add(number, b"{}", [told])
    groups.add(151, b"{}", [fault("Unknown field", "data.xxx")])

    dumped = groups.dump()

    assert len(dumped) == 100
    assert (dumped[0]["path"], dumped[0]["count"]) == ("data.xxx", 2)
