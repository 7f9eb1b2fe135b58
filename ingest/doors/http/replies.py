"""Replies over HTTP: statuses, headers and faults, in one place."""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from uuid import UUID, uuid4

from falcon import HTTPError
from falcon.asgi import Response
from msgspec import UNSET, Struct

from ingest.domain.answers import Answer
from ingest.domain.errors import (
    Overloaded,
    PenstockError,
    RateExceeded,
    Rejected,
    Unavailable,
)
from ingest.domain.imports import Candidate
from ingest.doors.http.calls import Call
from ingest.doors.http.intake import Intake
from ingest.settings import Settings
from ingest.telemetry import metrics
from ingest.wire.replies import CONTENT_TYPES, INTERNAL_ERROR, dump, to_reply
from ingest.wire.reply_types import (
    AcceptedReply,
    ErrorReply,
    HeldReply,
    ImportedReply,
    Reply,
)

logger = logging.getLogger(__name__)

#: How soon to try again when the queue cannot be reached.
_UNAVAILABLE_RETRY_SECONDS = 2
#: Of what the framework refuses, by status.
_FRAMEWORK_TEXTS = {
    404: "Path not found (the API is described at /docs)",
    405: "Method not allowed (see the header Allow)",
}


def reply(req: Call, resp: Response, status: int, said: Struct) -> None:
    """Answer with `said` in the format the caller asked for."""
    format_ = req.get_format()
    resp.status = status
    resp.content_type = CONTENT_TYPES[format_]
    resp.data = dump(said, format_)


def describe(answer: Answer, candidates: Sequence[Candidate] = ()) -> Reply:
    """Say what came of an import (contract 2.2), and the profiles of a conflict.

    An error names a profile only where one was saved all the same (14, point 72).
    """
    error, text, profile_id = answer.error, answer.error_text, answer.profile_id
    if not error and profile_id is not None:
        kept = list(answer.kept) or UNSET
        return ImportedReply(error_text=text, profile_id=profile_id, kept=kept)
    if answer.is_held:
        return HeldReply(
            import_id=answer.import_id, candidates=list(candidates) or UNSET
        )
    return ErrorReply(
        error=error,
        error_text=text,
        profile_id=profile_id or UNSET,
        candidates=list(candidates) or UNSET,
    )


def reply_answer(
    req: Call,
    resp: Response,
    answer: Answer,
    *,
    mirror: bool,
    candidates: Sequence[Candidate] = (),
) -> None:
    """Answer with the outcome of an import, and the profiles of a conflict."""
    status = answer.error if mirror and answer.error else 200
    if answer.is_held:
        status = 202
        resp.set_header("Location", f"/api/v1.1/imports/{answer.import_id}")
    reply(req, resp, status, describe(answer, candidates))


def reply_accepted(
    req: Call, resp: Response, import_id: UUID, settings: Settings
) -> None:
    """Answer that an import is safe and will be applied, and where to ask.

    To a caller that has waited in vain, the deployment may say so by an error instead.
    """
    resp.set_header("Location", f"/api/v1.1/imports/{import_id}")
    late = asks_retry(settings, req, resp)
    said = AcceptedReply(import_id=import_id)
    if late:
        said = AcceptedReply(error=late[0], error_text=late[1], import_id=import_id)
    reply(req, resp, late[0] if late else 202, said)


def asks_retry(settings: Settings, req: Call, resp: Response) -> tuple[int, str] | None:
    """Return the status and text by which a caller is to repeat what is not applied.

    None where it is told that the import is accepted, or did not want to wait
    (contract 16.3).
    """
    if settings.after_wait != "retry" or not req.waited:
        return None
    resp.set_header("Retry-After", str(_UNAVAILABLE_RETRY_SECONDS))
    if req.get_header("Idempotency-Key"):
        return 503, "Not applied yet (send it again under the same Idempotency-Key)"
    return 503, (
        "Accepted and not applied yet (read its receipt; sent again without an"
        " Idempotency-Key it is applied twice)"
    )


class Faults:
    """Turns whatever was raised into a reply."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def handle_penstock_error(
        self, req: Call, resp: Response, error: PenstockError, _: object
    ) -> None:
        """Answer with a fault of ours or of the request."""
        said = to_reply(error)
        code = said.error
        retry_after = self._find_retry_after(error)
        if retry_after is not None:
            resp.set_header("Retry-After", str(retry_after))
        if code == 500:
            self._log_internal(resp, error)
        if req.method == "POST":
            metrics.REFUSED.labels("http", code).inc()
        reply(req, resp, self._choose_status(req, resp, error, code), said)

    async def handle_unexpected(
        self, req: Call, resp: Response, error: Exception, _: object
    ) -> None:
        """Answer without a word of what broke; the log has it."""
        self._log_internal(resp, error)
        if req.method == "POST":
            metrics.REFUSED.labels("http", 500).inc()
        reply(req, resp, 500, INTERNAL_ERROR)

    def _choose_status(
        self, req: Call, resp: Response, error: PenstockError, code: int
    ) -> int:
        """Return 200 for what the application decided (contract 13.1)."""
        decided = isinstance(error, Rejected) and req.is_parsed
        if decided and not self._intake.settings.mirror_errors:
            return 200
        if code == 401:
            resp.set_header("WWW-Authenticate", "Bearer")
        return code

    def _find_retry_after(self, error: PenstockError) -> int | None:
        match error:
            case RateExceeded():
                return error.retry_seconds
            case Overloaded():
                return self._intake.admission.retry_after_seconds()
            case Unavailable():
                return _UNAVAILABLE_RETRY_SECONDS
        return None

    def _log_internal(self, resp: Response, error: Exception) -> None:
        correlation_id = uuid4().hex
        resp.set_header("Correlation-Id", correlation_id)
        logger.error(
            "request failed", exc_info=error, extra={"correlation_id": correlation_id}
        )


def serialize_http_error(req: Call, resp: Response, error: HTTPError) -> None:
    """Answer with what the framework refused: an unknown path, a wrong method."""
    phrase = HTTPStatus(error.status_code).phrase.capitalize()
    text = _FRAMEWORK_TEXTS.get(error.status_code, phrase)
    said = ErrorReply(error=error.status_code, error_text=text)
    reply(req, resp, error.status_code, said)
