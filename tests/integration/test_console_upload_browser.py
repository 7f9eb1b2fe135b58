"""A spreadsheet, imported in a real browser: from the file to its undo."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.command import Command

from ingest.domain.tokens import Scope
from ingest.settings import Settings
from tests.browsers import (
    FIND_BARRIERS,
    FIND_FAINT,
    FIND_WIDE,
    browsing,
    set_scheme,
    set_width,
)
from tests.conftest import Connection
from tests.consoles import Console, console
from tests.drains import draining, trying
from tests.intakes import wait_until
from tests.workbooks import Cell, make_xlsx

IMAGES = Path(__file__).parents[2] / "docs" / "images"
ROWS = 5000
#: Rows of the sheet whose phones are none.
BAD = {213: "0207 946", 870: "call me", 4120: "n.n."}


def make_people() -> bytes:
    """Return a workbook with dates, yes and no, and phones as people write them."""
    rows: list[list[Cell]] = [
        ["E-mail", "First name", "Surname", "Birthday", "Mobile", "VIP", "Notes"]
    ]
    rows += [
        [
            f"person{n}@example.com",
            ("Grace", "Alan", "Mary", "Edsger")[n % 4],
            f"Hopper-{n}",
            f"{n % 28 + 1:02}.{n % 12 + 1:02}.{1950 + n % 50}",
            BAD.get(n, f"+44 20 7946 {n:04}"),
            "yes" if n % 3 else "no",
            "prefers phone" if n % 8 == 0 else None,
        ]
        for n in range(1, ROWS + 1)
    ]
    return make_xlsx(Contacts=rows)


@pytest.fixture
def served(settings: Settings, tmp_path: Path) -> Iterator[Console]:
    spooling = replace(settings, console_dir=str(tmp_path / "spool"))
    scopes = (Scope.ADMIN, Scope.IMPORT)
    with (
        trying(settings),
        draining(settings),
        console(spooling, scopes=scopes) as opened,
    ):
        yield opened


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[WebDriver]:
    profile = tmp_path / "chromium"
    profile.mkdir()
    with browsing(profile) as opened:
        yield opened


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return IMAGES if request.config.getoption("--screenshots") else tmp_path


def text(browser: WebDriver) -> str:
    """Return what the page says; nothing while it is loading."""
    script = "return document.querySelector('main')?.innerText ?? ''"
    return str(browser.execute_script(script))


def await_text(browser: WebDriver, told: str) -> str:
    return wait_until(lambda: (page := text(browser)) and told in page and page) or ""


def log_in(browser: WebDriver, served: Console, path: str) -> None:
    browser.get(served.url + path)
    browser.switch_to.active_element.send_keys(served.secret, Keys.ENTER)
    wait_until(lambda: "Log in" not in browser.title)


def press(browser: WebDriver, name: str) -> None:
    """Press the button, or follow the link, of this name, by keyboard."""
    xpath = f"//main//*[self::button or self::a][normalize-space()='{name}']"
    found = browser.find_element(By.XPATH, xpath)
    browser.execute_script("arguments[0].focus()", found)
    assert browser.switch_to.active_element == found
    found.send_keys(Keys.ENTER)


def inspect(browser: WebDriver) -> dict[str, object]:
    """Return what is wrong with a page on a desktop and a phone, in both lights."""
    found: dict[str, object] = {"barriers": browser.execute_script(FIND_BARRIERS)}
    for width, height in ((1280, 800), (390, 844)):
        set_width(browser, width, height)
        found[f"wide {width}"] = (
            browser.execute_script(FIND_WIDE)
            if browser.execute_script("return document.documentElement.scrollWidth")
            > width
            else []
        )
        for scheme in ("light", "dark"):
            set_scheme(browser, scheme)
            found[f"{scheme} {width}"] = browser.execute_script(FIND_FAINT)
    log = browser.execute(Command.GET_LOG, {"type": "browser"})["value"]
    found["complaints"] = [entry["message"] for entry in log]
    set_width(browser, 1280, 800)
    set_scheme(browser, "light")
    return {name: one for name, one in found.items() if one}


class Walk:
    """One person's way from a file to its undo, and what is wrong with its pages."""

    def __init__(self, browser: WebDriver, served: Console, folder: Path) -> None:
        self.browser = browser
        self._served = served
        self._folder = folder
        self.wrong: dict[str, object] = {}

    def inspect(self, name: str, *, shot: bool = False) -> None:
        """Note what is wrong with a page; take its picture."""
        if found := inspect(self.browser):
            self.wrong[name] = found
        if shot:
            picture = str(self._folder / f"console-{name}.png")
            assert self.browser.save_screenshot(picture)

    def upload(self, book: Path) -> str:
        """Upload a workbook; return what the page of its columns says."""
        set_width(self.browser, 1280, 800)
        set_scheme(self.browser, "light")
        log_in(self.browser, self._served, "/files")
        press(self.browser, "Upload a file")
        await_text(self.browser, "Nothing is imported before")
        self.inspect("upload")
        self.browser.find_element(By.ID, "file").send_keys(str(book))
        press(self.browser, "Upload")
        page = await_text(self.browser, "Recognized:")
        self.inspect("columns", shot=True)
        return page

    def try_out(self) -> str:
        """Run the file dry; return what the page says."""
        # Rows whose phone is none stay out, and are corrected.
        self.browser.find_element(By.ID, "skip_invalid_fields").send_keys(Keys.SPACE)
        press(self.browser, "Dry run: nothing is written")
        page = await_text(self.browser, "4,997 rows of 5,000 would be imported.")
        self.inspect("dry-run", shot=True)
        return page

    def run(self) -> str:
        """Begin the import; return the path of its page."""
        press(self.browser, "Import 4,997 rows")
        wait_until(lambda: "/files/new" not in self.browser.current_url)
        path = self.browser.current_url.removeprefix(self._served.url)
        assert path.startswith("/files/")
        await_text(self.browser, "Outcomes")
        return path.partition("?")[0]

    def find(self, term: str, told: str) -> str:
        """Find somebody; return what the page says."""
        self.browser.find_element(By.ID, "find").send_keys(term, Keys.ENTER)
        return await_text(self.browser, told)

    def undo(self, path: str) -> None:
        """Take the import back."""
        self.browser.get(self._served.url + path)
        press(self.browser, "Preview undo")
        self.browser.find_element(By.ID, "reason").send_keys("a trial")
        self.browser.switch_to.active_element.send_keys(Keys.ENTER)


