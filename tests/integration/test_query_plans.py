"""Every statement of the hot path uses an index, on 100,000 profiles."""

from tests.conftest import Connection
from tests.factories import make_import
from tests.pipeline import Pipeline
from tests.plans import about, reading_whole, store_profiles, store_receipts, watching

ROWS = 100_000
LARGE = ("profiles", "match_keys", "segment_members", "imports")


def test_no_statement_of_a_batch_reads_a_whole_table(connection: Connection) -> None:
    store_profiles(connection, ROWS)
    store_receipts(connection)
    connection.execute("ANALYZE")
    pipeline = Pipeline(connection)
    email = [
        make_import("email", {"_fname": "A"}, key={"email": f"p{n}@example.com"})
        for n in range(1, 100)
    ]
    phone = [
        make_import(
            "phone",
            {"email": f"q{n}@example.com", "points": {"action": "incr", "value": 1}},
            key={"phone": f"+1{2000000000 + n}"},
            add_to_segments=(2,),
            remove_from_segments=(1,),
        )
        for n in range(200, 300)
    ]
    fresh = [
        make_import("email", {}, key={"email": f"new{n}@example.com"}) for n in range(9)
    ]

    with watching(connection) as plans:
        outcomes = pipeline.apply(*email, *phone, *fresh)

    assert {outcome.error_text for outcome in outcomes} == {"Successful operation"}
    reads = about(plans, LARGE)
    assert len(reads) >= 10
    assert reading_whole(reads, LARGE) == []
