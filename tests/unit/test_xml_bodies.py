from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.errors import InvalidRequest
from ingest.wire import xml_bodies
from ingest.wire.limits import Limits


def decode(body: str | bytes, max_depth: int = 32) -> dict[str, object]:
    return xml_bodies.decode(
        body.encode() if isinstance(body, str) else body,
        limits=Limits(depth=max_depth),
    )


def fault(body: str | bytes, max_depth: int = 32) -> str:
    with pytest.raises(InvalidRequest) as caught:
        decode(body, max_depth)
    return str(caught.value)


@pytest.mark.fact("11-root", "11-elements", "11-arrays", "11-marker", "11-whitespace")
@pytest.mark.parametrize(
    ("body", "document"),
    [
        pytest.param("<xml/>", {}, id="empty root"),
        pytest.param("<xml>\n \t</xml>", {}, id="blank root"),
        pytest.param("<xml><a>1</a></xml>", {"a": "1"}, id="leaf stays text"),
        pytest.param("<xml><a> 1\n</a></xml>", {"a": "1"}, id="leaf is trimmed"),
        pytest.param(
            "<xml><a><![CDATA[ 1 2 ]]></a></xml>", {"a": "1 2"}, id="CDATA is too"
        ),
        pytest.param("<xml><a/></xml>", {"a": ""}, id="empty element"),
        pytest.param("<xml><_fname>O</_fname></xml>", {"_fname": "O"}, id="underscore"),
        pytest.param(
            "<xml>\n <a>\n  <b>1</b>\n </a>\n</xml>",
            {"a": {"b": "1"}},
            id="blanks between elements are ignored",
        ),
        pytest.param(
            "<xml><a array='true'>1</a></xml>", {"a": ["1"]}, id="one marked is a list"
        ),
        pytest.param("<xml><a array='true'/></xml>", {"a": []}, id="empty marked"),
        pytest.param("<xml><a array='true'>\n</a></xml>", {"a": []}, id="blank marked"),
        pytest.param(
            "<xml><a array='true'>1</a><a>2</a></xml>",
            {"a": ["1", "2"]},
            id="the first of two marked",
        ),
        pytest.param(
            "<xml><a>1</a><a>2</a></xml>", {"a": ["1", "2"]}, id="two unmarked"
        ),
        pytest.param(
            "<xml><a>1</a><b/><a>2</a></xml>",
            {"a": ["1", "2"], "b": ""},
            id="equal names apart",
        ),
        pytest.param(
            "<xml><a array='false'>1</a></xml>", {"a": "1"}, id="marked as no array"
        ),
        pytest.param("<xml><a b='c'>1</a></xml>", {"a": "1"}, id="other attributes"),
        pytest.param(
            "<xml><s array='true'><c array='true'>1</c></s>"
            "<s><c>2</c><c>3</c></s></xml>",
            {"s": [{"c": ["1"]}, {"c": ["2", "3"]}]},
            id="lists within objects within a list",
        ),
        pytest.param(
            '<n:xml xmlns:n="urn:n"><n:a>1</n:a></n:xml>', {"a": "1"}, id="namespaces"
        ),
        pytest.param(
            "<?xml version='1.0'?><!-- c --><?p i?><xml><!-- c --><a>1</a></xml>",
            {"a": "1"},
            id="prolog, comments and instructions",
        ),
        pytest.param(
            "<xml><a>1<!-- c -->2<?p i?>3<![CDATA[<4>]]></a></xml>",
            {"a": "123<4>"},
            id="comments and CDATA inside a leaf",
        ),
        pytest.param(
            "<xml><a>&lt;&amp;&#1071;</a></xml>",
            {"a": "<&Я"},
            id="character references",
        ),
        pytest.param(
            "<xml><a><![CDATA[<!DOCTYPE html>]]></a></xml>",
            {"a": "<!DOCTYPE html>"},
            id="a document type as text",
        ),
        pytest.param("\ufeff<xml/>", {}, id="byte order mark"),
    ],
)
def test_elements_become_a_document(body: str, document: dict[str, object]) -> None:
    assert decode(body) == document


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-16", "iso-8859-1", "ISO-8859-15", "us-ascii"]
)
def test_the_declared_encoding_is_followed(encoding: str) -> None:
    letter = "O" if encoding == "us-ascii" else "é"
    body = f'<?xml version="1.0" encoding="{encoding}"?><xml><a>{letter}</a></xml>'

    assert decode(body.encode(encoding)) == {"a": letter}


