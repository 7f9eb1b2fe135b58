"""Files of other systems, from a suggestion to the people in Postgres (R1 to R13).

Questions are answered as `expected.json` implies: whoever is subscribed, unsubscribed,
or neither there is so here.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copy
from threading import Event
from typing import Any

import click
import pytest
from click.testing import CliRunner

from ingest.commands.files.display import Display, Ended
from ingest.commands.files.import_files import import_
from ingest.commands.files.imports import Importer, StartMode
from ingest.commands.files.request import load_request
from ingest.commands.files.suggestions import accept_certain, suggest_files
from ingest.doors.files.rows import Reading
from ingest.doors.files.samples import read_sample
from ingest.settings import Settings
from tests.conftest import Connection
from tests.drains import draining
from tests.imports import run
from tests.suggesting import EXPORTS
from tests.workbooks import make_xlsx

EXPECTED = {
    one["file"]: one for one in json.loads((EXPORTS / "expected.json").read_text())
}


@dataclass(frozen=True)
class Answers:
    """The lines of a map file that answer its questions; others leave a column out."""

    columns: Mapping[str, str] = field(default_factory=dict)
    #: Further lines, by the table that they are in.
    more: Mapping[str, str] = field(default_factory=dict)


ANSWERS: Mapping[str, Answers] = {
    "1c-kontragenty.csv": Answers(
        {
            "Наименование": "full_name:family_first",
            "Согласие на рассылку": "email_sub.status",
            "phone_region": "RU",
        },
        # A no withdraws, and a yes is still to be confirmed.
        {"true": "unconfirmed", "false": "unsubscribed"},
    ),
    "bitrix24-CONTACT_20240602.csv": Answers({"Обращение": "_sex"}),
    "google-forms-otvety.csv": Answers(
        {
            "Что вам интересно?": "interests",
            "Я согласен(на) получать рассылку": "email_sub.status",
            "phone_region": "RU",
        }
    ),
    "outlook-contacts.csv": Answers({"Birthday": "month-first"}),
    "tilda-leads.csv": Answers({"Name": "_fname", "phone_region": "RU"}),
}
_FAXES = {"+12025550109"}
#: Of a field, its name in the demo catalog.
_OWN = {"tags": "interests"}


@pytest.fixture
def drained(settings: Settings) -> Iterator[Settings]:
    with draining(settings):
        yield settings


def _load(*arguments: str | Path) -> dict[str, Any]:
    """Return the options of `penstock import`, as a command line has them."""
    context = import_.make_context("import", [*map(str, arguments), "--database", "1"])
    assert isinstance(context, click.Context)
    return dict(context.params)


def _write_map(settings: Settings, file: Path) -> Path:
    options = _load(file, "--suggest", "--json")
    suggest_files(settings, options["files"], load_request(options), options)
    return Path(f"{file}.map.toml")


def _answer(path: Path, answers: Answers) -> None:
    """Remove the # before one line of each question."""
    lines = path.read_text().splitlines()
    for place, line in enumerate(lines):
        found = re.match(r'# ("(?:[^"\\]|\\.)*"|\w+) = ("(?:[^"\\]|\\.)*")', line)
        if found is None:
            continue
        key = json.loads(found[1]) if found[1].startswith('"') else found[1]
        value = json.loads(found[2])
        chosen = answers.columns.get(key, "")
        if value == chosen:
            lines[place] = line[2:]
    text = "\n".join(lines)
    for key, value in answers.more.items():
        text = re.sub(rf'(?m)^{key} = ".*"$', f'{key} = "{value}"', text)
    path.write_text(text)


def _import(settings: Settings, *arguments: str | Path) -> list[Ended]:
    options = _load(*arguments)
    importer = Importer(
        settings,
        load_request(options),
        StartMode.NEW,
        Display(quiet=True),
        Event(),
        Event(),
    )
    found = [one for file in options["files"] for one in importer.run(file, None)]
    return [one for one in found if isinstance(one, Ended)]


def _suggest_and_import(settings: Settings, directory: Path, name: str) -> list[Ended]:
    """Import a sample with its suggestion and the answers to its questions."""
    file = Path(copy(EXPORTS / name, directory))
    map_file = _write_map(settings, file)
    _answer(map_file, ANSWERS.get(name, Answers()))
    return _import(settings, file, "--map-file", map_file)


def _find_people(connection: Connection) -> list[dict[str, Any]]:
    rows = connection.execute(
        """
        SELECT profiles.email, profiles.phones, profiles.fields,
               (SELECT jsonb_object_agg(channel || ' ' || contact, status)
                  FROM subscriptions
                 WHERE subscriptions.profile_id = profiles.id)
          FROM profiles
        """
    ).fetchall()
    return [
        {"email": email, "phones": phones, "statuses": statuses or {}, **fields}
        for email, phones, fields, statuses in rows
    ]


