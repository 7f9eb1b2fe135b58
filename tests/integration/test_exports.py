"""Exports: one moment, whole or visibly not, and importing one changes nothing."""

import csv
import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from ingest.cli import main
from ingest.commands.files.restore import restore_file
from ingest.domain.consent import Authority, Basis, ConsentPolicy
from ingest.domain.exports import ExportFormat, ExportRequest
from ingest.domain.imports import SubscriptionChange
from ingest.domain.tokens import Scope
from ingest.doors.files.inputs import open_rows
from ingest.doors.files.rows import Reading
from ingest.settings import Settings
from ingest.store.catalog.load import load_catalog
from ingest.store.database import connect
from ingest.store.profiles.exports import export_profiles
from ingest.wire.batches import load_element
from ingest.wire.dialect_parameters import DELIMITERS
from ingest.wire.envelopes import load_envelope
from tests.conftest import Connection
from tests.declared import change_database, change_resource
from tests.drains import draining
from tests.factories import make_import, make_merge
from tests.intakes import ServedIntake, served
from tests.pipeline import Pipeline
from tests.uploads import send

EXPORT = "/api/v1.1/profiles/export"


@pytest.fixture
def penstock(settings: Settings) -> Iterator[ServedIntake]:
    with served(settings) as intake, draining(settings):
        yield intake


def fill(connection: Connection, count: int, **data: Any) -> None:
    pipeline = Pipeline(connection)
    imports = [
        make_import("email", {"email": f"p{n:04}@example.com", **data})
        for n in range(count)
    ]
    # As many as a batch has locks for.
    for start in range(0, count, 1000):
        pipeline.apply(*imports[start : start + 1000])