@pytest.mark.fact("16.12-encodings")
@pytest.mark.parametrize(
    "encoding", ["windows-1251", "WINDOWS-1251", "cp1251", "iso-8859-5", "koi8-r"]
)
def test_a_declared_encoding_of_one_byte_is_read(encoding: str) -> None:
    body = f"<?xml version='1.0' encoding='{encoding}'?><xml><a>Щукин</a></xml>"

    assert decode(body.encode(encoding)) == {"a": "Щукин"}


@pytest.mark.fact("16.12-encodings")
@pytest.mark.parametrize("encoding", ["win1251", "ISO_8859-5"])
def test_a_declared_encoding_may_be_spelt_otherwise(encoding: str) -> None:
    codec = {"win1251": "cp1251"}.get(encoding, encoding)
    body = f"<?xml version='1.0' encoding='{encoding}'?><xml><a>Щукин</a></xml>"

    assert decode(body.encode(codec)) == {"a": "Щукин"}


@pytest.mark.fact("16.12-encodings")
@pytest.mark.parametrize("encoding", ["iso-8859-1", "latin1"])
def test_who_declares_iso_means_what_windows_writes(encoding: str) -> None:
    body = f"<?xml version='1.0' encoding='{encoding}'?><xml><a>10 €</a></xml>"

    assert decode(body.encode("cp1252")) == {"a": "10 €"}


@pytest.mark.fact("16.12-encodings")
def test_what_is_no_text_in_the_declared_encoding_is_refused() -> None:
    body = b"<?xml version='1.0' encoding='windows-1252'?><xml><a>\x81</a></xml>"

    assert "not in its declared encoding windows-1252 (see byte 54)" in fault(body)


@pytest.mark.fact("16.12-encodings")
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_utf_8_that_is_declared_to_be_utf_16_is_read(mark: bytes) -> None:
    body = "<?xml version='1.0' encoding='utf-16'?><xml><a>é</a></xml>".encode()

    assert decode(mark + body) == {"a": "é"}


@pytest.mark.fact("16.12-encodings")
@pytest.mark.parametrize(
    ("encoding", "charset", "expected"),
    [
        ("windows-1251", "windows-1251", "Щукин"),
        ("utf-8", "windows-1251", "Щукин"),
        ("utf-8-sig", "windows-1251", "Щукин"),
    ],
)
def test_the_charset_is_for_what_declares_nothing_and_is_not_utf_8(
    encoding: str, charset: str, expected: str
) -> None:
    body = f"<xml><a>{expected}</a></xml>".encode(encoding)

    assert xml_bodies.decode(body, charset=charset) == {"a": expected}


@pytest.mark.fact("11-root")
@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(
            "<?xml version='1.0' encoding='utf-7'?><xml/>",
            "Unsupported encoding utf-7 (one of UTF-8, UTF-16, windows-1250 to -1258, "
            "iso-8859-1 to -16, koi8-r, koi8-u)",
            id="encoding that hides characters",
        ),
        pytest.param(
            "<json/>", "The root element must be <xml>, not <json>", id="another root"
        ),
        pytest.param(
            "<xml>\n<a>text<b/></a></xml>",
            "An element contains both text and elements: <a> at line 2",
            id="text before an element",
        ),
        pytest.param(
            "<xml><a><b/>text</a></xml>",
            "An element contains both text and elements: <a> at line 1",
            id="text after an element",
        ),
        pytest.param(
            "<xml>text<a/></xml>",
            "An element contains both text and elements: <xml> at line 1",
            id="text in the root",
        ),
        pytest.param(
            "<xml>text</xml>",
            "An element contains both text and elements: <xml> at line 1",
            id="a root of text",
        ),
    ],
)
def test_what_is_no_document_is_refused(body: str, text: str) -> None:
    assert fault(body) == text


