"""Words that people are found by: folded alike in profiles and in searches."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ingest.domain.errors import InvalidRequest
from ingest.domain.people import fold, is_searchable, make_text, read_words

TEXTS = st.text(max_size=40)


@given(TEXTS)
def test_what_is_folded_stays_as_it_is(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@pytest.mark.fact("P.2-part")
@given(TEXTS, TEXTS, st.data())
def test_every_part_of_a_name_finds_it(
    first: str, last: str, data: st.DataObject
) -> None:
    text = make_text(None, (), {"_fname": first, "_lname": last})
    for word in fold(f"{first} {last}").split():
        begin = data.draw(st.integers(0, len(word)))
        end = data.draw(st.integers(begin, len(word)))
        part = word[begin:end]
        if is_searchable(part):
            assert all(found in text for found in read_words(part))


@pytest.mark.fact("P.2-part")
@given(st.from_regex(r"[1-9][0-9]{6,13}", fullmatch=True), st.data())
def test_a_phone_is_found_however_it_is_written(
    digits: str, data: st.DataObject
) -> None:
    text = make_text(None, [f"+{digits}"], {})
    begin = data.draw(st.integers(0, len(digits) - 4))
    part = digits[begin : begin + data.draw(st.integers(4, 14))]
    # Zeros with one digit are no part that a number is known by.
    assume(len(part.lstrip("0")) >= 2)
    between = data.draw(st.sampled_from(["", " ", "-", ".", "/"]))
    typed = data.draw(st.sampled_from(["", "0", "00", "+"])) + between.join(part)

    assert all(word in text for word in read_words(typed))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ()),
        ("  ", ()),
        ("Zoë ÅNGSTRÖM", ("zoe", "angstrom")),
        ("Straße", ("strasse",)),
        ("ﬁ", ("fi",)),
        ("Ада", ("ада",)),
        ("007", ("007",)),
        ("+44 (20) 7946", ("44207946",)),
        ("a bc", ("a", "bc")),
    ],
)
def test_a_search_is_read(text: str, words: tuple[str, ...]) -> None:
    assert read_words(text) == words


@pytest.mark.parametrize("text", ["a", "a b", "x" * 101, "ab " * 9])
def test_what_is_too_short_or_too_much_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        read_words(text)
    assert not is_searchable(text)
