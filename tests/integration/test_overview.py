"""The overview: charts of roll-ups, findings, endpoints, and outages."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from ingest.settings import Settings
from tests.conftest import Connection
from tests.consoles import Console, Filled, console, fill, listen
from tests.rollups import store_week


@pytest.fixture
def served(settings: Settings) -> Iterator[Console]:
    with console(settings) as opened:
        yield opened


@pytest.fixture
def filled(settings: Settings) -> Filled:
    return fill(settings)


@pytest.fixture
def busy(connection: Connection) -> None:
    store_week(connection, datetime.now(UTC))


def cell(row: str, label: str) -> str:
    """Return the text of the first cell with this label."""
    (text,) = re.findall(rf'<td data-label="{label}"[^>]*>(.*?)</td>', row)[:1]
    return re.sub("<[^>]+>", "", text)


def paths(page: str, kind: str) -> list[str]:
    return re.findall(rf'<path d="([^"]+)" class="{kind}"/>', page)


@pytest.mark.parametrize(
    ("range_", "points"), [("hour", 60), ("day", 144), ("week", 168)]
)
def test_a_range_is_drawn_in_whole_pixels(
    busy: None, served: Console, range_: str, points: int
) -> None:
    page = served.get(f"/?range={range_}").text

    for kind in ("created", "updated", "unchanged", "rejected"):
        (area,) = paths(page, kind)
        assert area.count("L") + 1 == 2 * points
        assert re.fullmatch(r"M[0-9 L]+Z", area)
    # The chart, and a line in each of five figures; a part of the grid is no line.
    lines = paths(page, "line")
    assert [line.count("L") + 1 for line in lines if "L16 5" not in line] == [
        points
    ] * 6
    assert "style=" not in page
    assert len(page) < 60_000
    assert f'aria-current="true">{range_.capitalize()}' in page


def test_the_chart_says_what_it_shows(busy: None, served: Console) -> None:
    page = served.get("/").text
    (label,) = re.findall(r'<svg class="big"[^>]*role="img" aria-label="([^"]+)"', page)

    assert re.fullmatch(
        r"[0-9,]+ imports were processed in the last day, at most [0-9,]+ per minute at"
        r" [0-9:]+\. [0-9.]+% were rejected, most at [0-9:]+\.",
        label,
    )
    assert f"<p>{label} <a" in page


def test_the_chart_is_a_table_on_request(busy: None, served: Console) -> None:
    page = served.get("/?range=week&as=table").text

    assert '<svg class="big"' not in page
    assert page.count('<tr><th scope="row">') >= 168
    assert "Show as chart" in page
    assert "under 10 ms" in page


def test_the_day_is_the_default_and_a_range_is_named(served: Console) -> None:
    assert 'aria-current="true">Day' in served.get("/").text
    refused = served.get("/?range=year")
    assert refused.status_code == 400
    assert "hour, day, week" in refused.text
    live = served.get("/?range=week&live=1").text
    assert '<a href="/?range=week">Turn off</a>' in live
    assert '<a href="/?range=hour&amp;live=1"' in live


def test_sources_are_named_with_their_input(busy: None, served: Console) -> None:
    page = served.get("/").text

    assert '<th scope="row">shop-checkout</th>' in page
    row = page[page.index(">shop-checkout<") :]
    assert cell(row, "Input") in ("Queue", "HTTP")
    assert cell(row, "Rejected").startswith("2.")
    assert cell(row, "Last import").endswith("ago")


def test_an_unusual_share_of_rejected_imports_is_found(
    busy: None, served: Console, connection: Connection
) -> None:
    connection.execute(
        "UPDATE import_minutes SET imports = imports * 9"
        " WHERE state = 'rejected' AND at > now() - INTERVAL '9 minutes'"
    )

    page = served.get("/").text

    assert "of the imports</strong> are rejected since" in page
    assert "is usual" in page


def test_a_source_that_fell_silent_is_found(
    busy: None, served: Console, connection: Connection
) -> None:
    connection.execute(
        "DELETE FROM import_hours USING tokens"
        " WHERE tokens.id = token_id AND name = 'crm'"
        " AND at > now() - INTERVAL '6 hours'"
    )

    page = served.get("/").text

    assert "<strong>crm</strong> has sent no import since" in page
    assert '<strong class="late">' in page


def test_an_endpoint_shows_age_rate_success_and_last_failure(
    filled: Filled, served: Console, connection: Connection
) -> None:
    connection.execute(
        """
        UPDATE delivery_attempts SET attempted_at = now() - INTERVAL '10 minutes'
         WHERE endpoint_id = 2;
        UPDATE events SET created_at = now() - INTERVAL '20 minutes';
        INSERT INTO delivery_hours
        SELECT date_trunc('hour', now()), 2, delivered, 3, attempts
          FROM (VALUES (true, 90), (false, 10)) AS made (delivered, attempts);
        INSERT INTO delivery_minutes
        VALUES (date_trunc('minute', now()) - INTERVAL '3 minutes', 2, true, 3, 20)
        """
    )

    page = served.get("/").text
    row = page[page.index("2 Mail</a>") :]
    row = row[: row.index("</tr>")]

    assert "Failing since" in row
    assert "HTTP 503" in row
    assert "90.0%" in row
    assert cell(row, "Oldest").startswith("20 min")
    assert cell(row, "Per minute") == "2"
    # 33 at 2 a minute.
    assert cell(row, "Gone in").startswith("16 min 30 s")
    assert "1 failed" in row
    assert "<strong>Mail</strong> fails since" in page
    assert page.index("Mail</strong> fails") < page.index("imports</strong> were not")


def test_an_endpoint_that_delivers_again_does_not_fail(
    filled: Filled, served: Console, connection: Connection
) -> None:
    connection.execute(
        """
        UPDATE delivery_attempts SET attempted_at = now() - INTERVAL '10 minutes'
         WHERE endpoint_id = 2;
        INSERT INTO delivery_attempts
        SELECT event_id, 2, 9, now(), 5, 200, '' FROM delivery_attempts LIMIT 1;
        UPDATE endpoints SET paused_until = NULL
        """
    )

    page = served.get("/").text

    assert "fails since" not in page
    assert "Last failure" in page


def test_a_new_system_shows_how_to_begin(served: Console) -> None:
    page = served.get("/").text

    assert "No imports yet" in page
    assert "penstock import people.csv" in page


def test_a_calm_system_says_so(busy: None, served: Console) -> None:
    page = served.get("/").text

    assert "Needs attention" not in page
    assert "No findings." in page


def test_counts_that_are_late_are_a_finding(
    busy: None, served: Console, connection: Connection
) -> None:
    connection.execute("UPDATE rollups SET counted_until = now() - INTERVAL '1 hour'")

    assert "<strong>The charts</strong> end at" in served.get("/").text


def test_five_findings_are_shown_and_the_others_counted(
    served: Console, connection: Connection
) -> None:
    listen(connection)
    connection.execute(
        """
        INSERT INTO endpoints (id, account_id, name, url, secret, disabled_at)
        SELECT n, 1, 'E' || n, 'https://example.com/' || n, 'x',
               now() - INTERVAL '1 hour'
          FROM generate_series(11, 17) AS n
        """
    )

    page = served.get("/").text

    assert page.count('<span class="word ') == 5
    assert "2 more, less urgent." in page
    assert "7 findings, worst first" in page