def _compare(found: Mapping[str, Any], person: Mapping[str, Any]) -> list[str]:
    """Return what differs from what is expected of a person."""
    faults = []
    for name, value in person.items():
        if name in ("email_status", "sms_status"):
            channel = name.removesuffix("_status")
            statuses = {
                status
                for contact, status in found["statuses"].items()
                if contact.startswith(f"{channel} ")
            }
            if statuses != ({value} if value else set()):
                faults.append(f"{name}: {statuses}, not {value}")
            continue
        got = found.get(_OWN.get(name, name))
        if name in {"_bdate", "_regdate"}:
            is_same = str(got).startswith(str(value).rstrip("Z"))
        elif name == "phones":
            # Some have more, which the country of their row makes readable.
            is_same = set(value) <= set(got or ()) and not _FAXES & set(got or ())
        else:
            is_same = got == value
        if not is_same:
            faults.append(f"{name}: {got!r}, not {value!r}")
    return faults


def _is(found: Mapping[str, Any], person: Mapping[str, Any]) -> bool:
    if "email" in person:
        return bool(found["email"] == person["email"])
    return not found["email"] and set(found["phones"] or ()) == set(person["phones"])


@pytest.mark.parametrize("name", [name for name in EXPECTED if "telegram" not in name])
@pytest.mark.fact("FR.14-people")
def test_people_of_other_systems_arrive_with_their_statuses(
    drained: Settings, connection: Connection, tmp_path: Path, name: str
) -> None:
    ended = _suggest_and_import(drained, tmp_path, name)

    people = _find_people(connection)
    faults = []
    for person in EXPECTED[name]["people"]:
        found = [one for one in people if _is(one, person)]
        if len(found) != 1:
            faults.append(f"{len(found)} of {person}")
            continue
        faults += [
            f"{person.get('email')}: {one}" for one in _compare(found[0], person)
        ]
    assert faults == []
    assert all(one.job.counts.rejected == 0 for one in ended)
    assert _list_subscribed(people) <= {
        person["email"]
        for person in EXPECTED[name]["people"]
        if person.get("email_status") == "subscribed"
    }


