"""The encoding that a request says its body has."""

import codecs
import re

from ingest.domain.errors import InvalidRequest

_CHARSET = re.compile(
    r""";\s*charset\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s;]*))""", re.IGNORECASE
)


def find_charset(content_type: str | None) -> str | None:
    """Return the `charset` of a Content-Type, if it names one."""
    found = _CHARSET.search(content_type or "")
    return next(filter(None, found.groups()), None) if found else None


def check_charset(name: str, path: str = "Content-Type") -> str:
    """Return the codec of an encoding; raise InvalidRequest for one of no text."""
    try:
        # Of codecs there are some that make no text, and this refuses them.
        "".encode(name)
        return codecs.lookup(name).name
    except (LookupError, ValueError) as error:
        raise InvalidRequest(f"No encoding is called {name[:100]!r}", path) from error
