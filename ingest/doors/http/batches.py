"""The endpoints of many imports in one request (contract 10.1 to 10.3)."""

import asyncio
import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from falcon.asgi import Response

from ingest.domain.answers import Answer
from ingest.domain.errors import NotFound, Rejected
from ingest.domain.identities import ImportName, Namer
from ingest.domain.imports import Candidate
from ingest.domain.jobs import new_job_id, row_import_id
from ingest.domain.lanes import Lane
from ingest.domain.tokens import Scope, Token
from ingest.doors.accept import (
    Accepted,
    accept,
    check_access,
    new_ranking,
    ranked,
)
from ingest.doors.http.bodies import release
from ingest.doors.http.calls import Call, Decoded
from ingest.doors.http.conflicts import find_candidates
from ingest.doors.http.dry_runs import check_count, describe_dry_batch
from ingest.doors.http.idempotency import RequestKey, find_key
from ingest.doors.http.intake import Intake
from ingest.doors.http.replies import asks_retry, describe, reply
from ingest.doors.http.requests import read_request
from ingest.doors.http.submissions import Submission
from ingest.doors.http.tracing import traced
from ingest.telemetry import metrics
from ingest.wire.batches import BatchRequest, load_element
from ingest.wire.replies import to_reply
from ingest.wire.reply_types import (
    ACCEPTED_TEXT,
    AcceptedBatchReply,
    AcceptedReply,
    ImportedBatchReply,
    Reply,
    SuccessReply,
)

#: Elements accepted between two turns of the event loop: a few milliseconds.
_CHUNK = 200


class BatchLoader(Protocol):
    """Reads the parameters of a request; raises InvalidRequest."""

    def __call__(
        self, document: Mapping[str, object], *, max_elements: int
    ) -> BatchRequest:
        """Return what holds for all elements, and those unread."""


#: What became of an element at the door: its import's id, or why there is none.
ElementPlace = UUID | Rejected

#: Where all imports of a batch are told of.
PATH = "/api/v1.1/batches"
#: What begins the address of a batch with a key.
_KEYED = "key-"
#: More imports are in no batch, whatever its limit was.
_MAX_DIGITS = 8


@dataclass(frozen=True, slots=True)
class BatchNames:
    """Names and places of the imports of a batch, one after another.

    Those of a request with a key are named by it; of others, the ids count on from one
    id, as those of a job do. So the address of all needs no list of them.
    """

    key: RequestKey | None
    batch_id: UUID

    def name(self, index: int) -> ImportName:
        """Name the import of an element."""
        if self.key is not None:
            return self.key.name_element(index)
        return ImportName(import_id=row_import_id(self.batch_id, index + 1))

    def locate(self, count: int) -> str:
        """Return the address of the first `count` imports."""
        told = str(self.batch_id)
        if self.key is not None:
            coded = base64.urlsafe_b64encode(self.key.key.encode()).decode()
            told = _KEYED + coded.rstrip("=")
        return f"{PATH}/{told}.{count}"


def parse_address(text: str, token_id: int, namer: Namer) -> tuple[BatchNames, int]:
    """Read the last part of what `locate` returned; raise NotFound for anything else.

    Who asks has the keys of its own token and no others.
    """
    told, _, count = text.rpartition(".")
    unknown = NotFound("Batch not found")
    if not (count.isascii() and count.isdigit() and len(count) < _MAX_DIGITS):
        raise unknown
    try:
        if not told.startswith(_KEYED):
            return BatchNames(None, UUID(told)), int(count)
        coded = told.removeprefix(_KEYED)
        padded = coded + "=" * (-len(coded) % 4)
        name = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except ValueError as error:
        raise unknown from error
    # What was asked under the key makes no other ids.
    key = RequestKey(token_id=token_id, key=name, fingerprint="", namer=namer)
    return BatchNames(key, UUID(int=0)), int(count)


