"""The query of an upload, read and refused."""

from typing import Any

import pytest

from ingest.domain.errors import InvalidRequest
from ingest.wire.job_parameters import UploadParameters, load_upload


def load(**query: Any) -> UploadParameters:
    return load_upload({"db_id": "1", **query}, "text/csv")


@pytest.mark.parametrize(
    ("word", "expected"),
    [("true", True), ("1", True), ("TRUE", True), ("false", False), ("0", False)],
)
def test_quotes_are_trusted_as_flags_of_requests_are_read(
    word: str, *, expected: bool
) -> None:
    told = load(trust_quotes=word)

    assert told.parameters.get("trust_quotes", False) is expected


@pytest.mark.parametrize("word", ["tab", "TAB", "\\t", "\t"])
def test_a_tab_has_a_name(word: str) -> None:
    assert load(delimiter=word).parameters["delimiter"] == "\t"


@pytest.mark.parametrize("word", ["maybe", "yes", "2", ["1", "1"]])
def test_a_flag_that_is_none_is_refused_with_what_is_allowed(word: object) -> None:
    with pytest.raises(InvalidRequest) as refused:
        load(trust_quotes=word)

    told = "Must be true or false (one of true, false, 1, 0): trust_quotes"
    assert str(refused.value) == told
