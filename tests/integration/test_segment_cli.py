"""`penstock segment`: list, show, preview, members, rebuild, audit (G10, G11)."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ingest.cli import main
from ingest.settings import Settings
from ingest.store.catalog.load import load_declared
from ingest.telemetry import metrics
from tests.conftest import Connection
from tests.factories import by_email
from tests.pipeline import Pipeline
from tests.segments import build, declare, find_wrong, keeping, make_dynamic, members

RICH = {"field": "points", "ge": 100}


@pytest.fixture
def filled(connection: Connection, settings: Settings) -> list[str]:
    """Ten profiles, of which five are in segment 12, and the others in 13."""
    pipeline = Pipeline(connection)
    outcomes = pipeline.apply(
        *(by_email(f"{n}@example.com", {"points": n % 2 * 100}) for n in range(10))
    )
    declare(
        connection,
        make_dynamic(12, RICH),
        make_dynamic(13, {"not": {"segment": 12}}),
    )
    build(settings)
    return [str(one.profile_id) for one in outcomes]


@pytest.fixture
def run(settings: Settings) -> Any:
    def invoke(*arguments: str) -> Result:
        environ = {"DATABASE_URL": settings.database_url}
        return CliRunner().invoke(main, ["segment", *arguments], env=environ)

    return invoke


def test_segments_are_listed_with_their_members(
    run: Any, filled: list[str], connection: Connection
) -> None:
    shown = run("list").output
    listed = json.loads(run("list", "--json").output)

    assert "Segment 12" in shown
    by_id = {one["id"]: one for one in listed}
    assert (by_id[12]["state"], by_id[12]["members"]) == ("built", 5)
    assert (by_id[1]["state"], by_id[4]["state"]) == ("static", "no filter")
    assert by_id[12]["filter"] == RICH

    one = run("show", "12").output
    assert '{"field":"points","ge":100}' in one
    assert "named by  13" in one
    assert json.loads(run("show", "12", "--json").output) == by_id[12]
    assert "Segment 99 not found" in run("show", "99").output


def test_the_progress_of_a_build_is_shown(
    run: Any, filled: list[str], connection: Connection, settings: Settings
) -> None:
    connection.execute("ANALYZE profiles")
    done = run("rebuild", "12")
    assert done.output == "Requested builds of 12, 13.\n"
    connection.execute("DELETE FROM segment_members")
    with keeping(settings) as keeper:
        keeper._chunk = 1
        keeper.build_chunk()

    (line,) = [
        one for one in json.loads(run("list", "--json").output) if one["id"] == 12
    ]

    assert line["state"] == "building"
    # Up to the first of five that are to be put in.
    assert line["built_percent"] in range(10, 70, 10)
    assert f"building ({line['built_percent']} %," in run("show", "12").output


@pytest.mark.fact("G.10-preview")
@pytest.mark.parametrize("form", ["segment", "json", "toml", "json file"])
def test_a_preview_counts_and_names_and_writes_nothing(
    run: Any, filled: list[str], connection: Connection, tmp_path: Path, form: str
) -> None:
    toml, file = tmp_path / "filter.toml", tmp_path / "filter.json"
    toml.write_text("filter = { field = 'points', ge = 100 }")
    file.write_text(json.dumps({"filter": RICH}))
    arguments = {
        "segment": ["--segment", "12"],
        "json": ["--database", "1", "--filter", json.dumps(RICH)],
        "toml": ["--database", "1", "--file", str(toml)],
        "json file": ["--database", "1", "--file", str(file)],
    }[form]

    found = json.loads(run("preview", *arguments, "--json").output)

    expected = sorted(filled[1::2])
    assert found == {"profiles": 5, "profile_ids": expected}
    assert run("preview", *arguments).output.splitlines() == [
        "5 profiles of database 1",
        *expected,
    ]


@pytest.mark.fact("G.10-preview")
def test_a_filter_with_errors_is_refused_with_all_of_them(run: Any) -> None:
    tree = {"all": [{"field": "pointz", "eq": 1}, {"field": "points", "ge": "x"}]}

    refused = run("preview", "--database", "1", "--filter", json.dumps(tree))

    assert refused.exit_code == 1
    assert refused.output.splitlines() == [
        "Error: The filter has errors:",
        "  filter.all[0].field: The database has no field pointz (is it points?)",
        "  filter.all[1].ge: Must be an integer",
    ]
    assert run("preview", "--database", "9", "--filter", "{}").exit_code == 2
    assert run("preview", "--database", "1").exit_code == 2
    assert run("preview", "--database", "1", "--filter", "{").exit_code == 1
    assert "has no filter" in run("preview", "--segment", "4").output


def test_members_are_listed_page_by_page(run: Any, filled: list[str]) -> None:
    expected = sorted(filled[1::2])

    first = json.loads(run("members", "12", "--limit", "3", "--json").output)
    rest = json.loads(run("members", "12", "--from", expected[2], "--json").output)

    assert first == {"members": 5, "profile_ids": expected[:3]}
    assert rest["profile_ids"] == expected[3:]


@pytest.mark.fact("G.11-audit")
def test_an_audit_names_what_is_wrong_and_a_rebuild_fixes_it(
    run: Any, filled: list[str], connection: Connection, settings: Settings
) -> None:
    assert run("audit").output == "10 profiles, 0 differences\n"
    poor, rich = filled[0], filled[1]
    connection.execute(
        "UPDATE segment_members SET profile_id = %s WHERE profile_id = %s",
        (poor, rich),
    )

    found = run("audit", "--json")

    assert found.exit_code == 1
    document = json.loads(found.output)
    assert document["profiles"] == 10
    told = {
        (one["profile_id"], one["segment_id"], one["kind"])
        for one in document["mismatches"]
    }
    assert told == {
        (poor, 12, "surplus"),
        (poor, 13, "surplus"),
        (rich, 12, "missing"),
        (rich, 13, "missing"),
    }
    with keeping(settings) as keeper:
        keeper.audit()
    assert metrics.SEGMENT_MISMATCHES._value.get() == 4
    assert "To fix them: penstock segment rebuild 12 13" in run("audit").output
    assert run("audit", "--sample", "10").exit_code == 1

    run("rebuild", "12")
    build(settings)

    assert run("audit").exit_code == 0
    assert find_wrong(connection) == []
    with keeping(settings) as keeper:
        keeper.audit()
    assert metrics.SEGMENT_MISMATCHES._value.get() == 0


@pytest.mark.fact("G.11-audit")
def test_an_audit_finds_moves_in_time_that_nobody_will_make(
    run: Any, connection: Connection
) -> None:
    declare(connection, make_dynamic(12, {"field": "_bdate", "birthday": 7}))
    Pipeline(connection).apply(by_email("a@example.com", {"_bdate": "1990-03-01"}))
    assert run("audit").exit_code == 0
    connection.execute("DELETE FROM segment_due")

    found = json.loads(run("audit", "--json").output)

    assert [one["kind"] for one in found["mismatches"]] == ["late"]


def test_a_rebuild_may_be_waited_for(
    run: Any, filled: list[str], connection: Connection, settings: Settings
) -> None:
    connection.execute("DELETE FROM segment_members WHERE segment_id = 12")
    done: list[Result] = []
    thread = threading.Thread(
        target=lambda: done.append(run("rebuild", "12", "--wait"))
    )
    thread.start()
    with keeping(settings) as keeper:
        while thread.is_alive():
            keeper.run(0.2)
    thread.join()

    assert done[0].output == "Built 12, 13.\n"
    assert len(members(connection, 12)) == 5
    assert not load_declared(connection).segments[12].building


def test_only_a_segment_with_a_filter_is_built(run: Any) -> None:
    assert "Segment 1 has no filter" in run("rebuild", "1").output
    assert "Segment 99 not found" in run("rebuild", "99").output


def test_applying_a_catalog_names_the_segments_that_are_built(
    settings: Settings, connection: Connection, filled: list[str], tmp_path: Path
) -> None:
    environ = {"DATABASE_URL": settings.database_url}
    runner, file = CliRunner(), tmp_path / "catalog.toml"
    shown = runner.invoke(main, ["catalog", "show"], env=environ).output
    assert 'filter = {field = "points", ge = 100}' in shown
    file.write_text(shown)
    same = runner.invoke(main, ["catalog", "apply", str(file), "--yes"], env=environ)
    file.write_text(shown.replace("ge = 100", "ge = 50"))
    changed = runner.invoke(main, ["catalog", "apply", str(file), "--yes"], env=environ)

    assert same.output == "No changes.\n"
    plan = 'filter: {"field":"points","ge":100} → {"field":"points","ge":50}'
    assert plan in changed.output
    assert "Segments that are being built: 12, 13." in changed.output
