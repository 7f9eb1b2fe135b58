"""The rank of an import, beside the import in its entry.

In a field of its own: a release that does not know it passes it over, and keeps the
order of each key, as it did. An entry without it is one import of a request of its own.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from ingest.domain.ranks import Rank

#: The field of an entry.
RANK_FIELD = b"rank"

_DECODER = msgspec.json.Decoder(Rank)
_ENCODER = msgspec.json.Encoder()


def dump_rank(rank: Rank | None) -> Mapping[Any, Any]:
    """Write `rank` as fields of an entry: none for an import without."""
    return {} if rank is None else {RANK_FIELD: _ENCODER.encode(rank)}


def load_rank(text: bytes) -> Rank | None:
    """Read what `dump_rank` wrote; None for anything else: somebody's mistake."""
    try:
        return _DECODER.decode(text)
    except msgspec.MsgspecError:
        return None
