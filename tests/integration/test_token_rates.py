"""Rates of tokens: one budget over all intakes, told in every answer."""

import asyncio
import json
import math
import re
import socket
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest
import redis
from click.testing import CliRunner
from falcon.asgi import Response

from ingest.cli import main
from ingest.domain.errors import RateExceeded
from ingest.domain.rates import Rate
from ingest.domain.tokens import Scope, Token
from ingest.doors.http.rates import Rates
from ingest.settings import Settings
from ingest.store.tokens import create_token, set_rate
from ingest.streams.queues import rate_key
from tests.conftest import Connection
from tests.intakes import ServedIntake, make_document, served, wait_until

AT_ONCE = {"Prefer": "respond-async"}
BATCH = "/api/v1.1/profiles/import_batch"
#: No test lasts so long that one more comes back.
HOURLY = Rate(per_second=1 / 3600, burst=5)


def issue(connection: Connection, rate: Rate | None) -> tuple[int, str]:
    return create_token(
        connection, name="shop", database_ids=[1], actions=list(Scope), rate=rate
    )


def know(intake: ServedIntake, secret: str) -> str:
    """Return `secret` once the intake knows it, by a question that costs nothing."""
    path = f"/api/v1.1/imports/{UUID(int=0)}?token={secret}"
    wait_until(lambda: intake.get(path).json()["error"] == 404)
    return secret


def send(intake: ServedIntake, secret: str) -> httpx.Response:
    return intake.post(make_document(secret), AT_ONCE)


def make_batch(secret: str, count: int) -> dict[str, object]:
    people = [{"email": f"n{number}@example.com"} for number in range(count)]
    return {"token": secret, "db_id": 1, "data": people}


def read(field: str) -> dict[str, int]:
    """The parameters of a field of the draft."""
    assert re.fullmatch(r'"token"(;[a-z]=[0-9]+){2}', field)
    pairs = re.findall(r"([a-z])=([0-9]+)", field)
    return {name: int(number) for name, number in pairs}


def test_a_burst_is_let_in_and_the_next_is_429(
    intake: ServedIntake, connection: Connection, client: redis.Redis
) -> None:
    token_id, secret = issue(connection, HOURLY)
    know(intake, secret)

    answers = [send(intake, secret) for _ in range(6)]

    assert [each.status_code for each in answers] == [202] * 5 + [429]
    policies = {each.headers["RateLimit-Policy"] for each in answers}
    assert policies == {'"token";q=5;w=18000'}
    left = [read(each.headers["RateLimit"])["r"] for each in answers]
    assert left == [4, 3, 2, 1, 0, 0]
    refused = answers[-1]
    assert refused.json() == {
        "error": 429,
        "error_text": "The API token's rate limit is exceeded",
    }
    assert 3500 < int(refused.headers["Retry-After"]) <= 3600
    assert 17000 < read(refused.headers["RateLimit"])["t"] <= 18000
    assert client.pttl(rate_key(token_id)) <= 18_000_000


def test_several_intakes_share_one_budget(
    settings: Settings, connection: Connection
) -> None:
    _, secret = issue(connection, HOURLY)
    with ExitStack() as stack:
        intakes = [stack.enter_context(served(settings)) for _ in range(3)]
        statuses = [send(intake, secret).status_code for intake in intakes * 3]

    assert statuses == [202] * 5 + [429] * 4


def test_what_was_spent_comes_back(
    intake: ServedIntake, connection: Connection
) -> None:
    _, secret = issue(connection, Rate(per_second=2, burst=1))
    know(intake, secret)
    assert send(intake, secret).status_code == 202

    refused = wait_until(
        lambda: (answer := send(intake, secret)).status_code == 429 and answer
    )

    assert refused
    assert refused.headers["Retry-After"] == "1"
    wait_until(lambda: send(intake, secret).status_code == 202)


