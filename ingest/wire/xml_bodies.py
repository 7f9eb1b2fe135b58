"""XML bodies to documents, by the rules of contract section 11."""

import codecs
import re
from functools import partial

from lxml import etree

from ingest.domain.errors import InvalidRequest
from ingest.wire.charsets import check_charset
from ingest.wire.limits import DEFAULT_LIMITS, Limits

# Leave `collect_ids` alone: switching it off makes libxml2 load external DTDs.
_make_parser = partial(
    etree.XMLParser,
    resolve_entities=False,
    no_network=True,
    load_dtd=False,
    huge_tree=False,
    remove_comments=True,
    remove_pis=True,
)
_PARSER = _make_parser()
#: For what is UTF-8, whatever it declares.
_UTF8_PARSER = _make_parser(encoding="utf-8")
_ROOT = "xml"
_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_ENCODING = re.compile(r"utf-?8|utf-?16(le|be)?|(us-)?ascii", re.IGNORECASE)
#: Encodings of one byte a character, ASCII among them (contract 16.12).
_ONE_BYTE = re.compile(
    r"(windows-?|win-?|cp-?)125[0-8]|(iso[-_]?8859[-_]|latin-?)\d+|koi8-?[ru]",
    re.IGNORECASE,
)
_UTF16 = re.compile(r"utf-?16(le|be)?", re.IGNORECASE)
#: The encoding that a declaration names, in bytes of which ASCII is part.
_DECLARATION = re.compile(
    rb"""\s*<\?xml\b[^>]{0,200}?\bencoding\s*=\s*["']([\w.:-]{1,40})["']"""
)


def _fault(error: etree.XMLSyntaxError) -> InvalidRequest:
    line, column = error.position
    reason = (error.msg or "").partition(f", line {line}, column")[0].strip()
    return InvalidRequest(
        f"The body is not XML: {reason} at line {line}, column {column}"
    )


def _name(element: etree._Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _is_marked(element: etree._Element) -> bool:
    return (element.get("array") or "").strip().lower() == "true"


def _is_nil(element: etree._Element) -> bool:
    """Say whether an element stands for nothing, as null does (contract 16.9).

    Some writers leave the namespace out. Raises InvalidRequest if it holds something.
    """
    told = element.get(_NIL) or element.get("nil") or ""
    if told.strip().lower() not in ("true", "1"):
        return False
    if len(element) or (element.text or "").strip():
        where = f"<{_name(element)}> at line {element.sourceline}"
        raise InvalidRequest(f"An element with xsi:nil must be empty: {where}")
    return True


def _array(items: list[object]) -> list[object] | None:
    """Drop a lone empty element: with the marker, it says that there are no items.

    A lone one that is nil says nothing at all.
    """
    match items:
        case [None]:
            return None
        case [str() as text] if not text.strip():
            return []
    return items


def _members(
    element: etree._Element, limits: Limits, depth: int = 1
) -> dict[str, object]:
    """Read the children of `element`: one is a scalar unless marked, two are a list."""
    if depth > limits.depth:
        raise InvalidRequest(
            f"The body is nested too deeply (at most {limits.depth} levels)"
        )
    texts = [element.text, *(child.tail for child in element)]
    if any(text and not text.isspace() for text in texts):
        where = f"<{_name(element)}> at line {element.sourceline}"
        raise InvalidRequest(f"An element contains both text and elements: {where}")

    values: dict[str, list[object]] = {}
    arrays: set[str] = set()
    for child in element:
        name = _name(child)
        value: object = None
        # Few elements have attributes, and asking for one takes a while.
        has_attributes = bool(child.keys())
        if not (has_attributes and _is_nil(child)):
            value = (
                _members(child, limits, depth + 1)
                if len(child)
                else (child.text or "").strip()
            )
            value = value or ""
        values.setdefault(name, []).append(value)
        if has_attributes and _is_marked(child):
            arrays.add(name)
    if len(values) > limits.keys:
        raise InvalidRequest(f"An element has too many members (at most {limits.keys})")
    return {
        name: _array(found) if name in arrays or len(found) > 1 else found[0]
        for name, found in values.items()
    }


def _check_size(body: bytes, max_values: int) -> None:
    """Refuse more elements than allowed, before anything is made of them.

    A tree takes as much for a text as for an element, so one with a text counts twice.
    """
    if body.count(b"<") > max_values:
        raise InvalidRequest(f"The body has too many tags (at most {max_values})")


def _settle_encoding(body: bytes, charset: str | None) -> tuple[bytes, etree.XMLParser]:
    """Return `body` such that the parser beside it knows its encoding.

    A mark comes first, then the declaration, then UTF-8, then `charset`.
    """
    if body.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return body, _PARSER
    declared = _DECLARATION.match(body)
    name = declared[1].decode() if declared else ""
    if not declared and charset and _ONE_BYTE.fullmatch(charset):
        name = "" if _is_utf8(body) else charset
    if _UTF16.fullmatch(name):
        # The declaration could be read: so the bytes are not what it says.
        return body, _UTF8_PARSER
    if not _ONE_BYTE.fullmatch(name):
        return body, _PARSER
    try:
        return body.decode(check_charset(name)).encode(), _UTF8_PARSER
    except InvalidRequest as error:
        raise _refuse(name) from error
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"The body is not in its declared encoding {name} (see byte "
            f"{error.start + 1})"
        ) from error


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _refuse(encoding: str) -> InvalidRequest:
    return InvalidRequest(
        f"Unsupported encoding {encoding} (one of UTF-8, UTF-16, windows-1250 to "
        "-1258, iso-8859-1 to -16, koi8-r, koi8-u)"
    )


def decode(
    body: bytes, *, charset: str | None = None, limits: Limits = DEFAULT_LIMITS
) -> dict[str, object]:
    """Read `body`, whose root is `xml`; raise InvalidRequest naming the place.

    Leaves stay text, without the blanks at its ends: what they mean depends on the
    field. A document type is refused whatever it says, since entities could grow
    without bound, reach for files, or leave a value empty (contract 14, point 66).
    `charset` is the request's, for a body that is not UTF-8 and declares nothing.
    """
    _check_size(body, limits.values)
    body, parser = _settle_encoding(body, charset)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise _fault(error) from error

    about = root.getroottree().docinfo
    if about.internalDTD is not None:
        raise InvalidRequest("A document type declaration (DOCTYPE) is not allowed")
    if about.encoding and not _ENCODING.fullmatch(about.encoding):
        raise _refuse(about.encoding)
    if _name(root) != _ROOT:
        raise InvalidRequest(f"The root element must be <{_ROOT}>, not <{_name(root)}>")
    return _members(root, limits)
