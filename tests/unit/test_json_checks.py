"""JSON that its grammar allows and Penstock does not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.errors import InvalidRequest
from ingest.wire import json_bodies
from ingest.wire.limits import DEFAULT_LIMITS, Limits

KEYS_50 = Limits(keys=50)


def fault(body: bytes, limits: Limits = DEFAULT_LIMITS) -> str:
    with pytest.raises(InvalidRequest) as caught:
        json_bodies.decode(body, limits=limits)
    return str(caught.value)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        pytest.param(b'{"a": 1, "a": 2}', "a", id="at the root"),
        pytest.param(b'{"a": 1, "a": 1}', "a", id="of equal values"),
        pytest.param(b'{"d": {"l": [{"b": 1, "b" :2}]}}', "b", id="deep"),
        pytest.param(b'{"a":1,"a"\n:2}', "a", id="with a blank before the colon"),
        pytest.param(b'{"a": 1, "\\u0061": 2}', "a", id="by an escape"),
        pytest.param(b'{"a":1,"a":2,"b":"\\u003a"}', "a", id="beside an escaped colon"),
        pytest.param(
            b'{"a":1,"a":2,"b":"\\u003A"}', "a", id="beside a colon escaped otherwise"
        ),
        pytest.param(b'{"": 1, "": 2}', "", id="empty"),
        pytest.param(b'{"' + b"n" * 99 + b'":1,"' + b"n" * 99 + b'":2}', "n" * 40),
    ],
)
def test_a_name_given_twice_is_refused_naming_it(body: bytes, name: str) -> None:
    path = f": {name}" if name else ""
    assert fault(body) == f"Duplicate member name{path}"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"a": {"a": 1}, "b": {"a": 2}}', id="in different objects"),
        pytest.param(b'{"a": 1, "A": 2}', id="but for its case"),
        pytest.param(b'{"a": ":\\":\\u003a", "b": "a\\":"}', id="as text"),
    ],
)
def test_equal_names_that_are_not_the_same_are_read(body: bytes) -> None:
    assert json_bodies.decode(body) == json.loads(body)


PAIRS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b:", '"', "é", ""]), st.text(':"\\ a', max_size=4)
    ),
    max_size=5,
)


@given(PAIRS, st.booleans(), st.sampled_from([":", " : ", "\t:", ":\n"]))
def test_exactly_the_bodies_that_repeat_a_name_are_refused(
    pairs: list[tuple[str, str]], escaped: bool, colon: str
) -> None:
    def write(text: str) -> str:
        spelled = "".join(f"\\u{ord(letter):04x}" for letter in text)
        return f'"{spelled}"' if escaped else json.dumps(text)

    members = ",".join(f"{write(name)}{colon}{write(text)}" for name, text in pairs)
    body = f"{{{members}}}".encode()

    if len(dict(pairs)) < len(pairs):
        assert fault(body).startswith("Duplicate member name")
    else:
        assert json_bodies.decode(body) == dict(pairs)


@pytest.mark.parametrize("number", [-(2**63), 2**63, 2**64 - 1, 10**18])
def test_an_integer_of_64_bits_is_read_exactly(number: int) -> None:
    assert json_bodies.decode(b'{"a": %d}' % number) == {"a": number}


@pytest.mark.parametrize(
    "literal",
    [
        pytest.param(str(2**64), id="one too many"),
        pytest.param(str(-(2**63) - 1), id="one too few"),
        pytest.param("9" * 25, id="far too many"),
        pytest.param("-" + "9" * 308, id="negative"),
    ],
)
def test_an_integer_beyond_64_bits_is_refused_naming_it(literal: str) -> None:
    text = fault(b'{"a": [0, %s]}' % literal.encode())

    assert text == f"An integer does not fit in 64 bits: {literal[:40]}"


@pytest.mark.timeout(5)
def test_an_integer_of_a_million_digits_is_refused() -> None:
    assert "infinity" in fault(b'{"a": %s}' % (b"9" * 1_000_000))


def test_long_digits_of_texts_and_fractions_are_no_large_integers() -> None:
    body = b'{"a": "12345678901234567890123", "b": 0.1234567890123456789012, "c": 1e30}'

    assert json_bodies.decode(body) == json.loads(body)


def wide(members: int) -> bytes:
    return json.dumps({"a": [{str(n): n for n in range(members)}]}).encode()


def test_the_members_of_one_object_are_limited() -> None:
    assert json_bodies.decode(wide(50), limits=KEYS_50)
    assert fault(wide(51), KEYS_50) == "An object has too many members (at most 50)"


def test_many_small_objects_are_not_wide() -> None:
    body = json.dumps({"a": [{"b": {"c": ":::"}}] * 100}).encode()

    assert json_bodies.decode(body, limits=KEYS_50) == json.loads(body)


@pytest.mark.parametrize("item", ["0", "[]", "{}", '{"a":0}'])
def test_the_values_of_a_body_are_limited_before_they_are_read(item: str) -> None:
    def body(items: int, end: str) -> bytes:
        return f'{{"a": [{",".join([item] * items)}{end}'.encode()

    assert json_bodies.decode(body(100, "]}"), limits=Limits(values=400))
    # Cut short, which nobody would notice who did not read it.
    assert fault(body(500, ""), Limits(values=400)) == (
        "The body has too many values (at most 400)"
    )