class BatchResource:
    """POST of many profiles, whose request `load` understands; each has a receipt."""

    def __init__(self, intake: Intake, load: BatchLoader) -> None:
        self._intake = intake
        self._load_batch = load

    async def on_post(self, req: Call, resp: Response) -> None:
        """Decode, accept, wait, reply; what is wrong with an element is its own."""
        # Whoever is refused all the same is refused before the body is read.
        await self._intake.admission.admit()
        request = await read_request(req, self._intake, may_be_dry=True)
        batch, token = await self._load(request)
        if request.dry_run:
            await self._try(req, resp, batch, token)
            return
        key = await find_key(req, request, token.id, self._intake.catalog.get_namer())
        count = len(batch.elements)
        await self._intake.rates.spend(token, resp, count)
        await self._intake.admission.admit_all(count, request.size_bytes)
        submission = Submission(
            self._intake, req, resp, synchronous=batch.shared.synchronous
        )
        if key:
            await submission.claim(key.name())
        database_id = batch.shared.database_id
        lane = batch.shared.lane or self._choose_lane(count, submission.wait_seconds)
        places: list[ElementPlace] = []
        names = BatchNames(key, new_job_id(datetime.now(UTC)))
        chunks = self._accept_all(batch, token, names, places)
        # What has been accepted need not be kept while its outcome is waited for.
        del request, batch
        answers = await self._intake.enqueue_all(
            _trace_all(req, chunks),
            count=count,
            wait_seconds=submission.wait_seconds,
            lane=lane,
        )
        ids = [place for place in places if isinstance(place, UUID)]
        late = len(answers) < len(ids)
        submission.end(is_late=late)
        if late:
            resp.set_header("Location", names.locate(count))
        retry = asks_retry(self._intake.settings, req, resp) if late else None
        named = await find_candidates(
            self._intake, token, database_id, answers.values()
        )
        said = _say(places, answers, named, ids if late else None, retry)
        status = retry[0] if retry else 202 if late else 200
        # Ten thousand elements of XML take a while to write.
        await asyncio.to_thread(reply, req, resp, status, said)

    async def _try(
        self, req: Call, resp: Response, batch: BatchRequest, token: Token
    ) -> None:
        """Reply with what would come of a batch; nothing is written."""
        count = len(batch.elements)
        check_count(count)
        await self._intake.rates.spend(token, resp, count)
        names = BatchNames(None, new_job_id(datetime.now(UTC)))
        places: list[ElementPlace] = []
        chunks = list(self._accept_all(batch, token, names, places))
        accepted = [one for chunk in chunks for one in chunk]
        tried = await self._intake.dry_runs.run(accepted)
        reads = token.allows(Scope.READ, batch.shared.database_id)
        said = describe_dry_batch(places, tried, reads=reads)
        await asyncio.to_thread(reply, req, resp, 200, said)

    def _choose_lane(self, count: int, wait_seconds: float) -> Lane:
        """Return where a batch of `count` goes whose request does not say."""
        is_small = count <= self._intake.settings.live_batch_elements
        return Lane.LIVE if is_small and wait_seconds else Lane.BULK

    async def _load(self, request: Decoded) -> tuple[BatchRequest, Token]:
        """Check who asks, then what is asked of all elements."""
        token = await self._intake.catalog.get_token(request.secret)
        batch = self._load_batch(
            request.document, max_elements=self._intake.settings.max_batch_elements
        )
        catalog = self._intake.catalog.get_catalog()
        check_access(token, batch.shared.database_id, catalog)
        return batch, token

    def _accept_all(
        self,
        batch: BatchRequest,
        token: Token,
        names: "BatchNames",
        places: list[ElementPlace],
    ) -> Iterator[list[Accepted]]:
        """Accept chunk after chunk, adding to `places` what became of each element."""
        catalog = self._intake.catalog.get_catalog()
        # One alone comes after nothing.
        ranking = new_ranking(catalog) if len(batch.elements) > 1 else None
        for start in range(0, len(batch.elements), _CHUNK):
            chunk = []
            elements = batch.elements[start : start + _CHUNK]
            for index, element in enumerate(elements, start):
                try:
                    accepted = accept(
                        load_element(batch.shared, element),
                        token=token,
                        catalog=catalog,
                        partitions=self._intake.settings.partitions,
                        door="http",
                        name=names.name(index),
                    )
                except Rejected as error:
                    metrics.REFUSED.labels("http", error.faults[0].code).inc()
                    places.append(error)
                else:
                    if ranking is not None:
                        accepted = ranked(accepted, ranking, index + 1)
                    chunk.append(accepted)
                    places.append(accepted.import_.import_id)
            yield chunk


def _trace_all(req: Call, chunks: Iterable[list[Accepted]]) -> Iterator[list[Accepted]]:
    """Say which trace imports belong to; give back the room of the last one's body."""
    for chunk in chunks:
        yield [traced(req, accepted) for accepted in chunk]
    release(req.scope)


#: The code and text of what is accepted and not applied yet.
_ACCEPTED = (0, ACCEPTED_TEXT)


def _say(
    places: Iterable[ElementPlace],
    answers: Mapping[UUID, Answer],
    named: Mapping[UUID, Sequence[Candidate]],
    late: list[UUID] | None,
    retry: tuple[int, str] | None = None,
) -> SuccessReply:
    """Say what came of all elements; `late` are the imports to ask for, if any is.

    `named` are the profiles of conflicts.
    `retry` is what is said of those that are not applied yet, if they are to be
    repeated.
    """
    error, text = waiting = retry or _ACCEPTED
    result = [_describe(place, answers, named, waiting) for place in places]
    if late is None:
        return ImportedBatchReply(result=result)
    return AcceptedBatchReply(
        error=error, error_text=text, result=result, import_ids=late
    )


def _describe(
    place: ElementPlace,
    answers: Mapping[UUID, Answer],
    named: Mapping[UUID, Sequence[Candidate]],
    waiting: tuple[int, str],
) -> Reply:
    """Say what came of one element, or that it waits and where to ask."""
    if isinstance(place, Rejected):
        return to_reply(place)
    answer = answers.get(place)
    if answer is None:
        error, text = waiting
        return AcceptedReply(error=error, error_text=text, import_id=place)
    return describe(answer, named.get(place, ()))
