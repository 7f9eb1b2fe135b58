"""Output of a demo step: the request, the response, and each field, old and new."""

from collections.abc import Iterable, Iterator, Mapping

from rich.console import Console

#: Characters of a request that are shown, so that it fits a terminal's line.
_WIDTH = 76
#: Lines of one step that show fields.
_LINES = 5
_NOTHING = "none"

ProfileDocument = Mapping[str, object]


def describe_request(path: str, body: str) -> str:
    """Return a request on one line, as much of it as has room."""
    line = f"→ POST {path}  {''.join(map(str.strip, body.splitlines()))}"
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 2]} …"


def show_value(value: object) -> str:
    """Write a stored value as a person would."""
    if value in (None, "", []):
        return _NOTHING
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _flatten(profile: ProfileDocument | None) -> dict[str, str]:
    """Return what is shown of each field, and of each subscription by itself."""
    shown = {name: show_value(value) for name, value in (profile or {}).items()}
    # The answer has shown it.
    shown.pop("id", None)
    subscriptions = (profile or {}).get("subscriptions")
    for one in subscriptions if isinstance(subscriptions, list) else ():
        place, _, status = str(one).partition(" ")
        resource, _, channel = place.partition("/")
        shown[f"{channel} (resource {resource})"] = status
    shown.pop("subscriptions", None)
    return shown


def list_changes(
    before: ProfileDocument | None,
    after: ProfileDocument | None,
    first: Iterable[str] = (),
) -> Iterator[str]:
    """Return a line for each field that differs, old → new; the `first` ones first.

    Of many, the last line says how many more there are.
    """
    old, new = _flatten(before), _flatten(after)
    pairs = {
        name: (old.get(name, _NOTHING), new.get(name, _NOTHING))
        for name in dict.fromkeys((*first, *old, *new))
    }
    changed = [(name, *pair) for name, pair in pairs.items() if pair[0] != pair[1]]
    room = _LINES if len(changed) <= _LINES else _LINES - 1
    width = max((len(name) for name, *_ in changed[:room]), default=0)
    for name, left, right in changed[:room]:
        yield f"{name:{width}}  {left} → {right}"
    if changed[room:]:
        yield f"… and {len(changed) - room} more"


def say(console: Console, line: str, style: str = "") -> None:
    """Print one line of a step, however long it is."""
    console.print(f"   {line}", style=style or None, soft_wrap=True)
