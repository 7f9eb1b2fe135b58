"""A new secret for a token, while the old one is still good for a while."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from click.testing import CliRunner

from ingest.cli import main
from ingest.domain.tokens import Scope
from ingest.store.tokens import create_token, revoke_token, rotate_token
from tests.conftest import Connection
from tests.intakes import ServedIntake, make_document, wait_until

AT_ONCE = {"Prefer": "respond-async"}


@pytest.fixture
def issued(connection: Connection) -> tuple[int, str]:
    return create_token(
        connection, name="shop", database_ids=[1], actions=[Scope.IMPORT]
    )


def is_good(intake: ServedIntake, secret: str) -> bool:
    return intake.post(make_document(secret), AT_ONCE).status_code == 202


def is_bad(intake: ServedIntake, secret: str) -> bool:
    return not is_good(intake, secret)


def test_both_secrets_are_good_during_the_overlap(
    intake: ServedIntake, connection: Connection, issued: tuple[int, str]
) -> None:
    token_id, old = issued

    new = rotate_token(connection, token_id, overlap=timedelta(hours=1))

    assert new is not None
    wait_until(lambda: is_good(intake, new))
    assert is_good(intake, old)


def test_the_old_secret_ends_by_itself(
    intake: ServedIntake, connection: Connection, issued: tuple[int, str]
) -> None:
    token_id, old = issued
    wait_until(lambda: is_good(intake, old))

    new = rotate_token(connection, token_id, overlap=timedelta(seconds=2))

    assert new is not None
    wait_until(lambda: is_good(intake, new))
    wait_until(lambda: not is_good(intake, old))
    assert intake.post(make_document(old)).json()["error"] == 403
    assert is_good(intake, new)


def test_a_rotated_token_keeps_its_scope(
    intake: ServedIntake, connection: Connection, issued: tuple[int, str]
) -> None:
    new = rotate_token(connection, issued[0], overlap=timedelta(0))

    assert new is not None
    wait_until(lambda: is_good(intake, new))
    assert intake.post(make_document(new, db_id=2)).json()["error"] == 403


def test_revoking_ends_every_secret_of_a_token(
    intake: ServedIntake, connection: Connection, issued: tuple[int, str]
) -> None:
    token_id, first = issued
    second = rotate_token(connection, token_id, overlap=timedelta(hours=1))
    third = rotate_token(connection, token_id, overlap=timedelta(hours=1))
    secrets = [secret for secret in (first, second, third) if secret]
    for secret in secrets:
        wait_until(partial(is_good, intake, secret))

    revoke_token(connection, token_id)

    for secret in secrets:
        wait_until(partial(is_bad, intake, secret))
    assert len(secrets) == 3
    assert rotate_token(connection, token_id, overlap=timedelta(0)) is None


def test_no_secret_is_in_the_database(
    connection: Connection, issued: tuple[int, str]
) -> None:
    new = rotate_token(connection, issued[0], overlap=timedelta(hours=1))

    rows = connection.execute(
        "SELECT tokens::text FROM tokens"
        " UNION ALL SELECT retired_secrets::text FROM retired_secrets"
    ).fetchall()
    assert new is not None
    assert not any(
        secret in text or secret.encode().hex() in text
        for secret in (issued[1], new)
        for (text,) in rows
    )


def run(database_url: str, *arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(
        main, ["token", "rotate", *arguments, "--database-url", database_url]
    )
    return done.exit_code, done.stdout.strip(), done.stderr


def test_the_command_prints_the_new_secret_alone(
    connection: Connection, database_url: str, issued: tuple[int, str]
) -> None:
    status, secret, said = run(database_url, str(issued[0]), "--overlap", "2d")

    assert (status, len(secret)) == (0, 32)
    assert "cannot be shown again" in said
    assert f"valid until {datetime.now(UTC) + timedelta(days=2):%Y-%m}" in said


def test_the_command_says_when_the_old_secret_has_ended(
    database_url: str, issued: tuple[int, str]
) -> None:
    _, _, said = run(database_url, str(issued[0]), "--overlap", "0s")

    assert said.endswith("The old secret no longer works.\n")


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        pytest.param(["999"], 1, "Token 999 does not exist", id="no token"),
        pytest.param(
            ["1", "--overlap", "soon"],
            2,
            "must be a duration, such as 90s",
            id="no time",
        ),
    ],
)
def test_the_command_says_what_is_wrong(
    database_url: str, arguments: list[str], status: int, text: str
) -> None:
    code, secret, said = run(database_url, *arguments)

    assert (code, secret) == (status, "")
    assert text in said
