import json
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from msgspec import to_builtins

from ingest.domain.answers import Answer
from ingest.domain.errors import (
    AmbiguousMatch,
    Fault,
    InvalidRequest,
    Overloaded,
    PenstockError,
    Unauthenticated,
    Unavailable,
)
from ingest.domain.imports import Outcome, State
from ingest.doors.http.replies import describe
from ingest.wire import bodies, replies
from ingest.wire.bodies import Format
from ingest.wire.limits import Limits
from ingest.wire.reply_types import ErrorReply
from tests import said

IMPORT_ID = UUID("01936b4c-0000-7000-8000-000000000000")
PROFILE_ID = "54759eb3c090d83494e2d804"


def dump_xml(document: Mapping[str, object]) -> str:
    return replies.dump(document, Format.XML).decode()


def make_answer(outcome: Outcome) -> Answer:
    return Answer(
        import_id=outcome.import_id,
        error=outcome.error,
        error_text=outcome.error_text,
        profile_id=outcome.profile_id,
    )


def test_a_success_names_its_profile() -> None:
    outcome = Outcome(import_id=IMPORT_ID, state=State.CREATED, profile_id=PROFILE_ID)

    assert to_builtins(describe(make_answer(outcome))) == {
        "error": 0,
        "error_text": "Successful operation",
        "profile_id": PROFILE_ID,
    }


def test_a_failure_tells_its_first_fault_and_no_profile() -> None:
    outcome = Outcome(
        import_id=IMPORT_ID,
        state=State.REJECTED,
        faults=(
            Fault(code=400, message="Incorrect phone", path="data.phones[0]"),
            Fault(code=404, message="No such segment", path="add_to_segments[1]"),
        ),
    )

    assert to_builtins(describe(make_answer(outcome))) == {
        "error": 400,
        "error_text": "Incorrect phone: data.phones[0]",
    }


@pytest.mark.fact("13.2-codes")
@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        pytest.param(
            InvalidRequest("Missing parameter", "db_id"),
            400,
            "Missing parameter: db_id",
            id="with a path",
        ),
        pytest.param(Unauthenticated("No token"), 401, "No token", id="without a path"),
        pytest.param(
            AmbiguousMatch(
                [
                    Fault(code=409, message="Two profiles match"),
                    Fault(code=400, message="Incorrect phone"),
                ]
            ),
            409,
            "Two profiles match",
            id="the first of many",
        ),
        pytest.param(Overloaded("Too much waits"), 429, "Too much waits", id="busy"),
        pytest.param(Unavailable("No queue"), 503, "No queue", id="queue away"),
        pytest.param(
            PenstockError("/etc/secret"), 500, "Internal error", id="internal untold"
        ),
    ],
)
def test_a_fault_is_told_by_code_and_text(
    error: PenstockError, code: int, text: str
) -> None:
    assert replies.to_reply(error) == ErrorReply(error=code, error_text=text)


@pytest.mark.fact("2.2-success")
def test_the_answer_in_json_is_that_of_the_contract() -> None:
    outcome = Outcome(import_id=IMPORT_ID, state=State.UPDATED, profile_id=PROFILE_ID)

    body = replies.dump(describe(make_answer(outcome)), Format.JSON)

    assert body == (
        b'{"error":0,"error_text":"Successful operation",'
        b'"profile_id":"54759eb3c090d83494e2d804"}'
    )


@pytest.mark.fact("2.2-xml")
def test_the_answer_in_xml_is_that_of_the_contract() -> None:
    outcome = Outcome(import_id=IMPORT_ID, state=State.UPDATED, profile_id=PROFILE_ID)

    body = replies.dump(describe(make_answer(outcome)), Format.XML)

    assert body == (
        b"<xml><error>0</error><error_text>Successful operation</error_text>"
        b"<profile_id>54759eb3c090d83494e2d804</profile_id></xml>"
    )


