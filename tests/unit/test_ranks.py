"""Which rows of a request come after which: what the rows themselves show (16.10)."""

from collections.abc import Mapping
from typing import Any

import pytest

from ingest.domain.catalog import Catalog
from ingest.domain.imports import Import
from ingest.domain.ranks import Rank, Ranking
from ingest.doors.accept import place
from ingest.wire.ranks import RANK_FIELD, dump_rank, load_rank
from tests.factories import by_email, make_catalog, make_import

CATALOG = make_catalog()
#: So many that no two keys of these tests share one.
PARTITIONS = 10_000
SMS = {"channel": "sms", "phone": "+79000000001", "resource_id": 1}


class Request:
    """Rows as a door accepts them, one after another."""

    def __init__(self, catalog: Catalog = CATALOG) -> None:
        self.catalog = catalog
        self.ranking = Ranking("r", catalog)
        self.partitions: dict[int, int] = {}

    def add(self, *imports: Import) -> list[Rank]:
        return [self._add(one) for one in imports]

    def _add(self, import_: Import) -> Rank:
        accepted = place(import_, self.catalog, PARTITIONS)
        row = len(self.partitions) + 1
        self.partitions[row] = accepted.partition
        return self.ranking.rank(row, accepted.partition, import_, accepted.search)

    def follows(self, rank: Rank) -> set[int]:
        """Return the rows that come before `rank`, by name."""
        assert all(self.partitions[row] == at for at, row in rank.after)
        return {row for _, row in rank.after}


@pytest.fixture
def request_() -> Request:
    return Request()


def by_phone(phone: str, data: Mapping[str, Any] | None = None) -> Import:
    return make_import("phone", data, key={"phone": phone})


def test_rows_that_share_nothing_come_after_nothing(request_: Request) -> None:
    ranks = request_.add(*(by_email(f"n{number}@example.com") for number in range(9)))

    assert [rank.after for rank in ranks] == [()] * 9
    assert [rank.row for rank in ranks] == list(range(1, 10))


def test_rows_of_one_partition_need_no_rank_to_stand_in_order(
    request_: Request,
) -> None:
    first, second = request_.add(by_email("a@x.com"), by_email("A@x.com"))

    assert (first.after, second.after) == ((), ())


WORK = {"channel": "email", "email": "b@x.com"}
TIES = [
    pytest.param(by_email("a@x.com", {"email": "b@x.com"}), by_email("b@x.com"),
                 id="an address that the earlier one brings"),
    pytest.param(by_email("b@x.com"), by_email("a@x.com", {"email": "B@x.com"}),
                 id="an address that the later one brings"),
    pytest.param(by_email("a@x.com", {"email": {"action": "set", "value": "b@x.com"}}),
                 by_email("b@x.com"), id="by a function"),
    pytest.param(make_import("custom", {"email": "b@x.com"},
                             key={"field_name": "email", "field_value": "a@x.com"}),
                 by_email("b@x.com"), id="beside a key that is called a field"),
    pytest.param(by_email("a@x.com", {"subscriptions": [WORK]}), by_email("b@x.com"),
                 id="a subscription"),
    pytest.param(by_email("a@x.com", {"subscriptions": WORK | {"channel": " email"}}),
                 by_email("b@x.com"), id="a subscription as another writes it"),
    pytest.param(by_email("a@x.com", {"phones": ["+79000000001"]}),
                 by_phone("+79000000001"), id="a phone, searched later"),
    pytest.param(by_phone("+79000000001"),
                 by_email("a@x.com", {"phones": {"action": "add",
                                                 "value": "+7 900 000-00-01"}}),
                 id="a phone, brought later"),
    pytest.param(by_email("a@x.com", {"subscriptions": [SMS]}),
                 by_phone("+79000000001"), id="a subscription's phone"),
    pytest.param(by_email("a@x.com", {"code": 7}), by_email("b@x.com", {"code": "7"}),
                 id="a unique value of both"),
    pytest.param(by_email("a@x.com", {"tier": "x"}),
                 make_import("custom", key={"field_name": "tier", "field_value": "x"}),
                 id="a matched value"),
    pytest.param(make_import("email_phone",
                             key={"email": "a@x.com", "phone": "+79000000001"}),
                 by_phone("+79000000001"), id="one of two keys"),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second"), TIES)
def test_a_row_comes_after_one_that_shares_a_key(
    request_: Request, first: Import, second: Import
) -> None:
    before, rank = request_.add(first, second)

    assert request_.follows(before) == set()
    assert request_.follows(rank) == {1}


@pytest.mark.parametrize(
    "brought",
    [
        {"phones": ["8 900 000-00-01"]},
        {"subscriptions": [SMS | {"phone": "89000000001"}]},
    ],
)
def test_phones_are_read_by_the_region_of_the_database(
    brought: Mapping[str, Any],
) -> None:
    request = Request(make_catalog(phone_region="RU"))

    rank = request.add(by_email("a@x.com", brought), by_phone("+79000000001"))[1]

    assert request.follows(rank) == {1}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(
            by_email("a@x.com", {"phones": ["+79000000001"]}),
            by_email("b@x.com", {"phones": ["+79000000001"]}),
            id="a phone that nobody searches by",
        ),
        pytest.param(
            by_email("a@x.com", {"tier": "x"}),
            by_email("b@x.com", {"tier": "x"}),
            id="a value that several may hold",
        ),
        pytest.param(
            by_email("a@x.com", {"email": "no address"}),
            by_email("b@x.com", {"email": "no address"}),
            id="what will be refused",
        ),
    ],
)
def test_what_finds_nobody_ties_nothing(
    request_: Request, first: Import, second: Import
) -> None:
    assert request_.add(first, second)[1].after == ()


