"""The measuring instrument counts right; nothing is measured here."""

import asyncio
from collections.abc import Callable
from itertools import islice, repeat

import orjson
import pytest

from ingest.domain.imports import Operation
from ingest.wire.envelopes import load_envelope
from tests.benchmarks.figures import find_percentile, summarize
from tests.benchmarks.load import Job, Result, parse_answer, send
from tests.benchmarks.requests import Imports, Receipts, Template, make_sample

REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


def answer(status: int, document: dict[str, object]) -> bytes:
    body = orjson.dumps(document)
    return (
        b"HTTP/1.1 %d Word\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body
    )


DONE = answer(200, {"error": 0, "profile_id": "p"})
ACCEPTED = answer(202, {"error": 0, "import_id": "i"})
REFUSED = answer(200, {"error": 400, "error_text": "Incorrect phone: phone"})
NOT_YET = answer(404, {"error": 404, "error_text": "No receipt yet"})
HANG_UP = b""


def do(
    answers: list[bytes], *, connections: int = 1, **job: float | tuple[str, ...]
) -> Result:
    """Send to a server that gives `answers` in turn, then the last one for ever."""
    given = iter([*answers[:-1], *repeat(answers[-1], 1000)])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                reply = next(given)
                if not reply:
                    break
                # In two pieces, as a network may deliver it.
                for piece in (reply[:20], reply[20:]):
                    writer.write(piece)
                    await writer.drain()
        except asyncio.IncompleteReadError:
            pass
        writer.close()

    async def run() -> Result:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        settings: dict[str, object] = {"seconds": 30.0, **job}
        async with server:
            return await send(
                Job(
                    host="127.0.0.1",
                    port=port,
                    requests=repeat(REQUEST),
                    connections=connections,
                    **settings,  # type: ignore[arg-type]
                )
            )

    return asyncio.run(run())


def test_each_request_is_counted_once() -> None:
    result = do([DONE], connections=3, count=30)

    assert (result.succeeded, result.failed, result.unresolved) == (30, 0, 0)
    assert len(result.latencies) == 30
    assert 0 < sum(result.latencies) < 3 * result.seconds


def test_an_error_in_the_body_is_a_failure_and_the_first_is_told() -> None:
    result = do([DONE, REFUSED, NOT_YET], count=3)

    assert (result.succeeded, result.failed) == (1, 2)
    assert result.first_fault == "HTTP 200: Incorrect phone: phone"


def test_an_accepted_import_is_not_taken_for_an_applied_one() -> None:
    result = do([ACCEPTED, DONE], count=2)

    assert (result.succeeded, result.unresolved) == (2, 1)


def test_a_connection_that_is_lost_takes_its_request_along() -> None:
    result = do([DONE, HANG_UP], count=5)

    assert (result.succeeded, result.failed) == (1, 1)
    assert result.first_fault.startswith("connection lost")


def test_what_is_not_there_yet_is_asked_for_again() -> None:
    result = do([NOT_YET, NOT_YET, DONE], count=1, retry_error=404)

    assert (result.succeeded, result.failed) == (1, 0)


def test_members_of_the_answers_are_handed_back() -> None:
    result = do([ACCEPTED, DONE], count=2, keep=("import_id", "profile_id"))

    assert result.kept == [("i", None), (None, "p")]


def test_none_is_begun_when_the_time_is_up() -> None:
    assert do([DONE], seconds=0.0, count=10).succeeded <= 1


def test_an_answer_is_whole_only_with_its_last_byte() -> None:
    assert parse_answer(DONE) == (200, DONE.partition(b"\r\n\r\n")[2])
    assert all(parse_answer(DONE[:end]) is None for end in range(len(DONE)))


def bodies(count: int) -> list[dict[str, object]]:
    imports = islice(Imports(host="here", token="secret"), count)
    found = []
    for request in imports:
        head, _, body = request.partition(b"\r\n\r\n")
        assert b"Content-Length: %d" % len(body) in head
        found.append(orjson.loads(body))
    return found


def contacts(body: dict[str, object]) -> set[str]:
    data = body["data"]
    assert isinstance(data, dict)
    read: list[Callable[[dict[str, object]], object]] = [
        lambda one: one.get("email"),
        lambda one: one.get("phone"),
        lambda one: one.get("subscription_id"),
        lambda one: str(one.get("cc_data")),
    ]
    found = {str(pick(each)) for each in data["subscriptions"] for pick in read}
    return (found | {data["email"], *data["phones"]}) - {"None"}


def test_each_import_is_of_a_customer_of_its_own() -> None:
    first, second = map(contacts, bodies(2))

    assert first.isdisjoint(second)
    assert len(first) == len(second)


def test_an_import_is_valid_and_carries_six_subscriptions() -> None:
    (body,) = bodies(1)
    envelope = load_envelope(body, operation=Operation.IMPORT)
    data = body["data"]

    assert isinstance(data, dict)
    assert len(data["subscriptions"]) == 6
    assert envelope.token == "secret"
    assert envelope.key.email == data["email"]


def test_receipts_are_asked_for_by_id_and_token() -> None:
    requests = list(Receipts(host="here", token="secret", import_ids=("a", "b")))

    assert [request.split()[1] for request in requests] == [
        b"/api/v1.1/imports/a",
        b"/api/v1.1/imports/b",
    ]
    assert all(b"Authorization: Bearer secret\r\n" in request for request in requests)


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        pytest.param(0.0, 1.0, id="the least"),
        pytest.param(0.5, 2.0, id="the median is a value that occurred"),
        pytest.param(0.75, 3.0, id="exactly three of four"),
        pytest.param(0.99, 4.0, id="nearly all"),
        pytest.param(1.0, 4.0, id="the most"),
    ],
)
def test_a_percentile_is_a_value_that_occurred(share: float, expected: float) -> None:
    assert find_percentile([1.0, 2.0, 3.0, 4.0], share) == expected


def test_figures_are_of_successes_and_in_milliseconds() -> None:
    result = Result(
        succeeded=4, failed=1, unresolved=1, seconds=2.0, latencies=[0.2, 0.1]
    )

    figures = summarize("waiting", 8, result, waited=True)

    assert (figures.per_second, figures.p50_ms, figures.p99_ms) == (2.0, 100.0, 200.0)
    assert (figures.late, figures.failed) == (1, 1)
    assert summarize("not waiting", 8, result, waited=False).late == 0


def test_changes_keep_the_customer_and_differ_in_one_field_and_one_subscription() -> (
    None
):
    template = Template(make_sample("t"))

    first, second = (orjson.loads(template.fill(7, change)) for change in (1, 2))

    changed = {
        name for name, value in first["data"].items() if value != second["data"][name]
    }
    assert changed == {"custom_field", "subscriptions"}
    pairs = zip(
        first["data"]["subscriptions"], second["data"]["subscriptions"], strict=True
    )
    assert sum(one != other for one, other in pairs) == 1
    assert len(template.fill(7, 1)) == len(template.fill(123_456, 0))
    assert first["email"] == second["email"]
