"""Answers between workers and intake processes, of this release and of others."""

import json
from datetime import UTC, datetime
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.answers import Answer
from ingest.wire.answers import dump_answers, load_answers

ID = uuid4()
texts = st.text(st.characters(codec="utf-8"))
answers = st.builds(
    Answer,
    import_id=st.uuids(),
    error=st.integers(0, 999),
    error_text=texts,
    profile_id=st.none() | texts,
    accepted_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    fingerprint=st.none() | texts,
)


@given(sent=st.lists(answers, max_size=5))
def test_what_is_sent_is_read(sent: list[Answer]) -> None:
    assert load_answers(dump_answers(sent)) == sent


def test_the_release_before_reads_it() -> None:
    accepted_at = datetime(2026, 11, 29, 12, tzinfo=UTC)
    answer = Answer(
        import_id=ID,
        error=0,
        error_text="Successful operation",
        profile_id="a" * 24,
        accepted_at=accepted_at,
        fingerprint="f",
    )

    (read,) = json.loads(dump_answers([answer]))

    assert datetime.fromisoformat(read.pop("accepted_at")) == accepted_at
    assert read == {
        "import_id": str(ID),
        "error": 0,
        "error_text": "Successful operation",
        "profile_id": "a" * 24,
        "fingerprint": "f",
    }


def test_the_release_before_and_the_next_are_read() -> None:
    before = {
        "import_id": str(ID),
        "error": 400,
        "error_text": "Incorrect email",
        "profile_id": None,
        "accepted_at": "2026-11-29T12:00:00+00:00",
    }

    (read,) = load_answers(json.dumps([before | {"newer": [1]}]).encode())

    assert read == Answer(
        import_id=ID,
        error=400,
        error_text="Incorrect email",
        profile_id=None,
        accepted_at=datetime(2026, 11, 29, 12, tzinfo=UTC),
    )


@given(data=st.binary())
def test_rubbish_is_no_answer(data: bytes) -> None:
    load_answers(data)
    assert load_answers(b"{" + data) == []
    assert load_answers(b'[{"import_id": "x", "error": 0}]') == []
