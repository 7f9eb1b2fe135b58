"""Values of tables on their way: what is dropped, noted, and read again."""

from pathlib import Path

import pytest

from tests.conftest import Connection
from tests.imports import run, summarize
from tests.intakes import ServedIntake
from tests.uploads import ask, send

ROWS = (
    "email,phones,_country,_bdate,_fname\n"
    "a@example.com,+12025550101;(202) 555-0102;+12025550103,Narnia,05/17,Ada\n"
    "nobody,+12025550104,US,,Bo\n"
)


def stored(connection: Connection) -> list[tuple[object, ...]]:
    return connection.execute(
        """
        SELECT email, phones, fields ->> '_country', fields ->> '_fname',
               fields ->> '_bdate'
          FROM profiles ORDER BY email
        """
    ).fetchall()


@pytest.mark.fact("FV.5-row")
def test_a_bad_value_costs_a_row_nothing_else(
    drained: ServedIntake, connection: Connection, token: str
) -> None:
    said = send(drained, token, ROWS.encode(), skip_invalid_fields="1").json()

    assert (said["created"], said["rejected"]) == (1, 1), said
    assert stored(connection) == [
        ("a@example.com", ["+12025550101", "+12025550103"], None, "Ada", None)
    ]
    (skipped,) = connection.execute(
        "SELECT skipped FROM imports WHERE state = 'created'"
    ).fetchall()[0]
    assert [one["path"] for one in skipped] == ["data._country", "data.phones"]
    assert said["notes"] == [{"kind": "no_year", "column": "_bdate", "count": 1}]
    rejects = ask(drained, token, said["job_id"], "/rejects").text.splitlines()
    assert len(rejects) == 3
    assert "data._country | data.phones" in rejects[1]


@pytest.mark.fact("FV.5-row")
def test_a_bad_value_rejects_its_row_where_nothing_is_told(
    drained: ServedIntake, connection: Connection, token: str
) -> None:
    said = send(drained, token, ROWS.encode()).json()

    assert (said["created"], said["rejected"]) == (0, 2), said
    assert stored(connection) == []


@pytest.mark.fact("FV.5-row")
def test_a_bad_key_rejects_its_row(
    drained: ServedIntake, connection: Connection, token: str
) -> None:
    table = "phones,_fname\n(202) 555-0102,Ada\n"

    said = send(
        drained, token, table.encode(), matching="phone", skip_invalid_fields="1"
    ).json()

    assert (said["created"], said["rejected"]) == (0, 1), said
    assert stored(connection) == []


@pytest.mark.fact("FV.1-rejects")
def test_rejects_are_read_as_their_file_was(
    drained: ServedIntake, connection: Connection, tmp_path: Path
) -> None:
    file = tmp_path / "a.csv"
    file.write_text(
        "email,_bdate\nnobody,05/07/1990\na@example.com,05/17/1990\nb@example.com,x\n"
    )

    status, (told,) = summarize(drained.settings, file)
    rejects = Path(told["rejects"])
    rejects.write_text(
        rejects.read_text()
        .replace("nobody", "c@example.com")
        .replace(",x\n", ",06/08/1991\n")
    )
    again, (second,) = summarize(drained.settings, rejects)

    assert (status, again, second["created"]) == (1, 0, 2)
    assert [(email, day) for email, *_, day in stored(connection)] == [
        ("a@example.com", "1990-05-17T00:00:00Z"),
        ("b@example.com", "1991-06-08T00:00:00Z"),
        ("c@example.com", "1990-05-07T00:00:00Z"),
    ]


@pytest.mark.fact("FV.1-open")
def test_a_file_whose_dates_are_open_is_refused_before_its_first_row(
    drained: ServedIntake, connection: Connection, tmp_path: Path
) -> None:
    file = tmp_path / "a.csv"
    file.write_text("email,_bdate\na@example.com,05/07/1990\n")

    status, _, errors = run(drained.settings, file)
    answered, _, _ = run(drained.settings, file, "--dates", "day-first")

    assert status == 2
    assert '--dates "_bdate=day-first" or --dates "_bdate=month-first"' in errors
    assert answered == 0
    assert stored(connection)[0][-1] == "1990-07-05T00:00:00Z"


@pytest.mark.fact("FV.13-where")
@pytest.mark.fact("FV.13-footer")
@pytest.mark.fact("FV.2-zone")
def test_the_summary_says_what_was_not_stored(
    drained: ServedIntake, connection: Connection, tmp_path: Path
) -> None:
    file = tmp_path / "a.csv"
    file.write_text(
        "email,phones,_regdate,Deleted\n"
        "a@example.com,+1 202 555 0101 ext. 7,01.02.2023 09:00,0\n"
        "b@example.com,,,1\nTotal 2\n"
    )
    options = ["--map", "Deleted=", "--skip-where", "Deleted=1", "--skip-footer"]

    _, tried, _ = run(drained.settings, file, *options, "--dry-run")
    status, output, _ = run(drained.settings, file, *options)

    lines = [
        "phones: 1 extension, not stored",
        "1 line below the table, skipped",
        "_regdate: times without a time zone, read as UTC. To name another: --timezone",
        "1 row skipped: Deleted=1",
    ]
    assert status == 0
    for text in (tried, output):
        found = [line.strip() for line in text.splitlines()]
        assert [line for line in lines if line not in found] == []
    assert len(stored(connection)) == 1


@pytest.mark.fact("FV.14-cards")
@pytest.mark.fact("FV.15-pages")
def test_cards_and_pages_are_imported_and_their_rejects_are_tables(
    drained: ServedIntake, connection: Connection, tmp_path: Path
) -> None:
    cards, page = tmp_path / "a.vcf", tmp_path / "b.xls"
    cards.write_text(
        "BEGIN:VCARD\nN:Lindqvist;Ada;;;\nEMAIL:a@example.com\nEND:VCARD\n"
        "BEGIN:VCARD\nN:Berg;Ulla;;;\nEMAIL:nobody\nEND:VCARD\n"
    )
    page.write_text(
        "<html><table><tr><td>email<td>_fname</tr>"
        "<tr><td>c@example.com<td>Cy</tr></table>"
    )
    mapped = ["--map", "N=full_name:comma", "--map", "FN="]

    status, (told,) = summarize(drained.settings, cards, *mapped)
    rejects = Path(told["rejects"])
    text = rejects.read_text()
    rejects.write_text(text.replace("nobody", "b@example.com"))
    again, _ = summarize(drained.settings, rejects)
    third, _ = summarize(drained.settings, page)

    assert (status, again, third) == (1, 0, 0)
    assert text.splitlines()[1].endswith('"Berg, Ulla",Ulla Berg,nobody')
    assert [(one[0], one[3]) for one in stored(connection)] == [
        ("a@example.com", "Ada"),
        ("b@example.com", "Ulla"),
        ("c@example.com", "Cy"),
    ]