@pytest.mark.parametrize(("per_second", "burst"), [(50, 50), (20, 40), (0.5, 10)])
def test_the_first_second_takes_no_more_than_any_other(
    client: redis.Redis, settings: Settings, per_second: float, burst: int
) -> None:
    rate = Rate(per_second=per_second, burst=burst)
    token = Token(
        id=7, name="x", database_ids=frozenset(), actions=frozenset(), rate=rate
    )

    async def spend_for(microseconds: int) -> list[tuple[int, int]]:
        """Ask without a pause; return between which moments each was let in."""
        rates, spent = Rates(settings.redis_url), []
        now = begun = read_clock(client)
        while now < begun + microseconds:
            with suppress(RateExceeded):
                await rates.spend(token, Response())
                spent.append((now, read_clock(client)))
            now = read_clock(client)
        await rates.close()
        return spent

    spent = asyncio.run(spend_for(1_900_000))

    # Those that were surely let in then, however late their moments were read.
    begin = spent[0][0]
    first, second = (
        sum(start <= before and after < start + 990_000 for before, after in spent)
        for start in (begin, begin + 1_000_000)
    )
    assert 0 < first <= burst
    assert second <= burst


def read_clock(client: redis.Redis) -> int:
    seconds, microseconds = client.time()
    return seconds * 1_000_000 + microseconds


@pytest.mark.parametrize(
    "left", ["9" * 16, f"{'9' * 16} {'9' * 16} 5"], ids=["last release's", "ours"]
)
def test_a_clock_of_redis_that_was_set_back_holds_nobody_for_long(
    intake: ServedIntake, connection: Connection, client: redis.Redis, left: str
) -> None:
    token_id, secret = issue(connection, Rate(per_second=100, burst=5))
    know(intake, secret)
    client.set(rate_key(token_id), left)

    wait_until(lambda: send(intake, secret).status_code == 202)


def test_a_batch_counts_its_elements_and_is_let_in_whole_or_not_at_all(
    intake: ServedIntake, connection: Connection
) -> None:
    _, secret = issue(connection, HOURLY)
    know(intake, secret)

    def post(count: int) -> httpx.Response:
        return intake.post(make_batch(secret, count), AT_ONCE, path=BATCH)

    assert post(3).status_code == 202
    assert post(3).status_code == 429
    last = post(2)
    assert (last.status_code, read(last.headers["RateLimit"])["r"]) == (202, 0)


def test_a_batch_longer_than_the_burst_is_400_and_takes_nothing(
    intake: ServedIntake, connection: Connection
) -> None:
    _, secret = issue(connection, HOURLY)
    know(intake, secret)

    refused = intake.post(make_batch(secret, 6), AT_ONCE, path=BATCH)
    longest = intake.post(make_batch(secret, 5), AT_ONCE, path=BATCH)

    said = "Too many elements for the token's burst (at most 5): data"
    assert refused.json() == {"error": 400, "error_text": said}
    assert longest.status_code == 202


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("profiles/get", {"db_id": 1, "email": "a@example.com"}, id="get"),
        pytest.param("databases/list", {}, id="catalog"),
    ],
)
def test_questions_count_too(
    intake: ServedIntake, connection: Connection, path: str, body: dict[str, Any]
) -> None:
    _, secret = issue(connection, replace(HOURLY, burst=1))
    know(intake, secret)

    answers = [
        intake.post({"token": secret, **body}, path=f"/api/v1.1/{path}")
        for _ in range(2)
    ]

    assert [each.status_code for each in answers] == [200, 429]


