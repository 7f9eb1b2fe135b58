"""Whatever a browser, or anyone else, sends to the console: a page says what it is."""

import socket
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import pytest

from ingest.console import services as desk
from ingest.settings import Settings
from tests.consoles import Console, console, form_token

#: What breaks headers, URLs, cookies, HTML, SQL or UTF-8 where nobody minds it.
TEXTS = (
    "/é",
    "/%C3%A9",
    "/%",
    "/\u202e",
    "/a\0b",
    "/a\r\nX-Evil: 1",
    "/" + "€" * 500,
    "'; --",
    "\ufffd",
)
RAW = ("%ff%fe", "%00", "%ed%a0%80", "%0d%0aX-Evil:%201", "%", "%zz")
PATHS = (
    "/login?next={}",
    "/files?state={}",
    "/files?database={}",
    "/files?rejected={}",
    "/files?before={}",
    "/files?live={}",
    "/files/{}",
    "/files/new/{}",
    "/files/new/{}/dry-run",
    "/files/01a20b4f-1cd3-744b-9db7-536000000000?after={}",
    "/files/{}/rejects",
    "/files/{}/undo",
    "/files/01a20b4f-1cd3-744b-9db7-536000000000/undo?restore_consent={}",
    "/imports?state={}",
    "/imports?error={}",
    "/imports?database={}",
    "/imports?since={}",
    "/imports?until={}",
    "/imports?failed={}",
    "/imports?before={}",
    "/imports?{}=1",
    "/imports/{}",
    "/profiles?s={}",
    "/profiles/1/{}",
    "/profiles/{}/54759eb3c090d83494e2d804",
    "/profiles/1/54759eb3c090d83494e2d804?before={}",
    "/profiles/1/54759eb3c090d83494e2d804/merge?with={}",
    "/profiles/1/54759eb3c090d83494e2d804/merge?with=54759eb3c090d83494e2d805&{}=1",
    "/profiles/1/54759eb3c090d83494e2d804/merge?with=54759eb3c090d83494e2d805&"
    "survivor={}",
    "/held/{}",
    "/dead-letters?all={}",
    "/dead-letters/{}",
    "/dead-letters/1?reveal={}",
    "/deliveries?state={}",
    "/deliveries?endpoint={}",
    "/deliveries?before={}",
    "/events/{}",
    "/segments/{}",
    "/segments/1?from={}",
    "/segments?{}=1",
    "/{}",
    "/?live={}",
    "/?range={}",
    "/?range=week&as={}",
)
_UPLOAD = "01a20b4f-1cd3-744b-9db7-53600be31cb2"
FORMS = (
    ("/search", "term"),
    ("/profiles", "text"),
    ("/profiles", "database_id"),
    ("/profiles", "segment_id"),
    ("/profiles", "field"),
    ("/profiles", "operator"),
    ("/profiles", "value"),
    ("/profiles", "since"),
    ("/files", "name"),
    ("/files/new", "file"),
    (f"/files/new/{_UPLOAD}", "target.0"),
    (f"/files/new/{_UPLOAD}/dry-run", "cure"),
    (f"/files/new/{_UPLOAD}/import", "form_token"),
    (f"/files/new/{_UPLOAD}/discard", "form_token"),
    ("/files", "state"),
    ("/files", "database"),
    ("/files", "before"),
    ("/files/01a20b4f-1cd3-744b-9db7-536000000000", "action"),
    ("/files/01a20b4f-1cd3-744b-9db7-536000000000/undo", "reason"),
    ("/files/01a20b4f-1cd3-744b-9db7-536000000000/undo", "imports"),
    ("/files/01a20b4f-1cd3-744b-9db7-536000000000/undo", "restore_consent"),
    ("/profiles/1/54759eb3c090d83494e2d804/merge", "term"),
    ("/profiles/1/54759eb3c090d83494e2d804/merge", "with"),
    ("/profiles/1/54759eb3c090d83494e2d804/edit", "action"),
    ("/profiles/1/54759eb3c090d83494e2d804/edit", "segment_id"),
    ("/profiles/1/54759eb3c090d83494e2d804/delete", "version"),
    ("/held/54759eb3-c090-4834-94e2-d80454759eb3", "action"),
    ("/suppression", "contact"),
    ("/suppression", "action"),
    ("/suppression", "list_id"),
    ("/suppression", "reason"),
    ("/dead-letters", "letter_id"),
    ("/dead-letters", "fingerprint"),
    ("/dead-letters", "action"),
    ("/segments", "database_id"),
    ("/segments", "filter"),
    ("/segments/1", "form_token"),
    ("/login", "secret"),
    ("/login", "next"),
    ("/login", "form_token"),
    ("/logout", "form_token"),
)