@pytest.mark.fact("11-answer-arrays")
@pytest.mark.parametrize(
    ("document", "inner"),
    [
        pytest.param({"b": 1, "a": 2}, "<a>2</a><b>1</b>", id="alphabetical"),
        pytest.param({"a": {"c": 1, "b": 2}}, "<a><b>2</b><c>1</c></a>", id="nested"),
        pytest.param({"a": [1, 2]}, "<a>1</a><a>2</a>", id="repeated"),
        pytest.param({"a": [{"b": 1}]}, "<a><b>1</b></a>", id="list of objects"),
        pytest.param(
            {"a": [[1, 2], []]}, "<a><item>1</item><item>2</item></a><a/>", id="lists"
        ),
        pytest.param({"a": []}, "<a/>", id="empty list"),
        pytest.param({"a": None}, "<a/>", id="null"),
        pytest.param({"a": {}}, "<a/>", id="empty object"),
        pytest.param({"a": True, "b": False}, "<a>true</a><b>false</b>", id="booleans"),
        pytest.param({"a": 20.5}, "<a>20.5</a>", id="float"),
        pytest.param({"a": "<&>\r"}, "<a>&lt;&amp;&gt;&#13;</a>", id="escaped"),
        pytest.param({"a": "Я😀"}, "<a>Я😀</a>", id="any language"),
        pytest.param({"a": "\0\x1f\ufffe"}, "<a>\ufffd\ufffd\ufffd</a>", id="replaced"),
        pytest.param({"a b": 1}, "<a_b>1</a_b>", id="blank in a name"),
        pytest.param({"1": 1}, "<_1>1</_1>", id="digit first in a name"),
        pytest.param({"": 1}, "<_>1</_>", id="empty name"),
        pytest.param({"{n}a:b": 1}, "<_n_a_b>1</_n_a_b>", id="no namespaces"),
        pytest.param({"город": 1}, "<город>1</город>", id="name in any language"),
        pytest.param({"a": IMPORT_ID}, f"<a>{IMPORT_ID}</a>", id="identifier"),
        pytest.param(
            {"a": datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)},
            "<a>2025-01-02T03:04:05Z</a>",
            id="moment",
        ),
        pytest.param({"a": State.CREATED}, "<a>created</a>", id="word"),
    ],
)
def test_a_document_becomes_elements(
    document: Mapping[str, object], inner: str
) -> None:
    assert dump_xml(document) == f"<xml>{inner}</xml>"


@pytest.mark.fact("11-order")
def test_keys_are_alphabetical_in_json() -> None:
    assert replies.dump({"b": {"d": 1, "c": 2}, "a": 3}, Format.JSON) == (
        b'{"a":3,"b":{"c":2,"d":1}}'
    )


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_any_document_is_written_well_formed(value: object) -> None:
    document = {"value": value}

    assert json.loads(replies.dump(document, Format.JSON)) == document
    assert etree.fromstring(replies.dump(document, Format.XML)).tag == "xml"


@given(
    st.dictionaries(
        st.from_regex(r"[a-z_]{1,5}", fullmatch=True),
        st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])),
    )
)
def test_what_is_written_in_xml_reads_back(document: dict[str, str]) -> None:
    body = replies.dump(document, Format.XML)

    assert bodies.decode(body, "text/xml", limits=Limits(depth=3)) == (
        Format.XML,
        {name: text.strip() for name, text in document.items()},
    )


@pytest.mark.fact("1-format", "11-mirror")
@pytest.mark.parametrize("request_format", Format)
@pytest.mark.parametrize(
    ("explicit", "accept", "chosen"),
    [
        pytest.param("xml", "application/json", Format.XML, id="explicit wins"),
        pytest.param("JSON", None, Format.JSON, id="in any case"),
        pytest.param(None, "application/xml", Format.XML, id="accepts XML"),
        pytest.param(None, "text/xml", Format.XML, id="accepts XML as text"),
        pytest.param("", "application/json", Format.JSON, id="empty is not explicit"),
        pytest.param(
            None, "application/json;q=0.5, text/xml;q=0.9", Format.XML, id="prefers XML"
        ),
        pytest.param(
            None, "application/xml;q=0.1, */*", Format.JSON, id="prefers all but XML"
        ),
        pytest.param(None, "text/XML;q=0, */*", Format.JSON, id="refuses XML"),
        pytest.param(
            None,
            "text/plain, application/xml;q=0.9, */*;q=0.8",
            Format.XML,
            id="neither, then XML",
        ),
    ],
)
def test_the_format_asked_for_is_chosen(
    explicit: str | None, accept: str | None, chosen: Format, request_format: Format
) -> None:
    assert replies.choose_format(explicit, accept, request_format) is chosen


@pytest.mark.fact("11-mirror")
@pytest.mark.parametrize("request_format", Format)
@pytest.mark.parametrize(
    "accept",
    [
        pytest.param(None, id="no header"),
        pytest.param("", id="empty header"),
        pytest.param("*/*", id="anything"),
        pytest.param("application/*", id="any application"),
        pytest.param("text/html", id="neither"),
        pytest.param("nonsense;;q=", id="malformed"),
        pytest.param("application/json, application/xml", id="both"),
    ],
)
def test_the_format_mirrors_the_request_otherwise(
    accept: str | None, request_format: Format
) -> None:
    assert replies.choose_format(None, accept, request_format) is request_format


@pytest.mark.fact("14.68-format")
def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        replies.choose_format("yaml", None, Format.JSON)

    assert str(caught.value) == f"{said.FORMAT}: format"


def test_each_format_has_a_content_type() -> None:
    assert set(replies.CONTENT_TYPES) == set(Format)
