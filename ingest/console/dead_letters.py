"""The pages of dead letters: grouped, one by one, replayed and discarded."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial

from ingest.console.requests import Page, PageRequest, Redirect
from ingest.domain.errors import InvalidRequest, NotFound
from ingest.store.dead_letters.read import (
    Letter,
    Selection,
    find_letter,
    find_letter_ids,
    list_letter_groups,
)
from ingest.store.dead_letters.write import (
    Resolution,
    ResolutionNote,
    resolve_dead_letters,
)
from ingest.wire.redaction import mask_error, mask_payload, mask_traceback

logger = logging.getLogger(__name__)

#: Letters that one press of the button replays, at most: the page waits for them.
_AT_ONCE = 500


async def show_dead_letters(request: PageRequest) -> Page:
    """List dead letters, grouped by what went wrong and where."""
    is_all = request.find_parameter("all") is not None
    groups = await request.services.read(
        partial(list_letter_groups, selection=Selection(resolved=is_all))
    )
    shown = [
        (group, mask_error(group.sample_error, group.sample_payload))
        for group in groups
    ]
    return Page(template="letters.html", values={"groups": shown, "is_all": is_all})


async def show_dead_letter(request: PageRequest) -> Page:
    """Show a letter; what may be personal data only if it is asked for."""
    letter = await request.services.read(
        partial(find_letter, letter_id=request.number("letter_id"))
    )
    if letter is None:
        raise NotFound("Dead letter not found")
    reveals = request.find_parameter("reveal") is not None
    values = {"letter": letter, "reveals": reveals, **_shown(letter, reveals=reveals)}
    return Page(template="letter.html", values=values)


def _shown(letter: Letter, *, reveals: bool) -> Mapping[str, object]:
    if reveals:
        return {
            "payload": letter.payload.decode(errors="backslashreplace"),
            "error": letter.error,
            "traceback": letter.traceback,
        }
    return {
        "payload": mask_payload(letter.payload),
        "error": mask_error(letter.error, letter.payload),
        "traceback": mask_traceback(letter.traceback),
    }


def _selection(form: Mapping[str, str]) -> Selection:
    """Return which letters a form is about: one, or an open group."""
    letter_id, fingerprint = form.get("letter_id", ""), form.get("fingerprint", "")
    if letter_id.isascii() and letter_id.isdecimal() and len(letter_id) < 10:
        return Selection(ids=[int(letter_id)])
    if not fingerprint:
        raise InvalidRequest("Missing parameter", "fingerprint")
    return Selection(fingerprint=fingerprint)


async def resolve(request: PageRequest) -> Page | Redirect:
    """Replay letters, show what a replay would do, or discard them with a reason."""
    selection = _selection(request.form)
    found = await request.services.read(partial(find_letter_ids, selection=selection))
    action = request.form.get("action", "")
    if action == "discard":
        return await _discard(request, found)
    if action not in {"replay", "try"}:
        raise InvalidRequest("Must be one of try, replay, discard", "action")
    is_dry = action == "try"
    by = f"console: {request.admin.name}"
    replayed = await request.services.replay(found[:_AT_ONCE], by, dry_run=is_dry)
    if not is_dry:
        _note(request, "dead letters replayed", len(replayed))
    values = {
        "replayed": replayed,
        "is_dry": is_dry,
        "left": len(found[_AT_ONCE:]),
        "form": request.form,
    }
    return Page(template="replayed.html", values=values)


async def _discard(request: PageRequest, letter_ids: list[int]) -> Redirect:
    reason = request.form.get("reason", "").strip()
    if not reason:
        raise InvalidRequest("Missing reason", "reason")
    note = ResolutionNote(
        resolution=Resolution.DISCARDED,
        by=f"console: {request.admin.name}",
        reason=reason,
    )
    discarded = await request.services.write(
        partial(
            resolve_dead_letters,
            letter_ids=letter_ids,
            note=note,
            now=datetime.now(UTC),
        )
    )
    _note(request, "dead letters discarded", discarded)
    return Redirect("/dead-letters?all=1")


def _note(request: PageRequest, event: str, count: int) -> None:
    logger.info(event, extra={"token_id": request.admin.id, "letters": count})
