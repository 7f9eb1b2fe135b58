"""The answers that each intake process awaits, once a batch is committed."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from msgspec.structs import replace

from ingest.domain.answers import Answer
from ingest.domain.imports import Import, Outcome
from workers.apply import Accepted, Applied


def told(
    accepted: Sequence[Accepted], applied: Applied
) -> Mapping[str, Sequence[Answer]]:
    """Return what each intake process is to hear, by its name."""
    # Of entries with one id the first was applied.
    imports = {one.import_.import_id: one.import_ for one in reversed(accepted)}
    answers: dict[UUID, Answer] = {
        one.import_id: _answer(one, imports[one.import_id]) for one in applied.outcomes
    }
    answers |= {
        one.import_id: one if one.fingerprint else replace(one, accepted_at=None)
        for one in applied.repeated
    }
    said: dict[str, list[Answer]] = defaultdict(list)
    for each in accepted:
        if each.reply_to:
            said[each.reply_to].append(answers[each.import_.import_id])
    return said


def _answer(outcome: Outcome, import_: Import) -> Answer:
    """Say which request an import came of, if its producer named it."""
    return Answer(
        import_id=outcome.import_id,
        error=outcome.error,
        error_text=outcome.error_text,
        profile_id=outcome.profile_id,
        accepted_at=import_.accepted_at if import_.fingerprint else None,
        fingerprint=import_.fingerprint,
    )
