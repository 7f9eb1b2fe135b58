import json
import subprocess
import sys
from importlib import resources
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg.rows import TupleRow

from ingest.cli import main
from ingest.domain.catalog import FieldType
from ingest.domain.tokens import Scope
from ingest.store.catalog.load import load_declared, load_version
from ingest.store.catalog.save import save_catalog
from ingest.store.database import connect
from ingest.store.tokens import hash_secret, load_tokens
from ingest.wire.catalog_files import dump_catalog_file
from tests.conftest import Servers
from tests.declared import make_declared, make_field, make_segment

Connection = psycopg.Connection[TupleRow]

UNREACHABLE = "postgresql://penstock:hush@127.0.0.1:1/penstock"


def run(*arguments: str, url: str | None = None, answer: str | None = None) -> Result:
    return CliRunner().invoke(
        main,
        arguments,
        input=answer,
        env={"DATABASE_URL": url},
        prog_name="penstock",
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A catalog that shares nothing with the demo but its account and database."""
    path = tmp_path / "catalog.toml"
    path.write_text(dump_catalog_file(make_declared(make_field("level"))), "utf-8")
    return path


def test_applying_shows_the_plan_and_makes_the_catalog_so(
    connection: Connection, database_url: str, file: Path
) -> None:
    result = run(
        "catalog", "apply", str(file), "--allow-data-loss", "--yes", url=database_url
    )

    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert "+ databases.1.fields.level  int" in lines
    assert "~ accounts.1  name: Demo → Acme" in lines
    assert "- segments.3  deletes stored data" in lines
    assert lines[-1] == "Applied."
    assert load_declared(connection) == make_declared(make_field("level"))


def test_applying_twice_changes_nothing(database_url: str, file: Path) -> None:
    apply = ("catalog", "apply", str(file), "--allow-data-loss", "--yes")
    run(*apply, url=database_url)

    result = run(*apply, url=database_url)

    assert (result.exit_code, result.stdout) == (0, "No changes.\n")


def test_a_dry_run_changes_nothing(
    connection: Connection, database_url: str, file: Path
) -> None:
    before = load_declared(connection), load_version(connection)

    result = run("catalog", "apply", str(file), "--dry-run", url=database_url)

    assert result.exit_code == 0
    assert "+ databases.1.fields.level  int" in result.stdout
    assert (load_declared(connection), load_version(connection)) == before


def test_losing_data_is_refused_unless_told(
    connection: Connection, database_url: str, file: Path
) -> None:
    before = load_declared(connection)

    result = run("catalog", "apply", str(file), "--yes", url=database_url)

    assert result.exit_code == 1
    assert "would delete stored data" in result.stderr
    assert "--allow-data-loss" in result.stderr
    assert load_declared(connection) == before


@pytest.mark.parametrize(
    ("answer", "exit_code"),
    [
        pytest.param("y\n", 0, id="yes"),
        pytest.param("n\n", 1, id="no"),
        pytest.param("", 1, id="nobody to ask"),
    ],
)
def test_applying_asks_first(
    connection: Connection,
    database_url: str,
    file: Path,
    answer: str,
    exit_code: int,
) -> None:
    result = run(
        "catalog",
        "apply",
        str(file),
        "--allow-data-loss",
        url=database_url,
        answer=answer,
    )

    assert result.exit_code == exit_code
    applied = load_declared(connection) == make_declared(make_field("level"))
    assert applied is (exit_code == 0)


def test_nothing_is_applied_when_stored_values_forbid_a_part_of_it(
    connection: Connection, database_url: str, tmp_path: Path
) -> None:
    before = make_declared(make_field())
    with connection.transaction():
        save_catalog(connection, before)
    for number in (1, 2):
        connection.execute(
            "INSERT INTO profiles (database_id, id, fields, created_at, updated_at)"
            " VALUES (1, %s, '{\"points\": 7}', now(), now())",
            (f"{number:024x}",),
        )
    path = tmp_path / "catalog.toml"
    after = make_declared(
        make_field(match=True, unique=True),
        make_field("note", type=FieldType.UNICODE),
        segments=(make_segment(),),
    )
    path.write_text(dump_catalog_file(after), "utf-8")

    result = run("catalog", "apply", str(path), "--yes", url=database_url)

    assert result.exit_code == 1
    assert "databases.1.fields.points cannot be unique" in result.stderr
    assert load_declared(connection) == before


def test_a_faulty_file_is_refused_with_every_fault(
    database_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "catalog.toml"
    path.write_text("[[accounts]]\nid = 0\nsurname = 'x'\nname = 'y'\n", "utf-8")

    result = run("catalog", "apply", str(path), url=database_url)

    assert result.exit_code == 1
    assert "accounts[0].id: " in result.stderr
    assert "accounts[0].surname: Unknown field." in result.stderr


def test_what_is_shown_can_be_applied(database_url: str, tmp_path: Path) -> None:
    shown = run("catalog", "show", url=database_url).stdout
    path = tmp_path / "catalog.toml"
    path.write_text(shown, "utf-8")

    result = run("catalog", "apply", str(path), url=database_url)

    assert result.stdout == "No changes.\n"


def test_a_catalog_is_read_from_standard_input(database_url: str) -> None:
    demo = (resources.files("ingest.local") / "demo.toml").read_text("utf-8")

    result = run("catalog", "apply", "-", url=database_url, answer=demo)

    assert result.stdout == "No changes.\n"


def test_a_created_token_is_printed_once_and_works(
    connection: Connection, database_url: str
) -> None:
    result = run("token", "create", "shop", "--database", "1", url=database_url)

    token = load_tokens(connection)[hash_secret(result.stdout.strip())]
    assert token.name == "shop"
    assert token.database_ids == {1}
    assert token.actions == {Scope.IMPORT, Scope.READ}
    assert "cannot be shown again" in result.stderr


@pytest.mark.parametrize("option", ["--scope", "--action"])
def test_a_token_has_the_scopes_it_is_given(
    connection: Connection, database_url: str, option: str
) -> None:
    result = run(
        *("token", "create", "shop", option, "delete", option, "read"),
        url=database_url,
    )

    token = load_tokens(connection)[hash_secret(result.stdout.strip())]
    assert token.database_ids == set()
    assert token.actions == {Scope.DELETE, Scope.READ}


def test_a_token_for_an_unknown_database_is_not_made(database_url: str) -> None:
    result = run("token", "create", "shop", "--database", "77", url=database_url)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: Database not found in the catalog: 77\n"


def test_tokens_are_listed_without_their_secrets(database_url: str) -> None:
    secret = run("token", "create", "shop", url=database_url).stdout.strip()

    table = run("token", "list", url=database_url).stdout
    listed = json.loads(run("token", "list", "--json", url=database_url).stdout)

    assert "shop" in table
    assert secret not in table
    assert [each["name"] for each in listed] == ["demo", "shop"]
    assert listed[1]["databases"] == []
    assert listed[1]["scopes"] == ["import", "read"]
    assert listed[1]["revoked_at"] is None
    assert secret not in json.dumps(listed)


def test_a_token_is_revoked_by_its_id(
    connection: Connection, database_url: str
) -> None:
    (demo,) = load_tokens(connection).values()

    result = run("token", "revoke", str(demo.id), url=database_url)
    again = run("token", "revoke", str(demo.id), url=database_url)

    assert result.exit_code == 0
    assert load_tokens(connection) == {}
    assert again.exit_code == 1
    assert "does not exist or was revoked" in again.stderr


def test_migrating_says_what_was_applied(database_url: str) -> None:
    result = run("migrate", url=database_url)

    assert (result.exit_code, result.stdout) == (0, "The schema is up to date.\n")


def test_a_database_that_was_not_migrated_is_told_in_one_line(
    servers: Servers,
) -> None:
    with connect(servers.database_url) as connection:
        migrated = connection.execute("SELECT to_regclass('tokens')").fetchone()
    assert migrated == (None,)

    result = run("token", "list", url=servers.database_url)

    assert result.exit_code == 1
    assert result.stderr == (
        "Error: Penstock's tables do not exist. To create them: penstock migrate\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("migrate",), id="migrate"),
        pytest.param(("catalog", "show"), id="catalog"),
        pytest.param(("token", "list"), id="token"),
    ],
)
def test_an_unreachable_database_is_told_in_one_line(
    arguments: tuple[str, ...],
) -> None:
    result = run(*arguments, url=UNREACHABLE)

    assert result.exit_code == 1
    assert result.stderr.startswith("Error: Postgres: connection failed")
    assert result.stderr.count("\n") == 1
    assert "DATABASE_URL" in result.stderr
    assert "hush" not in result.stderr


def test_an_unreadable_url_is_told_without_its_password() -> None:
    result = run("migrate", url="postgresql://penstock:hush@[::1/penstock")

    assert result.exit_code == 1
    assert "must look like postgresql://" in result.stderr
    assert "hush" not in result.stderr


def test_the_database_of_a_running_up_is_found_by_its_state(
    database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "servers.json").write_text(
        json.dumps({"database": database_url}), "utf-8"
    )

    result = run("migrate", "--state-dir", str(tmp_path))

    assert (result.exit_code, result.stdout) == (0, "The schema is up to date.\n")


def test_the_environment_comes_before_the_state(
    database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "servers.json").write_text(
        json.dumps({"database": UNREACHABLE}), "utf-8"
    )

    result = run("migrate", "--state-dir", str(tmp_path), url=database_url)

    assert result.exit_code == 0


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(None, id="no file"),
        pytest.param("{", id="no JSON"),
        pytest.param("[]", id="no object"),
        pytest.param('{"database": null}', id="no URL"),
    ],
)
def test_without_any_database_it_says_what_to_do(
    tmp_path: Path, state: str | None
) -> None:
    if state is not None:
        (tmp_path / "servers.json").write_text(state, "utf-8")

    result = run("migrate", "--state-dir", str(tmp_path))

    assert result.exit_code == 2
    assert "DATABASE_URL is not set" in result.stderr
    assert "penstock up" in result.stderr


def test_help_loads_no_library_that_only_commands_need() -> None:
    script = (
        "import sys; from ingest.cli import main; main(['--help'], standalone_mode=0);"
        "assert not {'psycopg', 'marshmallow', 'redis', 'celery'} & set(sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )

    for name in ("demo", "up", "intake", "exporter", "migrate", "catalog", "token"):
        assert f"\n  {name} " in done.stdout


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ingest.cli", "token", "--help"],
        check=True,
        capture_output=True,
        text=True,
    )

    assert "create" in done.stdout


def test_a_missing_setting_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)

    result = run("intake", url=UNREACHABLE)

    assert result.exit_code == 2
    assert "REDIS_URL" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_unknown_command_is_refused() -> None:
    result = run("launch")

    assert result.exit_code == 2
    assert "No such command 'launch'" in result.stderr


@pytest.mark.fact("C.4-default")
def test_resources_without_a_policy_are_named(
    database_url: str, tmp_path: Path
) -> None:
    demo = (resources.files("ingest.local") / "demo.toml").read_text("utf-8")
    changed = tmp_path / "catalog.toml"
    changed.write_text(demo.replace('name = "Shop"', 'name = "Store"'))
    arguments = ["catalog", "apply", str(changed), "--dry-run"]
    told = CliRunner().invoke(main, arguments, env={"DATABASE_URL": database_url})

    assert told.exit_code == 0, told.output
    assert "Without a consent policy: resource 1 (" in told.stdout
    assert "resource 28 (Store)." in told.stdout
    assert "resource 29" not in told.stdout
