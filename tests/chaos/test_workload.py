"""What is asked for has the sizes that it says, and is on its side of each limit."""

import orjson
import pytest

from ingest.domain.errors import PenstockError
from tests.chaos.asks import Kind
from tests.chaos.sizes import BEYOND, LARGEST, make_large, measure_large
from tests.chaos.workload import Line
from tests.fuzz.targets import read_import

LINE = Line(0, 0, 7)


@pytest.mark.parametrize("size", [1, 1000, 64_511, 64_513, LARGEST])
def test_large_values_are_as_large_as_they_say(size: int) -> None:
    made = make_large("0.0.1", size)

    assert measure_large(made["orders"]) == ("0.0.1", size)
    assert made == make_large("0.0.1", size)


def test_the_same_seed_asks_for_the_same() -> None:
    one, again = (Line(1, 2, 7) for _ in range(2))

    for _ in range(300):
        assert one.next_request() == again.next_request()
    assert one.next_upload().body == again.next_upload().body


def test_every_kind_is_asked_for() -> None:
    kinds = {ask.kind for _ in range(3000) for ask in LINE.next_request().asks}

    assert kinds == set(Kind)


@pytest.mark.parametrize("limit", BEYOND)
def test_what_is_beyond_a_limit_is_refused_for_that(
    limit: str,
) -> None:
    import_ = {"db_id": 1, "email": "a@chaos.example"}
    data = BEYOND[limit]()

    with pytest.raises(PenstockError, match=r"[Mm]ore than|[Aa]t most|deeper|allowed"):
        read_import(orjson.dumps({**import_, "data": data}))


def test_another_row_of_an_upload_is_the_only_other_one() -> None:
    upload = LINE.next_upload()

    ask, body = LINE.exchange_row(upload)

    pairs = zip(upload.body.splitlines(), body.splitlines(), strict=True)
    (other,) = [other for row, other in pairs if row != other]
    assert ask.kind is Kind.BEYOND
    assert ask.ref.encode() in other
