"""What the ledger makes of entries that cannot be decoded."""

from uuid import UUID

import orjson
import pytest

from ingest.wire.acceptance_log import Mark, peek_mark

ID = UUID("01936b4c-0000-7000-8000-000000000000")


def entry(database_id: str) -> bytes:
    return b'{"v":9,"import_id":"%s","database_id":%s}' % (
        str(ID).encode(),
        database_id.encode(),
    )


def test_an_entry_of_another_form_is_counted_where_it_belongs() -> None:
    assert peek_mark(entry("7")) == Mark(ID, 7)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="no object"),
        pytest.param(orjson.dumps({"import_id": str(ID)}), id="no database"),
        pytest.param(entry('"x"'), id="no number"),
        pytest.param(entry(str(2**31)), id="beyond the column"),
        pytest.param(entry(str(2**40)), id="far beyond it"),
        pytest.param(entry("-1"), id="negative"),
        pytest.param(entry("1e999"), id="without end"),
        pytest.param(b'{"database_id":1,"import_id":7}', id="no id"),
    ],
)
def test_what_names_no_import_that_can_be_counted_is_none(payload: bytes) -> None:
    assert peek_mark(payload) is None