def await_count(connection: Connection, query: str, count: int) -> None:
    wait_until(lambda: connection.execute(query).fetchone() == (count,))


@pytest.mark.fact("FR.1-console")
def test_a_spreadsheet_is_imported_and_undone_in_the_browser(
    browser: WebDriver,
    served: Console,
    connection: Connection,
    tmp_path: Path,
    folder: Path,
) -> None:
    book, people = tmp_path / "people-november.xlsx", "SELECT count(*) FROM profiles"
    book.write_bytes(make_people())
    walk = Walk(browser, served, folder)

    page = walk.upload(book)
    assert "workbook, sheet Contacts" in page
    assert "02.02.1951 is 2 Feb 1951" in page

    assert "call me" in walk.try_out()
    await_count(connection, people, 0)

    path = walk.run()
    await_count(connection, people, 4997)
    done = "SELECT count(*) FROM jobs WHERE state = 'done' AND rejected = 3"
    await_count(connection, done, 2)
    browser.get(served.url + path)
    await_text(browser, "Download rejects")
    walk.inspect("job")
    rejects = served.get(f"{path}/rejects").text
    assert all(f"person{n}@example.com" in rejects for n in BAD)

    assert "1967-06-18" in walk.find("person17@example.com", "Hopper-17")

    walk.undo(path)
    await_count(connection, people, 0)
    assert walk.wrong == {}


def test_without_a_script_a_file_is_uploaded_as_forms_do(
    browser: WebDriver, served: Console, tmp_path: Path
) -> None:
    book = tmp_path / "people.csv"
    book.write_bytes(b"E-mail,First name\nada@example.com,Ada\n")
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    log_in(browser, served, "/files/new")
    wait_until(lambda: "Upload a file" in browser.title)
    browser.find_element(By.ID, "file").send_keys(str(book))
    browser.find_element(By.CSS_SELECTOR, "form.drop button").click()
    wait_until(lambda: "Columns of people.csv" in browser.title)

    browser.find_element(By.CSS_SELECTOR, "button[value=dry-run]").click()

    await_text(browser, "1 row of 1 would be imported.")


def test_a_refused_file_is_explained_in_place(
    browser: WebDriver, served: Console, tmp_path: Path
) -> None:
    book = tmp_path / "people.pdf"
    book.write_bytes(b"%PDF-1.4\n1 0 obj")
    log_in(browser, served, "/files/new")

    browser.find_element(By.ID, "file").send_keys(str(book))
    press(browser, "Upload")

    page = await_text(browser, "The file was not uploaded.")
    assert "PDF" in page
    # It takes the next file.
    book = tmp_path / "people.csv"
    book.write_bytes(b"E-mail\nada@example.com\n")
    browser.find_element(By.ID, "file").send_keys(str(book))
    press(browser, "Upload")
    await_text(browser, "Recognized:")


def test_a_dropped_file_is_uploaded(browser: WebDriver, served: Console) -> None:
    log_in(browser, served, "/files/new")
    browser.execute_script(
        """
        const dropped = new DataTransfer();
        dropped.items.add(new File(["E-mail\\nada@example.com\\n"], "people.csv"));
        document.querySelector("form.drop").dispatchEvent(
            new DragEvent("drop", { dataTransfer: dropped, bubbles: true }));
        """
    )
    await_text(browser, "Recognized:")


def test_a_script_is_short_and_alone() -> None:
    assets = Path(__file__).parents[2] / "ingest" / "console" / "assets"
    scripts = list(assets.glob("*.js"))

    assert sum(len(one.read_text().splitlines()) for one in scripts) <= 150