@pytest.mark.parametrize(
    ("body", "place"),
    [
        pytest.param(b"<xml>\n<a></b></xml>", "line 2, column 8", id="tag mismatch"),
        pytest.param(b"<xml>", "line 1, column 6", id="cut short"),
        pytest.param(b"<xml/><xml/>", "line 1, column 7", id="two documents"),
        pytest.param(b"<xml>&name;</xml>", "line 1, column 12", id="unknown entity"),
        pytest.param(b"<xml>\x00</xml>", "line 1, column 6", id="NUL"),
        pytest.param(b"<xml>&#0;</xml>", "line 1, column 10", id="NUL by reference"),
        pytest.param(b"<xml><a>\xff</a></xml>", "line 1, column 9", id="not UTF-8"),
        pytest.param(b"<xml><a b='1' b='2'/></xml>", "line 1", id="equal attributes"),
    ],
)
def test_what_is_not_xml_is_refused_naming_the_place(body: bytes, place: str) -> None:
    text = fault(body)

    assert text.startswith("The body is not XML: ")
    assert f" at {place}" in text
    assert "\n" not in text


def laughing_doctype() -> str:
    entities = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 12))
    return f'<!DOCTYPE xml [<!ENTITY l0 "{"ha" * 50}">{entities}]>'


@pytest.mark.fact("14.66-safe")
@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "use",
    [
        pytest.param("<xml><a>&l11;</a></xml>", id="in text"),
        pytest.param("<xml a='&l11;'/>", id="in an attribute"),
    ],
)
def test_entities_do_not_grow(use: str) -> None:
    assert fault(laughing_doctype() + use)


@pytest.mark.fact("14.66-safe")
@pytest.mark.parametrize(
    "doctype",
    [
        pytest.param("<!DOCTYPE xml>", id="empty"),
        pytest.param("<!DOCTYPE xml [<!ENTITY e 'text'>]>", id="internal entity"),
        pytest.param("<!DOCTYPE xml SYSTEM '{file}'>", id="external subset"),
        pytest.param("<!DOCTYPE xml PUBLIC 'p' '{file}'>", id="public subset"),
        pytest.param("<!DOCTYPE xml [<!ENTITY e SYSTEM '{file}'>]>", id="file"),
        pytest.param(
            "<!DOCTYPE xml [<!ENTITY % e SYSTEM '{file}'> %e;]>", id="parameter entity"
        ),
        pytest.param(
            "<!DOCTYPE xml SYSTEM 'http://example.invalid/x.dtd'>", id="network"
        ),
        pytest.param(
            "<!DOCTYPE xml [<!ATTLIST a array CDATA 'true'>]>", id="default attribute"
        ),
    ],
)
def test_any_document_type_is_refused_unread(doctype: str, tmp_path: Path) -> None:
    # Not a DTD: were it opened, the fault would be about its content.
    file = tmp_path / "secret"
    file.write_text("secret")

    body = doctype.replace("{file}", file.as_uri()) + "<xml><a>1</a></xml>"

    assert fault(body) == "A document type declaration (DOCTYPE) is not allowed"


def test_a_document_type_in_utf_16_is_refused() -> None:
    body = "<?xml version='1.0' encoding='utf-16'?><!DOCTYPE xml><xml/>"

    assert fault(body.encode("utf-16")) == (
        "A document type declaration (DOCTYPE) is not allowed"
    )


def test_includes_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.xml").write_text("<secret>1</secret>")
    body = (
        '<xml xmlns:xi="http://www.w3.org/2001/XInclude">'
        f'<a><xi:include href="{(tmp_path / "secret.xml").as_uri()}"/></a></xml>'
    )

    assert decode(body) == {"a": {"include": ""}}


@pytest.mark.fact("14.66-safe")
def test_nesting_is_limited() -> None:
    body = "<xml><a><b><c>1</c></b></a></xml>"

    assert decode(body, max_depth=3) == {"a": {"b": {"c": "1"}}}
    assert fault(body, max_depth=2) == (
        "The body is nested too deeply (at most 2 levels)"
    )


def test_nesting_beyond_the_parser_is_refused() -> None:
    body = "<xml>" * 100_000 + "</xml>" * 100_000

    assert "depth" in fault(body, max_depth=100_000).lower()


def wide(children: int) -> str:
    return f"<xml><a>{''.join(f'<b{n}/>' for n in range(children))}</a></xml>"


