"""Answers as workers publish them to the intake processes whose callers wait."""

import logging
from collections.abc import Sequence

import msgspec

from ingest.domain.answers import Answer

logger = logging.getLogger(__name__)

_ENCODER = msgspec.json.Encoder()
#: Members of a newer release are passed over.
_DECODER = msgspec.json.Decoder(list[Answer])


def dump_answers(answers: Sequence[Answer]) -> bytes:
    """Write one message, a JSON array."""
    return _ENCODER.encode(answers)


def load_answers(data: bytes) -> list[Answer]:
    """Read one message; nothing from one that is not ours."""
    try:
        return _DECODER.decode(data)
    except msgspec.DecodeError:
        logger.warning("outcome invalid", extra={"length": len(data)})
        return []
