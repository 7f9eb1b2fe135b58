"""What each intake process is told of the imports that it accepted."""

from collections import defaultdict
from collections.abc import Sequence

from ingest.domain.imports import Import, Outcome
from ingest.store.receipts import Answer
from workers.apply import Accepted, Applied


def told(
    accepted: Sequence[Accepted], applied: Applied
) -> dict[str, list[dict[str, object]]]:
    """Return what each intake process is to hear, by its name."""
    answers: dict[object, dict[str, object]] = {
        outcome.import_id: _answer(outcome) for outcome in applied.outcomes
    }
    answers |= {
        answer.import_id: _answer(answer) | _whose(answer)
        for answer in applied.repeated
    }
    for import_ in [one.import_ for one in accepted]:
        # What is said already wins: of entries with one id the first was applied.
        if import_.fingerprint is not None:
            answers[import_.import_id] = _whose(import_) | answers[import_.import_id]
    said: dict[str, list[dict[str, object]]] = defaultdict(list)
    for one in accepted:
        if one.reply_to:
            said[one.reply_to].append(answers[one.import_.import_id])
    return said


def _answer(outcome: Outcome | Answer) -> dict[str, object]:
    return {
        "import_id": outcome.import_id,
        "error": outcome.error,
        "error_text": outcome.error_text,
        "profile_id": outcome.profile_id,
    }


def _whose(named: Import | Answer) -> dict[str, object]:
    """Say which request an import came of, if its producer named it."""
    if named.fingerprint is None:
        return {}
    return {"accepted_at": named.accepted_at, "fingerprint": named.fingerprint}
