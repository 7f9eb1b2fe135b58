"""The profiles of a conflict, told to those who may read them (A8)."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from uuid import UUID

from ingest.domain.answers import Answer
from ingest.domain.errors import AmbiguousMatch, Unavailable
from ingest.domain.imports import Candidate
from ingest.domain.tokens import Scope, Token
from ingest.doors.http.intake import Intake

#: Conflicts of one reply whose profiles are told; of more, receipts tell.
MAX_CONFLICTS = 1000


async def find_candidates(
    intake: Intake, token: Token, database_id: int, answers: Iterable[Answer]
) -> Mapping[UUID, Sequence[Candidate]]:
    """Return the profiles that each conflict among `answers` is about."""
    if not token.allows(Scope.READ, database_id):
        return {}
    conflicts = (
        one for one in answers if one.is_held or one.error == AmbiguousMatch.code
    )
    texts = {one.import_id: one.error_text for one in islice(conflicts, MAX_CONFLICTS)}
    if not texts:
        return {}
    # Who is told of the conflict need not wait for Postgres to hear more.
    with suppress(Unavailable):
        return await intake.receipts.find_candidates(texts)
    return {}
