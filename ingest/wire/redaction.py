"""Redaction of personal data in entries, for those who do not need it.

Shapes stay: names of members, kinds and lengths of values. So do the members that say
how an import was sent. The rest is masked, and cut out of what an error quotes.
"""

import re
from collections.abc import Iterator

import orjson

from ingest.domain.imports import Import
from ingest.domain.updates import Action

#: Members of an entry that say nothing of a person.
_OPEN = frozenset({"v", *Import.__struct_fields__}) - {
    *("key", "data", "start", "consent", "confirmation"),
}
#: Members further down of which the same is true.
_OPEN_BELOW = frozenset(
    {"field_name", "provider", "channel", "trigger_id", "workflow_id"}
)
_ACTIONS = frozenset(Action)

#: What an error may quote: text in quotes, addresses, and runs of digits. What it names
#: of the schema stays.
_QUOTED = re.compile(
    r"""(?P<schema>\b(?:constraint|relation|column|index|type)\ "[^"]*")
      | "[^"]*"
      | '[^']*'
      | \S+@\S+
      | \+?\d{4,}""",
    re.VERBOSE,
)
_MASK = "…"
#: Whose paths name fields.
_FORMER_KEYS = "former_keys"
#: How a path names a subscription, up to its contact.
_SUBSCRIPTION = re.compile(r"\d+/\w+/")
#: What is nested deeper is not shown.
_DEPTH = 16
#: Shorter texts of an entry are everywhere, and give nothing away.
_TELLING_LENGTH = 3


def mask_payload(payload: bytes) -> object:
    """Return the document in `payload` with what it says of a person masked."""
    try:
        entry = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return f"<not JSON, {len(payload)} bytes>"
    if not isinstance(entry, dict):
        return _mask(entry)
    return {
        name: value if name in _OPEN else _mask(value) for name, value in entry.items()
    }


def _mask(value: object, depth: int = 0) -> object:
    match value:
        case list() | dict() if depth == _DEPTH:
            return f"<more, {len(value)}>"
        case list():
            return [_mask(item, depth + 1) for item in value]
        case dict():
            return {
                name: item if _is_open(name, item) else _mask(item, depth + 1)
                for name, item in value.items()
            }
        case _:
            return _mask_leaf(value)


def _mask_leaf(value: object) -> object:
    if value is None or isinstance(value, bool):
        return value
    return f"<text, {len(value)}>" if isinstance(value, str) else "<number>"


def _is_open(name: str, value: object) -> bool:
    if not isinstance(value, str | int):
        return False
    return name in _OPEN_BELOW or (name == "action" and value in _ACTIONS)


def mask_value(value: object) -> object:
    """Return the shape of a stored value."""
    return _mask(value)


def mask_path(path: str) -> str:
    """Return the path of a change without the contact, or the element, that it names.

    Of `subscriptions[1/email/ada@example.com]` the resource and the channel stay.
    """
    name, _, rest = path.partition("[")
    inner, closed, tail = rest.rpartition("]")
    if not closed or inner.isdecimal() or name == _FORMER_KEYS:
        return path
    known = _SUBSCRIPTION.match(inner)
    return f"{name}[{known[0] if known else ''}{_MASK}]{tail}"


def mask_error(error: str, payload: bytes) -> str:
    """Return the first line of `error` without what it quotes, of `payload` or else.

    Postgres puts the offending row on the lines after it.
    """
    line = error.partition("\n")[0]
    for text in sorted(_texts(payload), key=len, reverse=True):
        line = line.replace(text, _MASK)
    return _QUOTED.sub(lambda found: found["schema"] or _MASK, line)


def mask_traceback(traceback: str) -> str:
    """Return where `traceback` went, without what was raised."""
    lines = (line for line in traceback.splitlines() if line.startswith('  File "'))
    return "\n".join(lines)


def _texts(payload: bytes) -> set[str]:
    """Return the texts in `payload` that tell of a person."""
    try:
        entry = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return set()
    if isinstance(entry, dict):
        entry = {name: value for name, value in entry.items() if name not in _OPEN}
    return {text for text in _leaves(entry) if len(text) >= _TELLING_LENGTH}


def _leaves(document: object) -> Iterator[str]:
    # Without recursion: how deep it goes is up to whoever wrote it.
    left = [document]
    while left:
        match left.pop():
            case dict() as members:
                left.extend(members.values())
            case list() as items:
                left.extend(items)
            case None | bool():
                pass
            case leaf:
                yield str(leaf)