@pytest.fixture(scope="module")
def urls() -> list[str]:
    texts = [quote(text, safe="") for text in TEXTS] + list(RAW)
    return [path.format(text) for path in PATHS for text in texts]


@pytest.fixture
def served(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    # What `test_guessing_is_slow` is for.
    monkeypatch.setattr(desk, "FAILURE_SECONDS", 0.01)
    with console(settings) as opened:
        yield opened


def test_no_parameter_of_a_page_breaks_it(served: Console, urls: list[str]) -> None:
    for url in urls:
        shown = served.get(url)

        assert shown.status_code < 500, url
        assert "x-evil" not in shown.headers, url


def test_no_address_breaks_the_way_to_the_login(
    served: Console, urls: list[str]
) -> None:
    for url in urls:
        assert served.client.get(url).status_code < 500, url


def test_no_field_of_a_form_breaks_it(served: Console) -> None:
    ours = form_token(served.client.get("/login").text)
    for path, name in FORMS:
        for text in TEXTS:
            form = {"form_token": ours, "secret": served.secret, name: text}

            assert served.client.post(path, data=form).status_code < 500, form
            assert served.post(path, **{name: text}).status_code < 500, form


@pytest.mark.parametrize(
    ("wanted", "location"),
    [
        pytest.param("/é", "/%C3%A9", id="a letter no header holds"),
        pytest.param("/a b?c=ü", "/a%20b?c=%C3%BC", id="a query"),
        pytest.param("/%C3%A9", "/%C3%A9", id="written for URLs already"),
        pytest.param("/\u202e", "/", id="what cannot be seen"),
    ],
)
def test_the_login_leads_to_any_page_of_ours(
    served: Console, wanted: str, location: str
) -> None:
    page = served.client.get("/login", params={"next": wanted}).text
    form = {"form_token": form_token(page), "secret": served.secret, "next": wanted}

    sent = served.client.post("/login", data=form)

    assert (sent.status_code, sent.headers["location"]) == (303, location)


@pytest.mark.parametrize("body", [b"\xff=1", b"{", b"[1]", b'{"term": "\\ud800"}'])
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain"])
def test_a_body_that_is_no_form_is_400(served: Console, body: bytes, kind: str) -> None:
    if kind != "text/plain" and body != b"\xff=1":
        pytest.skip("a form may hold these")
    headers = {"Authorization": f"Bearer {served.secret}", "Content-Type": kind}

    sent = served.client.post("/search", content=body, headers=headers)

    assert sent.status_code == 400


@pytest.mark.parametrize("path", ["/login", "/search", "/logout", "/dead-letters"])
def test_a_form_without_a_length_is_read_no_further_than_a_form_may_be(
    served: Console, path: str
) -> None:
    headers = {"Authorization": f"Bearer {served.secret}"}
    sent = served.client.post(
        path, content=(b"term=" + b"x" * 5_000 for _ in range(4)), headers=headers
    )

    assert sent.status_code == 413


def test_a_login_cookie_of_anyone_elses_is_replaced(served: Console) -> None:
    told = urlsplit(served.url)
    with socket.create_connection((told.hostname, told.port), timeout=30) as opened:
        opened.sendall(
            b"GET /login HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
            b"Cookie: penstock_login=\xe9; penstock_session=\xff\r\n\r\n"
        )
        said = b""
        while data := opened.recv(65536):
            said += data

    assert said.startswith(b"HTTP/1.1 200 ")
    assert b"set-cookie: penstock_login=" in said.lower()