def test_the_members_of_one_element_are_limited() -> None:
    assert xml_bodies.decode(wide(50).encode(), limits=Limits(keys=50))
    with pytest.raises(InvalidRequest, match="too many members"):
        xml_bodies.decode(wide(51).encode(), limits=Limits(keys=50))


def test_a_long_array_is_one_member() -> None:
    body = f"<xml>{'<a>1</a>' * 100}</xml>".encode()

    assert xml_bodies.decode(body, limits=Limits(keys=1)) == {"a": ["1"] * 100}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_the_elements_of_a_body_are_limited_before_they_are_read(encoding: str) -> None:
    def body(elements: int, end: str) -> bytes:
        return f"<xml>{'<a>1</a>' * elements}{end}".encode(encoding)

    limits = Limits(values=250)
    assert xml_bodies.decode(body(100, "</xml>"), limits=limits)
    # Cut short, which nobody would notice who did not read it.
    with pytest.raises(InvalidRequest, match="too many tags"):
        xml_bodies.decode(body(400, ""), limits=limits)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(
            "<xml><a {}/></xml>".format(" ".join(f"b{n}=''" for n in range(200_000))),
            id="attributes",
        ),
        pytest.param(
            "<xml><a {}/></xml>".format(
                " ".join(f"xmlns:b{n}='urn:{n}'" for n in range(100_000))
            ),
            id="namespaces",
        ),
        pytest.param(
            "<xml><a b='%s'/></xml>" % ("x" * 9_000_000), id="one long attribute"
        ),
        pytest.param("<xml><a>%s</a></xml>" % ("x" * 9_000_000), id="one long text"),
        pytest.param("<xml>%s</xml>" % ("<!---->" * 900_000), id="comments"),
        pytest.param("<xml>%s</xml>" % ("<?p?>" * 900_000), id="instructions"),
        pytest.param(
            "<xml><a>%s</a></xml>" % ("<![CDATA[]]>" * 700_000), id="sections"
        ),
        pytest.param("<xml><a>%s</a></xml>" % ("&#65;" * 2_000_000), id="references"),
        pytest.param(
            "<!DOCTYPE xml [<!ENTITY e '{}'>]><xml><a>{}</a></xml>".format(
                "e" * 100_000, "&e;" * 100_000
            ),
            id="quadratic blowup",
        ),
    ],
)
def test_large_bodies_take_time_in_proportion(body: str) -> None:
    with suppress(InvalidRequest):
        decode(body)


def test_a_long_text_is_read_whole() -> None:
    assert decode(f"<xml><a>{'x' * 9_000_000}</a></xml>") == {"a": "x" * 9_000_000}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(
            "<?xml version='1.0' encoding='utf-8'?><xml><a>\xe9</a></xml>".encode(
                "latin-1"
            ),
            id="UTF-8 declared, Latin-1 sent",
        ),
        pytest.param(
            "<?xml version='1.0' encoding='us-ascii'?><xml><a>é</a></xml>".encode(),
            id="ASCII declared, UTF-8 sent",
        ),
        pytest.param("<xml><a>é</a></xml>".encode("utf-32"), id="UTF-32"),
        pytest.param("<xml><a>\xe9</a></xml>".encode("cp037"), id="EBCDIC"),
        pytest.param(b"<xml><a>&#xD800;</a></xml>", id="half a character"),
        pytest.param(b"<xml><a>&#x110000;</a></xml>", id="no character at all"),
    ],
)
def test_a_body_that_is_not_what_it_declares_is_refused(body: bytes) -> None:
    assert fault(body)


MARKUP = [
    *("<xml>", "</xml>", "<a>", "</a>", "<a array='true'>", "<b/>", "&lt;", "&x;"),
    *("<![CDATA[", "]]>", "<!--", "-->", "<?xml version='1.0'?>", "<?p ", "?>"),
    *("<!DOCTYPE xml", "[", "<!ENTITY x 'y'>", "]>", "1", " ", "\n", "é", "\0"),
]


@given(st.lists(st.sampled_from(MARKUP), max_size=20))
def test_any_markup_is_read_or_refused(parts: list[str]) -> None:
    with suppress(InvalidRequest):
        decode("<xml>" + "".join(parts) + "</xml>")
