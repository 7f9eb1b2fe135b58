"""The console in a real browser: by keyboard, in both lights, on a small screen."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.command import Command
from selenium.webdriver.remote.webelement import WebElement

from ingest.console.labels import shorten_id
from ingest.console.rendering import read_asset
from ingest.settings import Settings
from ingest.store.database import connect
from tests.browsers import (
    FIND_BARRIERS,
    FIND_FAINT,
    FIND_WIDE,
    browsing,
    set_scheme,
    set_width,
)
from tests.consoles import Console, Filled, console, fill, send_people, working
from tests.intakes import served as served_intake
from tests.intakes import wait_until
from tests.programs import do_without_counts
from tests.rollups import store_week
from tests.segments import declare, make_dynamic
from workers.people_keeper import PeopleKeeper

IMAGES = Path(__file__).parents[2] / "docs" / "images"


@pytest.fixture
def filled(settings: Settings) -> Filled:
    with connect(settings.database_url) as connection:
        declare(connection, make_dynamic(12, {"field": "points", "ge": 10}))
    return fill(settings)


@pytest.fixture
def served(settings: Settings, filled: Filled) -> Iterator[Console]:
    with console(settings) as opened:
        yield opened


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[WebDriver]:
    profile = tmp_path / "chromium"
    profile.mkdir()
    with browsing(profile) as opened:
        yield opened


def heading(browser: WebDriver) -> str:
    """Return the heading of the page; nothing while that is loading."""
    script = "return document.querySelector('h1')?.innerText ?? ''"
    return str(browser.execute_script(script))


def complaints(browser: WebDriver) -> list[object]:
    """Return what the browser has said of the page since it was last asked."""
    log = browser.execute(Command.GET_LOG, {"type": "browser"})["value"]
    return [entry["message"] for entry in log]


def press(browser: WebDriver, *keys: str) -> None:
    browser.switch_to.active_element.send_keys(*keys)


def tab_to(browser: WebDriver, wanted: str) -> WebElement:
    """Press Tab until an element with this text, or of this name, has the focus."""
    for _ in range(60):
        press(browser, Keys.TAB)
        focused = browser.switch_to.active_element
        if wanted in (focused.text.strip(), focused.get_attribute("name")):
            return focused
    raise AssertionError(f"Tab leads to no {wanted}")


def log_in(browser: WebDriver, served: Console, path: str = "/") -> None:
    browser.get(served.url + path)
    # It has the focus at once.
    press(browser, served.secret, Keys.ENTER)
    wait_until(lambda: heading(browser) not in ("", "Log in"))


def pages(browser: WebDriver, served: Console, filled: Filled) -> dict[str, str]:
    """Name every kind of page, with something on it."""
    browser.get(served.url + "/deliveries")
    event = browser.find_element(By.CSS_SELECTOR, "tbody th a").get_attribute("href")
    assert event is not None
    return {
        "overview": "/",
        "week": "/?range=week",
        "table": "/?range=hour&as=table",
        "files": "/files?live=1",
        "upload": "/files/new",
        "file": f"/files/{filled.jobs[0]}",
        "running-file": f"/files/{filled.jobs[1]}?live=1",
        "file-undo": f"/files/{filled.jobs[0]}/undo",
        "imports": "/imports",
        "receipt": f"/imports/{filled.updated}",
        "rejected": f"/imports/{filled.rejected}",
        "waiting": f"/imports/{filled.waiting}",
        "search": "/search",
        "people": "/profiles",
        "profile": f"/profiles/1/{filled.profile_id}",
        "edit": f"/profiles/1/{filled.profile_id}/edit",
        "delete": f"/profiles/1/{filled.profile_id}/delete",
        "find": f"/profiles/1/{filled.profile_id}/merge",
        "merge": f"/profiles/1/{filled.profile_id}/merge?with={filled.other_id}",
        "held": "/held",
        "dead-letters": "/dead-letters",
        "dead-letter": f"/dead-letters/{filled.letters[0]}",
        "deliveries": "/deliveries",
        "suppression": "/suppression",
        "event": event.removeprefix(served.url),
        "segments": "/segments",
        "segment": "/segments/12",
        "error": "/nothing",
    }


def test_an_operator_needs_no_mouse(
    browser: WebDriver, served: Console, filled: Filled
) -> None:
    log_in(browser, served)
    assert heading(browser) == "Overview"

    tab_to(browser, "term").send_keys("ada@example.com", Keys.ENTER)
    wait_until(lambda: heading(browser) == f"Profile {filled.profile_id}")

    tab_to(browser, shorten_id(filled.updated)).send_keys(Keys.ENTER)
    wait_until(lambda: heading(browser).startswith("Import"))
    assert "by its own email" in browser.page_source
    assert "@" not in browser.current_url

    tab_to(browser, "Log out").send_keys(Keys.ENTER)
    wait_until(lambda: heading(browser) == "Log in")


def test_the_first_tab_skips_to_the_content(
    browser: WebDriver, served: Console
) -> None:
    log_in(browser, served)

    press(browser, Keys.TAB)
    skip = browser.switch_to.active_element
    assert skip.text == "Skip to content"
    assert skip.is_displayed()
    skip.send_keys(Keys.ENTER)

    assert browser.switch_to.active_element.get_attribute("id") == "main"


def test_a_dead_letter_is_tried_and_replayed(
    browser: WebDriver, served: Console, filled: Filled
) -> None:
    log_in(browser, served, f"/dead-letters/{filled.letters[0]}")
    assert heading(browser).startswith(f"Dead letter {filled.letters[0]}")

    browser.find_element(By.CSS_SELECTOR, "button[value=try]").click()
    wait_until(lambda: heading(browser) == "Replay preview")
    browser.find_element(By.CSS_SELECTOR, "button[value=replay]").click()
    wait_until(lambda: heading(browser) == "Replay result")

    told = browser.find_element(By.CSS_SELECTOR, "[role=status]").text
    assert "0 still open" in told
    browser.get(f"{served.url}/dead-letters/{filled.letters[0]}")
    assert "replayed" in heading(browser)


@pytest.mark.fact("G.12-console")
def test_a_filter_is_previewed_and_a_segment_audited(
    browser: WebDriver, served: Console, filled: Filled
) -> None:
    log_in(browser, served, "/segments")
    tab_to(browser, "filter").send_keys('{"field": "email", "eq": "ada@example.com"}')
    press(browser, Keys.TAB, Keys.ENTER)
    told = wait_until(lambda: browser.find_elements(By.CSS_SELECTOR, "[role=status]"))
    assert "1 profile of database 1 matches." in told[0].text
    assert filled.profile_id in told[0].text
    # No filter is in an address, which is logged.
    assert browser.current_url == f"{served.url}/segments"

    tab_to(browser, "12 Segment 12").send_keys(Keys.ENTER)
    wait_until(lambda: heading(browser).startswith("Segment 12"))
    tab_to(browser, "Audit a sample").send_keys(Keys.ENTER)
    told = wait_until(lambda: browser.find_elements(By.CSS_SELECTOR, "[role=status]"))
    assert "0 differences" in told[0].text
    assert complaints(browser) == []


def test_no_page_has_barriers_or_faint_text_or_breaks_its_own_rules(
    browser: WebDriver, served: Console, filled: Filled
) -> None:
    browser.get(served.url)
    login = browser.execute_script(FIND_BARRIERS)
    log_in(browser, served)
    listed = pages(browser, served, filled)

    barriers, faint = {"login": login}, {}
    for name, path in listed.items():
        browser.get(served.url + path)
        barriers[name] = browser.execute_script(FIND_BARRIERS)
        for scheme in ("light", "dark"):
            set_scheme(browser, scheme)
            faint[name, scheme] = browser.execute_script(FIND_FAINT)
        if name != "error":
            # What the page's own policy refused would be told here.
            assert complaints(browser) == []

    assert {name: found for name, found in barriers.items() if found} == {}
    assert {name: found for name, found in faint.items() if found} == {}
    assert len(barriers) == 29


def test_only_old_values_are_struck_through(
    browser: WebDriver, served: Console, filled: Filled
) -> None:
    struck = """
        return [...document.querySelectorAll('code, pre')]
            .filter((code) => getComputedStyle(code).textDecorationLine !== 'none')
            .map((code) => code.closest('td')?.className ?? code.innerText);
        """
    browser.get(f"{served.url}/login")
    command = browser.find_element(By.CSS_SELECTOR, "main pre")
    assert browser.execute_script(struck) == []
    assert command.text == "penstock token create NAME --scope admin"
    # On one line, whole in the window of a desktop.
    assert command.size["height"] < 70
    width = "return arguments[0].scrollWidth <= arguments[0].clientWidth"
    assert browser.execute_script(width, command)

    log_in(browser, served, f"/imports/{filled.updated}")

    assert set(browser.execute_script(struck)) == {"from"}


def test_it_is_dark_where_dark_is_preferred(
    browser: WebDriver, served: Console
) -> None:
    log_in(browser, served)
    seen = {}
    for scheme in ("light", "dark"):
        set_scheme(browser, scheme)
        script = "return getComputedStyle(document.body).backgroundColor"
        seen[scheme] = browser.execute_script(script)

    assert seen == {"light": "rgb(245, 247, 250)", "dark": "rgb(17, 22, 29)"}


def test_a_small_screen_scrolls_in_one_direction(
    browser: WebDriver, served: Console, filled: Filled
) -> None:
    log_in(browser, served)
    listed = pages(browser, served, filled)
    set_width(browser, 320)

    wide = []
    for name, path in listed.items():
        browser.get(served.url + path)
        script = "return document.documentElement.scrollWidth"
        if browser.execute_script(script) > 320:
            wide.append((name, browser.execute_script(FIND_WIDE)))

    assert wide == []


@pytest.mark.parametrize("path", ["/imports", "/deliveries"])
def test_a_list_shows_fifteen_rows_or_more(
    browser: WebDriver, served: Console, path: str
) -> None:
    log_in(browser, served, path)
    set_width(browser, 1280, 800)

    rows = browser.execute_script(
        """
        return [...document.querySelectorAll('tbody tr')].filter(
            (row) => row.getBoundingClientRect().bottom <= innerHeight).length;
        """
    )
    wide = browser.execute_script(
        """
        return [...document.querySelectorAll('.wide')]
            .filter((list) => list.scrollWidth > list.clientWidth).length;
        """
    )

    assert rows >= 15
    assert wide == 0


@pytest.mark.parametrize("path", ["/", "/imports", "/deliveries"])
def test_a_phone_shows_entries_and_cuts_nothing(
    browser: WebDriver, served: Console, path: str
) -> None:
    log_in(browser, served, path)
    set_width(browser, 390, 844)

    cut = browser.execute_script(
        """
        return [...document.querySelectorAll('.entries :not(.hidden)')]
            .filter((node) => node.scrollWidth > node.clientWidth + 1
                && getComputedStyle(node).overflowX !== 'visible'
                // For those who listen.
                && !node.closest('thead'))
            .map((node) => node.outerHTML.slice(0, 80));
        """
    )
    inner = browser.execute_script(
        """
        return [...document.querySelectorAll('.wide')]
            .filter((list) => list.querySelector('.entries') &&
                list.scrollWidth > list.clientWidth)
            .map((list) => list.outerHTML.slice(0, 80));
        """
    )

    assert (cut, inner) == ([], [])


def test_an_id_is_copied_and_a_slash_goes_to_find(
    browser: WebDriver, served: Console, filled: Filled
) -> None:
    log_in(browser, served, f"/imports/{filled.updated}")
    # A browser without a head allows nothing by itself; what is not named is refused.
    allowed = ["clipboardReadWrite", "clipboardSanitizedWrite"]
    browser.execute_cdp_cmd(
        "Browser.grantPermissions", {"origin": served.url, "permissions": allowed}
    )
    button = browser.find_element(By.CSS_SELECTOR, "h1 button.copy")
    assert button.is_displayed()

    button.click()
    said = browser.find_element(By.ID, "copied")
    wait_until(lambda: said.get_attribute("textContent"))
    assert said.get_attribute("textContent") == f"Copied {filled.updated}"

    browser.find_element(By.TAG_NAME, "body").send_keys("/")
    assert browser.switch_to.active_element.get_attribute("id") == "find"
    press(browser, "a/b")
    assert browser.switch_to.active_element.get_attribute("value") == "a/b"


def test_without_scripts_no_button_is_there_that_needs_them(
    browser: WebDriver, served: Console, filled: Filled
) -> None:
    log_in(browser, served)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(f"{served.url}/imports/{filled.updated}")

    assert str(filled.updated) in browser.find_element(By.TAG_NAME, "h1").text
    shown = [
        button.is_displayed()
        for button in browser.find_elements(By.CSS_SELECTOR, "button.copy")
    ]
    assert shown
    assert not any(shown)


def test_the_script_is_short() -> None:
    assert len(read_asset("console.js").splitlines()) <= 150


def test_the_picture_of_the_overview_shows_a_system_at_work(
    browser: WebDriver,
    settings: Settings,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    folder = IMAGES if request.config.getoption("--screenshots") else tmp_path
    with redis.Redis.from_url(settings.redis_url) as client:
        do_without_counts(client)

    def is_at_work() -> str | None:
        """Return the page's text once a backlog is worked off while more comes."""
        browser.refresh()
        text = browser.find_element(By.TAG_NAME, "main").text
        lacks = [word for word in ("drains in", "shop-checkout") if word not in text]
        idle = ("measuring", "never", "Accepted\n0\n", "Processed\n0\n")
        return None if lacks or any(word in text for word in idle) else text

    with connect(settings.database_url) as connection:
        store_week(connection, datetime.now(UTC))
    with served_intake(settings) as intake:
        send_people(intake, 4000)
        with console(settings) as opened:
            log_in(browser, opened)
            set_scheme(browser, "light")
            set_width(browser, 1280, 860)
            with working(intake):
                text = wait_until(is_at_work) or ""
                assert browser.save_screenshot(str(folder / "console-overview.png"))

    assert "no internal errors" in text
    assert (folder / "console-overview.png").stat().st_size < 200_000