def test_rows_are_tied_by_way_of_others(request_: Request) -> None:
    both = make_import("email_phone", key={"email": "a@x.com", "phone": "+79000000001"})
    _, by_mail, last = request_.add(both, by_email("a@x.com"), by_phone("+79000000001"))

    assert request_.follows(by_mail) == set()  # of one partition
    assert request_.follows(last) == {2}


def test_who_brought_a_key_before_it_mattered_comes_first_too(
    request_: Request,
) -> None:
    phone = "+79000000001"
    *_, rank = request_.add(
        by_email("a@x.com", {"phones": [phone]}),
        by_email("b@x.com", {"phones": [phone]}),
        by_email("c@x.com"),
        by_phone(phone),
    )

    assert request_.follows(rank) == {1, 2}


@pytest.mark.parametrize(
    "strange",
    [
        pytest.param(
            make_import("custom", key={"field_name": "note", "field_value": "x"}),
            id="a search without an index",
        ),
        pytest.param(
            by_email("s@x.com", {"code": {"action": "incr", "value": 1}}),
            id="a key that is computed",
        ),
    ],
)
def test_what_cannot_be_told_comes_after_all_and_before_all(
    request_: Request, strange: Import
) -> None:
    mails = [by_email(f"{name}@x.com") for name in "abc"]
    first, rank, last = request_.add(mails[0], strange, mails[1])

    assert request_.follows(first) == set()
    assert request_.follows(rank) == {1}
    assert request_.follows(last) == {1, 2}
    request_.ranking.settle(3)
    assert request_.add(mails[2])[0].after == ()


def test_rows_that_were_applied_are_forgotten(request_: Request) -> None:
    request_.add(by_email("a@x.com", {"email": "b@x.com"}))
    request_.ranking.settle(1)

    assert request_.add(by_email("b@x.com"))[0].after == ()


def test_names_of_settled_rows_take_no_room(request_: Request) -> None:
    for number in range(25_000):
        request_.add(by_email(f"n{number}@example.com"))
        request_.ranking.settle(number)

    assert len(request_.ranking._groups) < 25_000
    assert len(request_.ranking._rows) == 1


def test_a_rank_is_read_as_it_was_written() -> None:
    rank = Rank("r4nd0m", 7, ("email", "phone"), ((0, 3), (2, 6)))

    (written,) = dump_rank(rank).values()

    assert load_rank(written) == rank
    assert dump_rank(None) == {}
    # Whatever a later release adds at the end is passed over.
    assert load_rank(written[:-1] + b',"more"]') == rank


@pytest.mark.parametrize("text", [b"", b"7", b"[]", b'["r","7"]', b"\xff", b'{"a":1}'])
def test_what_is_no_rank_is_none(text: bytes) -> None:
    assert load_rank(text) is None
    assert RANK_FIELD == b"rank"
