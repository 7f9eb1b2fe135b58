"""A Postgres that is read-only or away: 503 at every door that needs it, never 500."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from ingest.doors import receipts
from ingest.doors.http import readers
from ingest.doors.http.openapi.document import build_document
from ingest.settings import Settings
from ingest.store.database import connect
from ingest.store.dead_letters.write import DeadLetter, insert_dead_letter
from tests.conftest import Connection, Servers
from tests.consoles import console
from tests.drains import draining
from tests.intakes import ServedIntake, make_document, served, wait_until
from tests.uploads import PEOPLE, send

PATHS: dict[str, dict[str, Any]] = build_document()["paths"]  # type: ignore[assignment]
KEY = {"matching": "email", "email": "john@example.com"}


@pytest.fixture
def alter(servers: Servers, database_url: str) -> Iterator[Callable[[str], None]]:
    """Alters the test's database, and ends all sessions, which meet it as it is."""
    name = str(conninfo_to_dict(database_url)["dbname"])

    def run(change: str) -> None:
        with connect(servers.database_url) as admin:
            admin.execute(
                sql.SQL("ALTER DATABASE {} {}").format(
                    sql.Identifier(name),
                    sql.SQL(change),
                )
            )
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = %s",
                (name,),
            )

    yield run
    run("ALLOW_CONNECTIONS true")


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell whoever cannot have a connection so at once: they ask one by one."""
    for module in (readers, receipts):
        monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.1)


@pytest.fixture
def stored(settings: Settings, token: str) -> dict[str, str]:
    """A profile, its receipt and a job, by the names that paths have for them."""
    with served(settings) as intake, draining(settings):
        said = intake.post(make_document(token))
        job_id = send(intake, token, PEOPLE).json()["job_id"]
    # The imports of a job count on from its id, as those of a batch do.
    batch = f"{job_id}.1"
    return {
        "import_id": said.headers["Import-Id"],
        "job_id": job_id,
        "batch": batch,
        # Of no confirmation: it is refused without a look at Postgres.
        "token": "x",
    }


def ask_everything(
    intake: ServedIntake, token: str, stored: dict[str, str]
) -> dict[str, httpx.Response]:
    """Ask every endpoint there is for something that is there."""
    answers = {}
    for path, methods in PATHS.items():
        for method in methods:
            if path.endswith(("jobs/import", "jobs/suggest")):
                answers[path] = send(intake, token, PEOPLE, path=path)
                continue
            place = path.format(**stored)
            if method == "get":
                answers[path] = intake.get(place, params={"token": token})
                continue
            document = make_document(
                token,
                **KEY,
                sync=False,
                id=1,
                resource_id=1,
                channel="email",
                segment_id=1,
                trigger_id=1,
                search="ann",
            )
            answers[path] = intake.post(
                document,
                path=place,
                headers={"Authorization": f"Bearer {token}"},
            )
    return answers


def check_refusal(response: httpx.Response) -> None:
    assert response.status_code == 503, response.text
    assert response.json()["error"] == 503
    assert response.json()["error_text"].startswith(("Postgres", "Receipts"))
    assert int(response.headers["Retry-After"]) > 0


def test_a_read_only_postgres_reads_and_refuses_to_write(
    settings: Settings,
    token: str,
    stored: dict[str, str],
    alter: Callable[[str], None],
) -> None:
    alter("SET default_transaction_read_only = on")
    with served(settings) as intake:
        wait_until(lambda: intake.get("/health/ready").is_success)

        answers = ask_everything(intake, token, stored)

    assert {path for path, one in answers.items() if one.status_code >= 500} == {
        "/api/v1.1/profiles/delete",
        "/api/v1.1/jobs/import",
        "/api/v1.1/jobs/{job_id}/cancel",
        "/api/v1.1/jobs/{job_id}/undo",
    }
    for response in answers.values():
        if response.status_code >= 500:
            check_refusal(response)
            assert "read-only" in response.json()["error_text"]


def test_a_postgres_that_is_away_is_answered_503_by_all_that_need_it(
    settings: Settings,
    token: str,
    stored: dict[str, str],
    alter: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hurry(monkeypatch)
    with served(settings) as intake:
        wait_until(lambda: intake.get("/health/ready").is_success)
        alter("ALLOW_CONNECTIONS false")

        answers = ask_everything(intake, token, stored)

    refused = {path for path, one in answers.items() if one.status_code >= 500}
    assert refused >= {
        *("/api/v1.1/profiles/get", "/api/v1.1/profiles/list"),
        "/api/v1.1/profiles/find",
        *("/api/v1.1/profiles/delete", "/api/v1.1/imports/{import_id}"),
        *("/api/v1.1/jobs/import", "/api/v1.1/jobs/{job_id}", "/api/v1.1/jobs"),
        *("/api/v1.1/jobs/{job_id}/cancel", "/api/v1.1/jobs/{job_id}/results"),
        *("/api/v1.1/jobs/{job_id}/undo", "/api/v1.1/profiles/export"),
    }
    for path in refused:
        check_refusal(answers[path])
    assert answers["/api/v1.1/profiles/import"].status_code == 202


@pytest.fixture
def letter(connection: Connection) -> None:
    """A dead letter that cannot be decoded, whatever is done with it."""
    insert_dead_letter(
        connection,
        DeadLetter(
            import_id=None,
            database_id=None,
            partition=0,
            entry_id="1-0",
            payload=b"{}",
            error="MalformedEntry: x",
            traceback="",
        ),
        datetime.now(UTC),
    )


PAGES = ("/", "/imports", "/dead-letters", "/dead-letters/1", "/deliveries")


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        pytest.param("SET default_transaction_read_only = on", False, id="read-only"),
        pytest.param("ALLOW_CONNECTIONS false", True, id="away"),
    ],
)
def test_the_console_says_so_in_words(
    settings: Settings,
    letter: None,
    alter: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    change: str,
    refused: bool,
) -> None:
    if refused:
        hurry(monkeypatch)
    with console(settings) as opened:
        alter(change)
        for path in PAGES:
            check_page(opened.get(path), refused=refused)
        check_page(opened.log_in(), refused=refused)
        for action in ("replay", "try", "discard"):
            acted = opened.post(
                "/dead-letters", letter_id="1", action=action, reason="x"
            )
            check_page(acted, refused=True)


def check_page(shown: httpx.Response, *, refused: bool) -> None:
    if not refused:
        assert shown.status_code in (200, 303), shown.text
        return
    assert shown.status_code == 503
    assert "Postgres" in shown.text
    assert int(shown.headers["Retry-After"]) > 0


def test_the_overview_of_whoever_is_logged_in_is_made_of_redis(
    settings: Settings,
    alter: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hurry(monkeypatch)
    with console(settings) as opened:
        opened.log_in()
        assert "Endpoints" in opened.client.get("/").text
        other = httpx.Client(base_url=opened.url, timeout=30)

        alter("ALLOW_CONNECTIONS false")

        page = opened.client.get("/")
        assert page.status_code == 200
        assert "<strong>The database</strong> does not respond since" in page.text
        assert "0 imports in the backlog" in page.text
        assert "Endpoints" not in page.text
        assert opened.client.get("/imports").status_code == 503
        # Nobody else sees it: no token can be looked up.
        assert other.get("/").status_code == 303
        assert opened.get("/").status_code == 503
        alter("ALLOW_CONNECTIONS true")
        wait_until(lambda: "Endpoints" in opened.client.get("/").text)
        other.close()