def test_a_quick_import_and_an_upload_count_as_one(
    intake: ServedIntake, connection: Connection
) -> None:
    _, secret = issue(connection, replace(HOURLY, burst=2))
    know(intake, secret)
    quick = f"/api/integrations/any/profile_import?token={secret}&db_id=1"
    upload = f"/api/v1.1/jobs/import?token={secret}&db_id=1&matching=email"

    sent = intake.post(b"", AT_ONCE, path=f"{quick}&email=a@example.com")
    assert read(sent.headers["RateLimit"])["r"] == 1
    rows = b'{"email":"b@example.com"}\n{"email":"c@example.com"}\n'
    kind = {"Content-Type": "application/x-ndjson", **AT_ONCE}
    sent = intake.post(rows, kind, path=upload)
    assert read(sent.headers["RateLimit"])["r"] == 0
    assert intake.post(rows, kind, path=upload).status_code == 429


def count_spent(client: redis.Redis) -> int:
    """Return how often a rate was asked: nothing else of an intake asks the time."""
    stats = client.info("commandstats")
    return int(stats.get("cmdstat_time", {"calls": 0})["calls"])


def test_tokens_without_a_rate_pay_nothing(
    intake: ServedIntake, connection: Connection, client: redis.Redis
) -> None:
    _, secret = issue(connection, None)
    know(intake, secret)

    before = count_spent(client)
    answers = [send(intake, secret) for _ in range(20)]

    assert {each.status_code for each in answers} == {202}
    assert not any("ratelimit" in name for each in answers for name in each.headers)
    assert not client.keys("penstock:rate:*")
    assert count_spent(client) == before


def test_tokens_have_budgets_of_their_own(
    intake: ServedIntake, connection: Connection
) -> None:
    rate = replace(HOURLY, burst=1)
    one, other = (know(intake, issue(connection, rate)[1]) for _ in range(2))

    statuses = [send(intake, secret).status_code for secret in (one, one, other)]

    assert statuses == [202, 429, 202]


def test_a_limited_token_without_redis_is_503(
    settings: Settings, connection: Connection
) -> None:
    _, secret = issue(connection, HOURLY)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"redis://127.0.0.1:{taken.getsockname()[1]}/0"
    with served(replace(settings, redis_url=nobody)) as intake:
        question = {"token": secret, "db_id": 1, "email": "a@example.com"}
        answer = intake.post(question, path="/api/v1.1/profiles/get")

    assert (answer.status_code, answer.json()["error"]) == (503, 503)
    assert "Retry-After" in answer.headers


def test_a_change_of_the_rate_is_heeded(
    intake: ServedIntake, connection: Connection
) -> None:
    token_id, secret = issue(connection, replace(HOURLY, burst=1))
    know(intake, secret)
    assert [send(intake, secret).status_code for _ in range(2)] == [202, 429]

    assert set_rate(connection, token_id, None)
    wait_until(lambda: send(intake, secret).status_code == 202)
    assert "RateLimit" not in send(intake, secret).headers


def command(url: str, *arguments: str) -> str:
    done = CliRunner().invoke(main, ["token", *arguments, "--database-url", url])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_rates_are_typed_and_shown(settings: Settings, connection: Connection) -> None:
    url = settings.database_url
    made = command(url, "create", "x", "--rate", "100/s", "--burst", "200", "--json")
    token_id = str(json.loads(made)["id"])

    def shown() -> object:
        listed = json.loads(command(url, "list", "--json"))
        return next(each["rate"] for each in listed if str(each["id"]) == token_id)

    assert shown() == {"per_second": 100, "burst": 200}
    assert "90/m, burst 2" in command(url, "rate", token_id, "90/m")
    assert shown() == {"per_second": 1.5, "burst": math.ceil(1.5)}
    assert "unlimited" in command(url, "rate", token_id, "none")
    assert shown() is None


@pytest.mark.parametrize("rate", ["0/s", "-1/s", "ten/s", "100", "1/d", "1.5/s"])
def test_a_malformed_rate_is_refused(settings: Settings, rate: str) -> None:
    arguments = ["token", "create", "x", "--rate", rate]
    done = CliRunner().invoke(
        main, [*arguments, "--database-url", settings.database_url]
    )

    assert done.exit_code == 2
    assert "such as 100/s, 600/m, or 1000/h" in done.output
