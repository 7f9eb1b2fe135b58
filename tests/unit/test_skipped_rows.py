"""Rows and lines of tables that are skipped, because it is told."""

import pytest

from ingest.domain.errors import InvalidRequest
from tests.table_files import read_table
from tests.workbooks import make_xlsx

TABLE = "email,_fname,Deleted,note\n"
REPORT = f"{TABLE}a@b.c,Ada,0,\nd@e.f,,0,x\n\nTotal\nCopyright,2024\n"


@pytest.mark.fact("FV.13-where")
def test_rows_with_a_value_are_skipped_and_counted() -> None:
    table = read_table(
        f"{TABLE}a@b.c,,1,\nd@e.f,, True ,\ng@h.i,,0,\nj@k.l\n",
        mapping={"Deleted": ""},
        skip_where={"Deleted": ["1", "true"]},
    )

    assert [one["email"] for one in table.data] == ["g@h.i", "j@k.l"]
    assert table.notes == ["1 row skipped: Deleted=1", "1 row skipped: Deleted=True"]


@pytest.mark.fact("FV.13-where")
def test_rows_without_a_value_may_be_skipped() -> None:
    table = read_table(
        f"{TABLE}a@b.c,,,\nd@e.f,,0,\n",
        mapping={"Deleted": ""},
        skip_where={"Deleted": [""]},
    )

    assert [one["email"] for one in table.data] == ["d@e.f"]


@pytest.mark.fact("FV.13-where")
def test_an_unknown_column_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"Unknown column 'Gone': skip_where"):
        read_table("email\na@b.c\n", skip_where={"Gone": ["1"]})


@pytest.mark.fact("FV.13-where")
def test_skipped_rows_decide_no_dates() -> None:
    table = read_table(
        "_bdate,Deleted\n17/05/1990,1\n05/17/1990,0\n05/07/1990,0\n",
        mapping={"Deleted": ""},
        skip_where={"Deleted": ["1"]},
    )

    assert [one["_bdate"] for one in table.data] == ["1990-05-17", "1990-05-07"]


@pytest.mark.fact("FV.13-footer")
def test_narrow_lines_below_a_table_are_skipped_and_counted() -> None:
    table = read_table(REPORT, mapping={"Deleted": ""}, skip_footer=True)

    assert [one["email"] for one in table.data] == ["a@b.c", "d@e.f"]
    assert table.notes == ["2 lines below the table, skipped"]


@pytest.mark.fact("FV.13-footer")
def test_a_footer_is_rows_where_nothing_is_told() -> None:
    table = read_table(REPORT, mapping={"Deleted": ""})

    assert len(table.data) == 4
    assert table.notes == []


@pytest.mark.fact("FV.13-footer")
def test_narrow_lines_in_a_table_are_rows() -> None:
    table = read_table(
        f"{TABLE}x\na@b.c,Ada,0,\nlast@b.c\n",
        mapping={"Deleted": ""},
        skip_footer=True,
    )

    # The last one has a contact: it is a row that lacks its empty cells.
    assert [one["email"] for one in table.data] == ["x", "a@b.c", "last@b.c"]
    assert table.notes == []


@pytest.mark.fact("FV.13-footer")
def test_a_workbook_may_have_a_footer() -> None:
    content = make_xlsx(
        One=[["email", "_fname", "note"], ["a@b.c", "A", "x"], ["Generated", "", ""]]
    )

    table = read_table(content, skip_footer=True)

    assert [one["email"] for one in table.data] == ["a@b.c"]
    assert table.notes == ["1 line below the table, skipped"]
