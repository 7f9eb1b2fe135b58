"""XML bodies to documents, by the rules of contract section 11."""

import re

from lxml import etree

from ingest.domain.errors import InvalidRequest
from ingest.wire.limits import DEFAULT_LIMITS, Limits

# Leave `collect_ids` alone: switching it off makes libxml2 load external DTDs.
_PARSER = etree.XMLParser(
    resolve_entities=False,
    no_network=True,
    load_dtd=False,
    huge_tree=False,
    remove_comments=True,
    remove_pis=True,
)
_ROOT = "xml"
_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_ENCODING = re.compile(
    r"utf-?8|utf-?16(le|be)?|(us-)?ascii|(iso-8859-|latin-?)\d+", re.IGNORECASE
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
        raise InvalidRequest(f"An element that is nil holds something: {where}")
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
        raise InvalidRequest(f"The body is nested deeper than {limits.depth} levels")
    texts = [element.text, *(child.tail for child in element)]
    if any(text and not text.isspace() for text in texts):
        where = f"<{_name(element)}> at line {element.sourceline}"
        raise InvalidRequest(f"Text stands beside elements in {where}")

    values: dict[str, list[object]] = {}
    arrays: set[str] = set()
    for child in element:
        name = _name(child)
        value: object = None
        # Few elements have attributes, and asking for one takes a while.
        has_attributes = bool(child.keys())
        if not (has_attributes and _is_nil(child)):
            value = _members(child, limits, depth + 1) if len(child) else child.text
            value = value or ""
        values.setdefault(name, []).append(value)
        if has_attributes and _is_marked(child):
            arrays.add(name)
    if len(values) > limits.keys:
        raise InvalidRequest(f"An element has more than {limits.keys} members")
    return {
        name: _array(found) if name in arrays or len(found) > 1 else found[0]
        for name, found in values.items()
    }


def _check_size(body: bytes, max_values: int) -> None:
    """Refuse more elements than allowed, before anything is made of them."""
    if body.count(b"<") - body.count(b"</") > max_values:
        raise InvalidRequest(f"The body holds more than {max_values} elements")


def decode(body: bytes, *, limits: Limits = DEFAULT_LIMITS) -> dict[str, object]:
    """Read `body`, whose root is `xml`; raise InvalidRequest naming the place.

    Leaves stay text: what they mean depends on the field. A document type is refused
    whatever it says, since entities could grow without bound, reach for files, or
    leave a value empty (contract 14, point 66).
    """
    _check_size(body, limits.values)
    try:
        root = etree.fromstring(body, _PARSER)
    except etree.XMLSyntaxError as error:
        raise _fault(error) from error

    about = root.getroottree().docinfo
    if about.internalDTD is not None:
        raise InvalidRequest("A document type (DOCTYPE) is not allowed")
    if about.encoding and not _ENCODING.fullmatch(about.encoding):
        raise InvalidRequest(f"The encoding {about.encoding} is not allowed")
    if _name(root) != _ROOT:
        raise InvalidRequest(f"The root element is not {_ROOT}: <{_name(root)}>")
    return _members(root, limits)