def test_screenshots_are_taken_when_asked_for(
    browser: WebDriver,
    served: Console,
    filled: Filled,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    wanted = request.config.getoption("--screenshots")
    folder = IMAGES if wanted else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    log_in(browser, served)
    listed = pages(browser, served, filled)
    shots = {
        "console-receipt": ("receipt", "light", 760),
        "console-rejected": ("rejected", "dark", 560),
        "console-dead-letters": ("dead-letters", "dark", 640),
    }
    for name, (page, scheme, height) in shots.items():
        set_scheme(browser, scheme)
        set_width(browser, 1160, height)
        browser.get(served.url + listed[page])
        assert browser.save_screenshot(str(folder / f"{name}.png"))

    sizes = [(folder / f"{name}.png").stat().st_size for name in shots]
    assert all(5_000 < size < 200_000 for size in sizes), sizes


@pytest.mark.fact("P.3-filters", "P.5-edit")
def test_a_person_is_found_and_edited_without_a_mouse(
    browser: WebDriver, served: Console, settings: Settings, filled: Filled
) -> None:
    keeper = PeopleKeeper(settings)
    while keeper.run():
        pass
    keeper.close()
    log_in(browser, served, "/profiles")
    assert heading(browser) == "Profiles"

    tab_to(browser, "text").send_keys("lovel", Keys.ENTER)
    found = "caption.textContent === '1 person'"
    script = (
        f"const caption = document.querySelector('caption'); return caption && {found}"
    )
    wait_until(lambda: browser.execute_script(script))
    assert "lovel" not in browser.current_url
    tab_to(browser, "Ada Lovelace").send_keys(Keys.ENTER)
    wait_until(lambda: heading(browser) == f"Profile {filled.profile_id}")
    tab_to(browser, "Edit, unsubscribe, or delete").send_keys(Keys.ENTER)
    wait_until(lambda: heading(browser).startswith("Edit profile"))
    tab_to(browser, "field._lname").send_keys("x", Keys.ENTER)

    wait_until(lambda: heading(browser).startswith("Import"))
    assert complaints(browser) == []
