import re

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.domain.tokens import Scope, Token
from ingest.local.bootstrap import DEMO_SECRET, prepare
from ingest.store.catalog.load import load_version
from ingest.store.tokens import (
    UnknownDatabase,
    create_token,
    hash_secret,
    list_tokens,
    load_tokens,
    revoke_token,
)

Connection = psycopg.Connection[TupleRow]


def test_a_secret_is_32_lower_case_hexadecimal_characters(
    connection: Connection,
) -> None:
    _, secret = create_token(
        connection, name="shop", database_ids=[], actions=[Scope.IMPORT]
    )

    assert re.fullmatch("[0-9a-f]{32}", secret)


def test_a_created_token_is_found_by_its_secret(connection: Connection) -> None:
    token_id, secret = create_token(
        connection,
        name="shop",
        database_ids=[2, 1, 2],
        actions=[Scope.READ, Scope.IMPORT],
    )

    assert load_tokens(connection)[hash_secret(secret)] == Token(
        id=token_id,
        name="shop",
        database_ids=frozenset({1, 2}),
        actions=frozenset({Scope.IMPORT, Scope.READ}),
    )


def test_the_secret_itself_is_nowhere_in_the_database(connection: Connection) -> None:
    _, secret = create_token(
        connection, name="shop", database_ids=[], actions=[Scope.IMPORT]
    )

    rows = connection.execute("SELECT tokens::text FROM tokens").fetchall()
    assert not any(secret in text or secret.encode().hex() in text for (text,) in rows)


def test_a_token_for_an_unknown_database_is_refused(connection: Connection) -> None:
    before = load_version(connection)

    with pytest.raises(UnknownDatabase, match="not found in the catalog: 8, 9"):
        create_token(
            connection, name="shop", database_ids=[9, 1, 8], actions=[Scope.IMPORT]
        )

    assert load_version(connection) == before


def test_a_revoked_token_is_listed_but_good_for_nothing(
    connection: Connection,
) -> None:
    token_id, secret = create_token(
        connection, name="shop", database_ids=[1], actions=[Scope.IMPORT]
    )

    assert revoke_token(connection, token_id)

    assert hash_secret(secret) not in load_tokens(connection)
    listed = {each.token.id: each for each in list_tokens(connection)}
    assert listed[token_id].token.name == "shop"
    assert listed[token_id].revoked_at is not None


def test_a_token_is_revoked_once(connection: Connection) -> None:
    token_id, _ = create_token(
        connection, name="shop", database_ids=[1], actions=[Scope.IMPORT]
    )
    revoke_token(connection, token_id)
    before = load_version(connection)

    assert not revoke_token(connection, token_id)
    assert not revoke_token(connection, 999)
    assert load_version(connection) == before


def test_every_change_of_a_token_moves_the_version(connection: Connection) -> None:
    before = load_version(connection)

    token_id, _ = create_token(
        connection, name="shop", database_ids=[], actions=[Scope.IMPORT]
    )
    assert load_version(connection) == before + 1
    revoke_token(connection, token_id)
    assert load_version(connection) == before + 2


@pytest.mark.parametrize(
    ("database_ids", "action", "database_id", "allowed"),
    [
        pytest.param({1}, Scope.IMPORT, 1, True, id="its own database"),
        pytest.param({1}, Scope.IMPORT, 2, False, id="another database"),
        pytest.param(set(), Scope.IMPORT, 2, True, id="any database"),
        pytest.param({1}, Scope.DELETE, 1, False, id="another action"),
    ],
)
def test_a_token_allows_its_actions_in_its_databases(
    database_ids: set[int], action: Scope, database_id: int, allowed: bool
) -> None:
    token = Token(
        id=1,
        name="shop",
        database_ids=frozenset(database_ids),
        actions=frozenset({Scope.IMPORT}),
    )

    assert token.allows(action, database_id) is allowed


def test_preparing_again_keeps_the_demo_token(
    connection: Connection, database_url: str
) -> None:
    before = load_version(connection)

    assert prepare(database_url, demo=True) == DEMO_SECRET

    assert load_version(connection) == before


def test_a_revoked_demo_token_stays_revoked(
    connection: Connection, database_url: str
) -> None:
    demo = load_tokens(connection)[hash_secret(DEMO_SECRET)]
    revoke_token(connection, demo.id)

    assert prepare(database_url, demo=True) is None
    assert load_tokens(connection) == {}