def _list_subscribed(people: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the emails that may be written to."""
    return {
        contact.removeprefix("email ")
        for one in people
        for contact, status in one["statuses"].items()
        if contact.startswith("email ") and status == "subscribed"
    }


def test_each_file_of_an_archive_has_its_own_status(
    drained: Settings, connection: Connection, tmp_path: Path
) -> None:
    name = "mailchimp-audience_export_0a1b2c3d4e.zip"

    ended = _suggest_and_import(drained, tmp_path, name)

    assert len(ended) == 3
    statuses = {one["email"]: one["statuses"] for one in _find_people(connection)}
    assert statuses == {
        person["email"]: {f"email {person['email']}": person["email_status"]}
        for file, one in EXPECTED.items()
        if file.startswith("mailchimp")
        for person in one["people"]
    }


@pytest.mark.fact("FR.14-people")
def test_an_old_list_subscribes_nobody_who_has_left(
    drained: Settings, connection: Connection, tmp_path: Path
) -> None:
    left = "mailchimp-unsubscribed_email_audience_export_0a1b2c3d4e.csv"
    _suggest_and_import(drained, tmp_path, left)
    old = tmp_path / "subscribed_email_audience_export_old.csv"
    header, *rows = (EXPORTS / left).read_text().splitlines()
    names = header.replace("UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_CAMPAIGN_ID,", "")
    names = names.replace("UNSUB_REASON,UNSUB_REASON_OTHER", "LAST_CHANGED")
    with old.open("w") as file:
        writer = csv.DictWriter(file, names.replace('"', "").split(","))
        writer.writeheader()
        for row in csv.DictReader([header, *rows]):
            known = {name: row.get(name, "") for name in writer.fieldnames}
            writer.writerow(known | {"LAST_CHANGED": "2022-01-01 00:00:00"})

    (ended,) = _import(drained, old, "--map-file", _write_map(drained, old))

    assert ended.job.counts.updated + ended.job.counts.unchanged == len(rows)
    assert _list_subscribed(_find_people(connection)) == set()


@pytest.mark.fact("FR.1-accept")
def test_what_is_certain_is_imported_by_one_command(
    drained: Settings, connection: Connection, tmp_path: Path
) -> None:
    file = Path(copy(EXPORTS / "mailerlite-subscribers-export.csv", tmp_path))

    status, output, errors = run(drained, file, "--accept", "certain", "--json")

    assert status == 0, errors
    (told,) = json.loads(output)
    assert told["created"] == 5
    assert _list_subscribed(_find_people(connection)) == {"ada.ml@example.com"}


def _run(settings: Settings, *arguments: str | Path) -> tuple[int, str, str]:
    """Run a command that imports nothing in this process: it is quick."""
    done = CliRunner().invoke(
        import_,
        [*map(str, arguments), "--database", "1"],
        env={
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": settings.redis_url,
        },
    )
    return done.exit_code, done.stdout, done.stderr


def test_a_list_of_opt_outs_subscribes_nobody(
    drained: Settings, connection: Connection, tmp_path: Path
) -> None:
    file = tmp_path / "unsubscribed.csv"
    file.write_text("Email,Created\na@example.com,2024-05-04\n")
    options = _load(file, "--accept", "certain")
    accepted = accept_certain(drained, str(file), load_request(options), quiet=True)

    importer = Importer(
        drained, accepted, StartMode.NEW, Display(quiet=True), Event(), Event()
    )
    importer.run(str(file), None)

    (person,) = _find_people(connection)
    assert person["statuses"] == {"email a@example.com": "unsubscribed"}


@pytest.mark.fact("FR.1-refused")
def test_a_file_with_unknown_columns_is_refused_with_a_suggestion(
    settings: Settings, tmp_path: Path
) -> None:
    file = Path(copy(EXPORTS / "mailerlite-subscribers-export.csv", tmp_path))

    status, _, errors = _run(settings, file)

    assert status == 2
    assert "Signup IP" in errors
    assert "_regip" in errors
    assert f"penstock import {file} --database 1 --suggest" in errors
    assert not Path(f"{file}.map.toml").exists()


@pytest.mark.fact("FR.1-shown")
def test_a_suggestion_is_printed_and_written_once(
    settings: Settings, tmp_path: Path
) -> None:
    file = Path(copy(EXPORTS / "shopify-customers_export.csv", tmp_path))

    status, output, errors = _run(settings, file, "--suggest")
    written = Path(f"{file}.map.toml").read_text()
    again, repeated, _ = _run(settings, file, "--suggest")

    assert (status, again) == (0, 0), errors
    assert "email+email_sub" in output
    assert f"--map-file {file}.map.toml --dry-run" in output
    assert "exists already" in repeated
    assert Path(f"{file}.map.toml").read_text() == written


def test_a_suggestion_is_json_too(settings: Settings, tmp_path: Path) -> None:
    file = Path(copy(EXPORTS / "1c-kontragenty.csv", tmp_path))

    status, output, errors = _run(settings, file, "--suggest", "--json")

    assert status == 0, errors
    shown = json.loads(output)
    assert shown["encoding"] == "cp1251"
    assert shown["delimiter"] == ";"
    assert {one["name"]: one["target"] for one in shown["columns"]}["Пол"] == "_sex"


def test_a_pipe_has_its_map_file_printed(settings: Settings) -> None:
    content = (EXPORTS / "mailerlite-subscribers-export.csv").read_bytes()

    status, output, errors = run(settings, "-", "--suggest", stdin=content)

    assert status == 0, errors
    assert '"Signup IP" = "_regip"' in output


def test_members_of_a_chat_are_refused_in_one_sentence(
    settings: Settings, tmp_path: Path
) -> None:
    file = Path(copy(EXPORTS / "telegram-members.csv", tmp_path))

    status, _, errors = _run(settings, file, "--suggest")

    assert status == 2
    assert "Members of a Telegram chat cannot be imported" in errors


@pytest.mark.parametrize("kind", ["workbook", "web page", "UTF-16", "packed"])
def test_a_sample_is_read_from_every_kind_of_table(kind: str) -> None:
    rows = [["Vorname", "E-Mail-Adresse"], ["Jürgen", "juergen@example.com"]]
    table = "\n".join("\t".join(row) for row in rows)
    page = "".join(f"<tr><td>{'</td><td>'.join(row)}</td></tr>" for row in rows)
    content = {
        "workbook": make_xlsx(A=rows),
        "web page": f"<html><meta charset=utf-8><table>{page}</table></html>".encode(),
        "UTF-16": table.encode("utf-16"),
        "packed": table.encode(),
    }[kind]

    sample = read_sample(io.BytesIO(content), Reading(), "people")

    assert [sample.header, *sample.rows] == rows
    assert sample.options.get("encoding") is None
