"""Fingerprints, which tell requests of one name apart."""

from collections.abc import Mapping
from hashlib import sha256

import orjson

#: Who asks and how to be answered makes no other request.
_ASIDE = frozenset({"token", "format", "sync", "lane"})


def make_fingerprint(document: Mapping[str, object], *names: str) -> str:
    """Return the same text for the same `document` asked under the same `names`.

    The order of members makes no difference. The producer's name for the request
    belongs among `names`: whoever does not know it cannot try out what was asked.
    """
    asked = {name: value for name, value in document.items() if name not in _ASIDE}
    told = orjson.dumps([names, asked], option=orjson.OPT_SORT_KEYS)
    return sha256(told).hexdigest()