def read(lines: bytes) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the profiles of an export, and what its last line says."""
    *told, end = map(json.loads, lines.splitlines())
    return told, end["penstock"]


def fetch(
    penstock: ServedIntake, token: str, /, **asked: Any
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    answer = penstock.post({"token": token, "db_id": 1, **asked}, path=EXPORT)
    assert answer.headers["Content-Type"] == "application/x-ndjson", answer.text
    return read(answer.content)


@pytest.mark.fact("E.1-stream", "E.2-end")
def test_all_profiles_are_told_in_order_and_the_last_line_says_so(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    fill(connection, 2500, _fname="Ann")
    told, end = fetch(penstock, token)

    ids = [one["profile_id"] for one in told]
    assert len(ids) == len(set(ids)) == 2500
    assert ids == sorted(ids)
    assert (end["end"], end["profiles"]) == (True, 2500)
    assert end["snapshot_at"].endswith("Z")
    # It goes on behind any profile.
    rest, end = fetch(penstock, token, from_id=ids[1999])
    assert [one["profile_id"] for one in rest] == ids[2000:]
    assert end["profiles"] == 500


@pytest.mark.fact("E.1-stream")
def test_it_is_packed_for_those_who_ask(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    fill(connection, 1500)
    asked = {"token": token, "db_id": 1}
    for accepted, packed in (("gzip", True), ("gzip;q=0, br", False)):
        headers = {"Accept-Encoding": accepted}
        with penstock.client.stream(
            "POST", EXPORT, json=asked, headers=headers
        ) as answer:
            raw = b"".join(answer.iter_raw())
        assert answer.headers.get("Content-Encoding") == ("gzip" if packed else None)
        lines = gzip.decompress(raw) if packed else raw
        assert read(lines)[1]["profiles"] == 1500


@pytest.mark.fact("E.1-filters", "E.5-members")
def test_it_may_be_narrowed(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    pipeline = Pipeline(connection)
    ann = {"email": "ann@example.com", "_fname": "Ann"}
    pipeline.apply(make_import("email", ann, add_to_segments=(1,)))
    pipeline.apply(make_import("email", {"email": "bob@example.com", "_fname": "Bob"}))
    connection.execute(
        "UPDATE profiles SET updated_at = '2020-01-01' WHERE email LIKE 'ann%'"
    )

    def names(**asked: Any) -> list[str]:
        return [one["data"]["_fname"] for one in fetch(penstock, token, **asked)[0]]

    assert names(segment_id=1) == ["Ann"]
    assert names(updated_since="2021-01-01") == ["Bob"]
    assert names(segment_id=1, updated_since="2021-01-01") == []
    told, _ = fetch(penstock, token, fields=["id", "email"], segment_id=1)
    (member,) = told
    assert member["data"] == {
        "id": member["profile_id"],
        "email": "ann@example.com",
    }


@pytest.mark.fact("E.1-filters")
def test_some_profiles_may_be_asked_for_by_any_id_of_theirs(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    pipeline = Pipeline(connection)
    ids = [
        pipeline.create({"email": f"{name}@example.com"}, add_to_segments=segments)
        for name, segments in (("ann", (1,)), ("bob", ()), ("cid", ()), ("dan", ()))
    ]
    pipeline.apply(make_merge(*ids[:2], survivor=ids[0]))

    def told(**asked: Any) -> list[str]:
        return [one["profile_id"] for one in fetch(penstock, token, **asked)[0]]

    assert told(ids=[ids[1], ids[2], "0" * 24]) == sorted([ids[0], ids[2]])
    assert told(ids=[ids[0], ids[1]]) == [ids[0]]
    last = max(ids[0], *ids[2:])
    assert told(ids=ids, from_id=min(ids[0], *ids[2:]))[-1] == last
    assert told(ids=ids, from_id=last) == []
    assert told(ids=ids, segment_id=1) == ids[:1]
    xml = f"<xml><db_id>1</db_id><ids array='true'>{ids[3]}</ids></xml>"
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/xml"}
    answer = penstock.client.post(EXPORT, content=xml, headers=headers)
    assert [one["profile_id"] for one in read(answer.content)[0]] == ids[3:]


@pytest.mark.fact("E.1-refused")
@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"db_id": 99}, "Database not found: db_id"),
        ({"segment_id": 99}, "Segment not found: segment_id"),
        ({"from_id": "x"}, "Must be a profile ID: from_id"),
        ({"ids": ["0" * 24, "x"]}, "Must be a profile ID: ids"),
        ({"ids": ["0" * 24, " "]}, "Must be a profile ID: ids"),
        ({"ids": []}, "Must be a profile ID: ids"),
        ({"ids": ["0" * 24] * 1001}, "At most 1000 profiles are allowed: ids"),
        ({"updated_since": "soon"}, ": updated_since"),
        ({"dry_run": True}, "Not supported: dry_run"),
        ({"format": "xlsx"}, "Unknown format (one of ndjson, csv): format"),
        ({"format": "csv", "fields": ["emial"]}, "(is it email?): fields[0]"),
        ({"delimiter": ";"}, "Only CSV has a delimiter: delimiter"),
        (
            {"format": "csv", "delimiter": ":"},
            "Must be a comma, a semicolon, `|`, or `tab`: delimiter",
        ),
        ({"format": "csv", "delimiter": [";"]}, ": delimiter"),
    ],
)
def test_what_cannot_be_exported_is_refused(
    penstock: ServedIntake, token: str, asked: dict[str, Any], text: str
) -> None:
    answer = penstock.post({"token": token, "db_id": 1, **asked}, path=EXPORT).json()

    assert answer["error"] in {400, 404, 403}
    assert answer["error_text"].endswith(text)


@pytest.mark.fact("E.1-refused")
@pytest.mark.parametrize("narrow", [Scope.IMPORT], indirect=True)
def test_it_needs_the_right_to_read(narrow: str, penstock: ServedIntake) -> None:
    answer = penstock.post({"token": narrow, "db_id": 1}, path=EXPORT)

    assert answer.json()["error"] == 403


@pytest.mark.fact("E.2-snapshot")
def test_all_lines_are_of_one_moment(connection: Connection, database_url: str) -> None:
    fill(connection, 3000, points=0)
    with connect(database_url) as reader:
        pages = export_profiles(reader, ExportRequest(database_id=1))
        lines = next(pages)
        # While it goes on, everything changes, and some are added and deleted.
        connection.execute("""UPDATE profiles SET fields = fields || '{"points": 1}'""")
        connection.execute("DELETE FROM profiles WHERE email LIKE 'p29%'")
        fill(connection, 1, note="new")
        told, end = read(lines + b"".join(pages))

    assert {one["data"]["points"] for one in told} == {0}
    assert len(told) == end["profiles"] == 3000


@pytest.mark.fact("E.2-end", "E.4-csv")
@pytest.mark.parametrize("format_", ExportFormat)
def test_an_export_that_takes_too_long_has_no_end(
    settings: Settings, connection: Connection, token: str, format_: str
) -> None:
    fill(connection, 10)
    with (
        served(replace(settings, export_seconds=0)) as intake,
        pytest.raises(httpx.HTTPError),
    ):
        intake.post({"token": token, "db_id": 1, "format": format_}, path=EXPORT)


HOSTILE = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), max_size=20
) | st.sampled_from(['"', "\\", "\u2028", "<b>&", "a\nb", "\ufeff"])
#: As a cell of a table holds it no less than a line of NDJSON.
CELLS = HOSTILE | st.sampled_from(
    ["=1+1", "@x", " a ", "\t", "a\r\nb", "\x85", "[x]", "{", "007", '="7"', "a,b;c"]
)
OBJECTS = st.dictionaries(CELLS, CELLS | st.lists(CELLS, max_size=2), max_size=2)
DATA = st.fixed_dictionaries(
    {},
    optional={
        "_fname": CELLS,
        "custom_field": CELLS,
        # Set, for it may look like a function itself.
        "address": st.fixed_dictionaries(
            {
                "action": st.just("set"),
                "value": OBJECTS | st.just({"action": "unset"}),
            }
        ),
        "orders": st.lists(OBJECTS, max_size=2),
        "plan": st.sampled_from(["Basic", "Pro"]),
        "vip_status": st.booleans(),
        "office_ip": st.ip_addresses(v=4).map(str),
        "_ip": st.ip_addresses().map(str),
        "_tz": st.sampled_from(["Europe/Moscow", "Etc/GMT+3"]),
        "_country": st.sampled_from(["RU", "France"]),
        "points": st.integers(-(2**63), 2**63 - 1),
        "score": st.floats(allow_nan=False, allow_infinity=False, width=32),
        "interests": st.lists(st.sampled_from(["x", "y z", "é"]), max_size=3),
        "phones": st.lists(
            st.sampled_from(["+442079460011", "+442079460012"]), max_size=2
        ),
        "_bdate": st.dates().map(str),
        "_status": st.sampled_from(["subscribed", "unsubscribed"]),
        "_sex": st.sampled_from(["male", "female"]),
    },
)
SUBSCRIPTION = st.fixed_dictionaries(
    {"resource_id": st.just(1)},
    optional={"status": st.sampled_from(["subscribed", "complained", "suspended"])},
).flatmap(
    lambda one: st.sampled_from(
        [
            {**one, "channel": "email", "email": "ann@example.com"},
            {**one, "channel": "email", "email": "other@example.com"},
            {**one, "channel": "sms", "phone": "+442079460011"},
            {
                **one,
                "channel": "push",
                "provider": "android-firebase",
                "subscription_id": "abc",
            },
        ]
    )
)


@pytest.mark.fact("E.3-import")
@examples(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    DATA,
    st.lists(SUBSCRIPTION, max_size=4),
    st.lists(st.sampled_from([1, 2, 3]), max_size=2, unique=True),
    st.booleans(),
)
def test_importing_an_export_changes_nothing(
    connection: Connection,
    data: dict[str, Any],
    subscriptions: list[dict[str, Any]],
    segments: list[int],
    deletes: bool,
) -> None:
    empty(connection)
    pipeline = Pipeline(connection)
    (created,) = pipeline.apply(
        make_import(
            "email",
            {"email": "ann@example.com", **data, "subscriptions": subscriptions},
            add_to_segments=tuple(segments),
        )
    )
    assert created.error == 0, created.faults
    if deletes and subscriptions:
        connection.execute(
            """
            UPDATE profiles
               SET subscriptions = replace(subscriptions::text, 'false', 'true')::json
            """
        )
    told, _ = read(b"".join(export_profiles(connection, ExportRequest(database_id=1))))
    (line,) = told
    (again,) = pipeline.apply(
        make_import(
            line["matching"],
            line["data"],
            key={"profile_id": line["profile_id"]},
            add_to_segments=tuple(line.get("add_to_segments", ())),
        )
    )

    assert (again.error, again.state) == (0, "unchanged"), (again, line)


@pytest.mark.fact("E.4-csv")
@examples(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(st.tuples(DATA, st.lists(SUBSCRIPTION, max_size=4)), max_size=3),
    st.sampled_from(DELIMITERS),
)
def test_importing_a_table_of_an_export_changes_nothing(
    connection: Connection,
    people: list[tuple[dict[str, Any], list[dict[str, Any]]]],
    delimiter: str,
) -> None:
    empty(connection)
    pipeline = Pipeline(connection)
    for number, (data, subscriptions) in enumerate(people):
        mine = {"email": f"=p{number}@example.com", "subscriptions": subscriptions}
        (created,) = pipeline.apply(make_import("email", {**data, **mine}))
        assert created.error == 0, created
    wanted = ExportRequest(database_id=1, format=ExportFormat.CSV, delimiter=delimiter)
    file = b"".join(export_profiles(connection, wanted))
    database = load_catalog(connection).databases[1]
    shared = load_envelope({"db_id": 1, "matching": "profile_id", "data": {}})
    rows = list(open_rows(io.BytesIO(file), Reading(), database))
    assert len(rows) == len(people)

    for row in rows:
        assert row.faults == ()
        read_as = load_element(shared, row.element)
        (again,) = pipeline.apply(
            make_import(
                "profile_id", read_as.data, key={"profile_id": read_as.key.profile_id}
            )
        )
        assert (again.error, again.state) == (0, "unchanged"), (again, row)


@pytest.mark.fact("E.4-csv")
@pytest.mark.parametrize("packing", ["identity", "gzip"])
def test_a_table_is_downloaded_and_imported_as_a_file(
    penstock: ServedIntake, connection: Connection, token: str, packing: str
) -> None:
    fill(connection, 1200, _fname='=HYPERLINK("x")\nAnn', interests=["a", "=b"])
    asked = {"token": token, "db_id": 1, "format": "csv"}
    answer = penstock.client.post(
        EXPORT, json=asked, headers={"Accept-Encoding": packing}
    )
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert (answer.headers.get("Content-Encoding") == "gzip") is (packing == "gzip")
    told = list(csv.DictReader(io.StringIO(answer.text[1:], newline=""), strict=True))
    ids = [row["profile_id"] for row in told]
    assert len(ids) == 1200
    assert ids == sorted(set(ids))
    assert told[0]["_fname"] == '="=HYPERLINK(""x"")\nAnn"'

    job = send(
        penstock,
        token,
        answer.content,
        "text/csv; charset=utf-8",
        {"Prefer": "wait=60"},
        matching="profile_id",
    ).json()

    counted = ("state", "rows", "unchanged")
    assert [job[name] for name in counted] == ["done", 1200, 1200], job


@pytest.mark.fact("E.4-csv")
def test_a_table_may_be_narrowed(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    pipeline = Pipeline(connection)
    ann = pipeline.create({"email": "ann@example.com"}, add_to_segments=(1,))
    bob = pipeline.create({"email": "bob@example.com"})
    connection.execute(
        "UPDATE profiles SET updated_at = '2020-01-01' WHERE email LIKE 'ann%'"
    )

    def table(**more: Any) -> str:
        asked = {"token": token, "db_id": 1, "format": "CSV", "fields": ["email"]}
        return penstock.post({**asked, **more}, path=EXPORT).content.decode("utf-8-sig")

    header = "penstock_export=exact,profile_id,email\r\n"
    both = [f",{ann},ann@example.com\r\n", f",{bob},bob@example.com\r\n"]
    assert table() == header + "".join(sorted(both))
    assert table(segment_id=1) == header + both[0]
    assert table(updated_since="2021-01-01") == header + both[1]
    assert table(from_id=min(ann, bob)) == header + max(both)
    assert table(segment_id=2) == header
    assert table(from_id=min(ann, bob), delimiter=";") == (
        (header + max(both)).replace(",", ";")
    )
    assert table(delimiter="tab").startswith("penstock_export=exact\tprofile_id\t")


@pytest.mark.fact("E.3-import")
def test_a_file_of_an_export_is_imported_without_its_last_line(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    fill(connection, 5, _fname="Ann")
    lines = penstock.post({"token": token, "db_id": 1}, path=EXPORT).content
    job = send(
        penstock, token, lines, "application/x-ndjson", {"Prefer": "wait=60"}
    ).json()

    assert [job[name] for name in ("state", "rows", "unchanged")] == ["done", 5, 5]


@pytest.mark.fact("E.1-command")
def test_the_command_writes_a_file_when_it_is_whole(
    connection: Connection, database_url: str, tmp_path: Path
) -> None:
    fill(connection, 1200)
    file = tmp_path / "people.ndjson.gz"
    environ = {"DATABASE_URL": database_url}
    arguments = ["export", "--database", "1", "-o", str(file)]
    result = CliRunner().invoke(main, arguments, env=environ)

    assert result.exit_code == 0, result.output
    assert "Exported 1200 profiles" in result.stderr.replace(",", "")
    told, end = read(gzip.decompress(file.read_bytes()))
    assert len(told) == end["profiles"] == 1200
    assert [one.name for one in tmp_path.iterdir()] == [file.name]
    unknown = CliRunner().invoke(main, ["export", "--database", "99"], env=environ)
    assert unknown.exit_code == 1
    assert "No database 99" in unknown.stderr


@pytest.mark.fact("E.4-csv")
@pytest.mark.parametrize(
    ("name", "more", "is_table"),
    [
        ("people.csv", [], True),
        ("people.CSV.gz", [], True),
        ("people.gz", ["--format", "csv"], True),
        ("people.csv", ["--format", "ndjson"], False),
        ("people.txt", [], False),
    ],
)
def test_the_command_writes_the_format_that_a_file_is_called_by(
    connection: Connection,
    database_url: str,
    tmp_path: Path,
    name: str,
    more: list[str],
    is_table: bool,
) -> None:
    fill(connection, 2, _fname="two\nlines")
    file = tmp_path / name
    arguments = ["export", "--database", "1", "-o", str(file), *more]
    environ = {"DATABASE_URL": database_url}
    result = CliRunner().invoke(main, arguments, env=environ)

    assert result.exit_code == 0, result.output
    assert "Exported 2 profiles" in result.stderr
    found = file.read_bytes()
    found = gzip.decompress(found) if name.endswith(".gz") else found
    assert found.startswith("\ufeffpenstock_export".encode()) is is_table
    assert [one.name for one in tmp_path.iterdir()] == [name]
    if is_table:
        again = [*arguments, "--delimiter", ";"]
        assert CliRunner().invoke(main, again, env=environ).exit_code == 0
        found = file.read_bytes()
        found = gzip.decompress(found) if name.endswith(".gz") else found
        assert found.startswith("\ufeffpenstock_export=exact;profile_id;".encode())
    else:
        refused = CliRunner().invoke(
            main, [*arguments, "--delimiter", ";"], env=environ
        )
        assert refused.exit_code == 2
        assert "only CSV has one" in refused.stderr
    wrong = [
        "export",
        "--database",
        "1",
        "-o",
        str(tmp_path / "x.csv"),
        "--format",
        "csv",
    ]
    unknown = CliRunner().invoke(main, [*wrong, "--field", "emial"], env=environ)
    assert unknown.exit_code == 1
    assert "is it email?" in unknown.stderr
    assert [one.name for one in tmp_path.iterdir()] == [name]


def export(connection: Connection) -> list[bytes]:
    """Return the lines of an export, without the moment of the last."""
    pages = export_profiles(connection, ExportRequest(database_id=1))
    *lines, end = b"".join(pages).splitlines()
    return [*lines, end.partition(b',"snapshot_at"')[0]]


def empty(connection: Connection) -> None:
    connection.execute(
        "TRUNCATE profiles, match_keys, segment_members, imports, profile_aliases,"
        " merges CASCADE"
    )


def restore(settings: Settings, file: Path, *more: str) -> Result:
    arguments = ["import", str(file), "--database", "1", "--restore", *more]
    environ = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}
    return CliRunner().invoke(main, arguments, env=environ)


@pytest.mark.fact("E.3-restore")
@examples(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.tuples(
        DATA,
        st.lists(SUBSCRIPTION, max_size=4),
        st.lists(st.sampled_from([1, 2, 3]), max_size=2, unique=True),
        st.integers(0, 4),
        st.booleans(),
    )
)
def test_an_export_is_restored_byte_for_byte(
    connection: Connection, settings: Settings, tmp_path: Path, sent: tuple[Any, ...]
) -> None:
    data, subscriptions, segments, deleted, times = sent
    empty(connection)
    change_database(connection, times=times)
    pipeline = Pipeline(connection)
    ann = {"email": "ann@example.com", **data, "subscriptions": subscriptions}
    (created,) = pipeline.apply(
        make_import("email", ann, add_to_segments=tuple(segments))
    )
    for one in subscriptions[:deleted]:
        pipeline.apply(
            make_import(
                "profile_id",
                one,
                key={"profile_id": created.profile_id},
                subscription_change=SubscriptionChange.DELETE,
            )
        )
    # A default that was not there stays away.
    connection.execute("UPDATE profiles SET fields = fields - 'plan'")
    before = export(connection)
    assert ("stamps" in json.loads(before[0])) is times
    file = tmp_path / "people.ndjson"
    file.write_bytes(
        b"".join(export_profiles(connection, ExportRequest(database_id=1)))
    )
    empty(connection)
    assert restore_file(settings, file, 1) == 1

    assert export(connection) == before
    # Each of its keys finds it again.
    (again,) = pipeline.apply(make_import("email", {"email": "ann@example.com"}))
    assert again.profile_id == created.profile_id


@pytest.mark.fact("E.3-restore", "C.5-basis")
def test_statuses_are_restored_with_their_bases(
    connection: Connection, settings: Settings, tmp_path: Path
) -> None:
    change_resource(connection, consent=ConsentPolicy.STRICT, consent_requires=("ip",))
    one = {"channel": "email", "email": "ann@example.com", "resource_id": 1}
    consent = Basis(raises=True, source="form", ip="203.0.113.7")
    Pipeline(connection).apply(
        make_import(
            "email",
            {"email": "ann@example.com", "subscriptions": [one]},
            consent=consent,
            authority=Authority.RAISE,
        )
    )
    before = export(connection)
    known = connection.execute("SELECT status, since, by, consent FROM consents")
    stored = known.fetchall()
    assert stored[0][3] == {"source": "form", "ip": "203.0.113.7"}
    file = tmp_path / "people.ndjson"
    file.write_bytes(
        b"".join(export_profiles(connection, ExportRequest(database_id=1)))
    )
    empty(connection)
    assert restore_file(settings, file, 1) == 1

    assert export(connection) == before
    again = connection.execute("SELECT status, since, by, consent FROM consents")
    assert again.fetchall() == stored


@pytest.mark.fact("E.3-restore", "M.6-former-keys", "M.7-aliases")
def test_what_merged_profiles_were_found_by_is_restored(
    connection: Connection, settings: Settings, tmp_path: Path
) -> None:
    pipeline = Pipeline(connection)
    ann = pipeline.create({"email": "ann@example.com", "code": 1})
    bob = pipeline.create({"email": "bob@example.com", "code": 2})
    pipeline.apply(make_merge(ann, bob))
    before = export(connection)
    told = json.loads(before[0])
    assert told["former_ids"] == [bob]
    assert told["former_keys"] == {"email": ["bob@example.com"], "code": [2]}
    pages = b"".join(export_profiles(connection, ExportRequest(database_id=1)))
    file = tmp_path / "people.ndjson"
    file.write_bytes(pages)
    # An import passes them over.
    (again,) = pipeline.apply(make_import("profile_id", key={"profile_id": bob}))
    assert (again.state, again.profile_id) == ("unchanged", ann)
    empty(connection)
    assert restore_file(settings, file, 1) == 1

    assert export(connection) == before
    keys: tuple[tuple[str, dict[str, Any]], ...] = (
        ("email", {"email": "bob@example.com"}),
        ("custom", {"field_name": "code", "field_value": 2}),
        ("profile_id", {"profile_id": bob}),
    )
    for matching, key in keys:
        (found,) = pipeline.apply(make_import(matching, {"points": 1}, key=key))
        assert found.profile_id == ann


@pytest.mark.fact("E.3-restore")
def test_the_command_restores_a_packed_export_into_an_empty_database(
    connection: Connection, settings: Settings, tmp_path: Path
) -> None:
    fill(connection, 1200, _fname="Ann")
    before = export(connection)
    pages = b"".join(export_profiles(connection, ExportRequest(database_id=1)))
    file = tmp_path / "people.ndjson.gz"
    file.write_bytes(gzip.compress(pages))
    refused = restore(settings, file)
    assert refused.exit_code == 2
    assert "Database 1 has profiles" in refused.output

    empty(connection)
    done = restore(settings, file)

    assert done.exit_code == 0, done.output
    assert "1,200 profiles restored" in done.output
    assert export(connection) == before


@pytest.mark.fact("E.3-restore")
@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda lines: lines[:-1], "not complete (2 profiles, no last line)"),
        (lambda lines: lines[1:], "not complete (1 profile, 2 profiles expected)"),
        (
            lambda lines: [lines[0].replace(b'"_fname"', b'"_fnam"'), *lines[1:]],
            "Line 1: Unknown field",
        ),
        (lambda lines: [b"[]", *lines], "Line 1: Must be an object"),
        (lambda lines: [b"{", *lines], "Line 1: "),
        (
            lambda lines: [*lines[:2], b'{"penstock":{"end":true}}'],
            "Line 3: Object miss",
        ),
        (lambda lines: [b'{"profile_id":"7","data":{}}', *lines], "Line 1: Expected"),
        (lambda lines: [b'{"data":{}}', *lines], "Line 1: Object missing"),
        (
            lambda lines: [lines[0][:-1] + b',"add_to_segments":["1"]}', *lines[1:]],
            "Line 1: Expected `int`",
        ),
        (
            lambda lines: [lines[0][:-1] + b',"add_to_segments":[77]}', *lines[1:]],
            "Line 1: Segment not found",
        ),
        (
            lambda lines: [
                lines[0][:-1] + b',"deleted_subscriptions":[1]}',
                *lines[1:],
            ],
            "Line 1: Expected `object`",
        ),
        (
            lambda lines: [
                lines[0].replace(b'_createtime":', b'_createtime":7'),
                *lines[1:],
            ],
            "Line 1: ",
        ),
        (lambda lines: [lines[0], *lines], "the same ID"),
    ],
    ids=[
        *("cut", "a line is missing", "unknown field", "no line of an export"),
        *("no JSON", "no count", "no id of a profile", "no id", "text as a segment"),
        *("unknown segment", "no subscription", "no time", "twice"),
    ],
)
def test_what_is_no_whole_export_is_not_restored_at_all(
    connection: Connection,
    settings: Settings,
    tmp_path: Path,
    change: Any,
    text: str,
) -> None:
    fill(connection, 2, _fname="Ann")
    pages = b"".join(export_profiles(connection, ExportRequest(database_id=1)))
    file = tmp_path / "people.ndjson"
    file.write_bytes(b"\n".join(change(pages.splitlines())) + b"\n")
    empty(connection)
    refused = restore(settings, file)

    assert refused.exit_code == 2
    assert text in refused.output
    assert connection.execute("SELECT * FROM profiles").fetchall() == []
    assert connection.execute("SELECT * FROM match_keys").fetchall() == []


@pytest.mark.fact("E.3-restore")
def test_a_packed_export_that_is_cut_or_broken_is_not_restored(
    connection: Connection, settings: Settings, tmp_path: Path
) -> None:
    fill(connection, 2, _fname="Ann")
    pages = b"".join(export_profiles(connection, ExportRequest(database_id=1)))
    packed = gzip.compress(pages)
    empty(connection)
    file = tmp_path / "people.ndjson.gz"
    for broken in (packed[:-20], packed[:12], packed[:30] + b"\0" * 30 + packed[60:]):
        file.write_bytes(broken)
        refused = restore(settings, file)

        assert refused.exit_code == 2
        assert "cannot be unpacked" in refused.output
        assert connection.execute("SELECT * FROM profiles").fetchall() == []


@pytest.mark.fact("E.3-restore")
@pytest.mark.parametrize(
    "more",
    [
        *(["--dry-run"], ["--resume"], ["--matching", "phone"], ["--segment", "1"]),
        *(["--format", "ndjson"], ["--map", "a=b"], ["other.ndjson"]),
    ],
    ids=" ".join,
)
def test_a_restore_refuses_what_it_would_ignore(
    settings: Settings, tmp_path: Path, more: list[str]
) -> None:
    refused = restore(settings, tmp_path / "people.ndjson", *more)

    assert refused.exit_code == 2
    assert "--restore needs exactly one file" in refused.output


@pytest.mark.fact("E.3-restore")
def test_a_file_that_is_not_there_is_named(settings: Settings, tmp_path: Path) -> None:
    refused = restore(settings, tmp_path / "people.ndjson")

    assert refused.exit_code == 2
    assert "people.ndjson: No such file or directory" in refused.output


@pytest.mark.fact("E.3-restore")
def test_a_restore_into_an_unknown_database_says_how_to_find_one(
    settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "people.ndjson"
    file.write_bytes(b"")
    arguments = ["import", str(file), "--database", "99", "--restore"]
    environ = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}
    refused = CliRunner().invoke(main, arguments, env=environ)

    assert refused.exit_code == 2
    assert "No database 99. To list databases: penstock catalog show" in refused.output
