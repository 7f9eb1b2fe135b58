"""The header `traceparent` of W3C Trace Context."""

import re

HEADER = "traceparent"

#: Version 00, and whatever later versions append; zeros are no ids.
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)


def parse_traceparent(header: str | None) -> str | None:
    """Return a well-formed `traceparent`; None for any other, which is ignored."""
    if header is None or len(header) > 256:
        return None
    found = _TRACEPARENT.match(header.strip())
    return found[0] if found else None
