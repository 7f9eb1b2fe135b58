"""The broker door: messages of a queue become accepted imports (contract 10.5).

A message is acknowledged when Redis has acknowledged its import, so none is lost; a
message delivered again gives the import id it gave before, so none is applied twice:

- with a `feedback_id`, the id is a hash of it, its account and its database: whatever
  message comes under that name is the same import, for as long as its receipt is kept.
  Of messages that differ one is applied, and the others are answered 409;
- else the broker's name for the message makes it: the id of a stream's entry, or the
  `message_id` that an AMQP producer set;
- an AMQP message with neither is told apart by nothing. Should the consumer be killed
  between the acceptance and the acknowledgement, it is applied again.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from threading import Event

from msgspec.structs import replace
from uuid_utils.compat import uuid7

from ingest.domain.catalog import Catalog
from ingest.domain.errors import (
    BodyTooLarge,
    Forbidden,
    InvalidRequest,
    NotFound,
    Rejected,
    Unavailable,
)
from ingest.domain.identities import ImportName, Namer
from ingest.doors.accept import place
from ingest.doors.broker.appends import BrokerAppends, Taken
from ingest.doors.broker.catalog import BrokerCatalog
from ingest.doors.broker.sources import Message, MessageSource, Outlet, Refusal
from ingest.doors.catalogs import KnownCatalog
from ingest.settings import Settings
from ingest.telemetry import metrics
from ingest.wire.envelopes import to_import
from ingest.wire.json_bodies import decode
from ingest.wire.messages import (
    ImportMessage,
    MessageResult,
    load_order,
    peek_feedback_id,
    peek_matching,
)

logger = logging.getLogger(__name__)

#: Between two looks at a backlog that is too long, or at a server that is away.
_PAUSE_SECONDS = 0.5


class Consumer:
    """Turns the messages of one source into accepted imports."""

    def __init__(
        self,
        settings: Settings,
        *,
        source: MessageSource,
        outlet: Outlet,
        appends: BrokerAppends,
        catalog: BrokerCatalog,
    ) -> None:
        self._settings = settings
        self._source = source
        self._outlet = outlet
        self._appends = appends
        self._catalog = catalog
        # Whether the last attempt failed; only the first failure is logged.
        self._interrupted = False

    def run(self, stop: Event) -> None:
        """Consume until told to stop; what is in hand then is finished first."""
        while not stop.is_set():
            try:
                self._consume(stop)
                self._interrupted = False
            except Unavailable as error:
                self._complain(error)
                self._disconnect()
                stop.wait(_PAUSE_SECONDS)
        self._disconnect()

    def _complain(self, error: Unavailable) -> None:
        if not self._interrupted:
            reason = type(error.__cause__ or error).__name__
            logger.warning(
                "consumer interrupted", extra={"reason": reason, "text": str(error)}
            )
        self._interrupted = True

    def _disconnect(self) -> None:
        self._source.close()
        self._outlet.close()

    def _consume(self, stop: Event) -> None:
        """Read, accept, acknowledge: in this order, and nothing in between is lost."""
        # Before it there is no telling whose a message is.
        self._catalog.get()
        messages = self._source.read()
        if not messages or not self._await_room(stop):
            return
        taken, refusals = self._judge_all(messages)
        self._appends.append(taken)
        if refusals:
            self._outlet.publish([refusal.result for refusal in refusals])
            self._outlet.dead_letter(refusals)
        self._source.acknowledge(messages)
        databases = [one.accepted.import_.database_id for one in taken]
        metrics.note_accepted("broker", databases)
        for refusal in refusals:
            _note(refusal)

    def _await_room(self, stop: Event) -> bool:
        """Wait while too many imports wait; False if told to stop meanwhile."""
        while not self._appends.has_room():
            if stop.wait(_PAUSE_SECONDS):
                return False
            self._source.keep_alive()
        return True

    def _judge_all(
        self, messages: Sequence[Message]
    ) -> tuple[list[Taken], list[Refusal]]:
        known = self._catalog.get()
        judged = [self._judge(message, known) for message in messages]
        return (
            [one for one in judged if isinstance(one, Taken)],
            [one for one in judged if isinstance(one, Refusal)],
        )

    def _judge(self, message: Message, known: KnownCatalog) -> Taken | Refusal:
        """Accept a message, or say why not; never raise for what it holds."""
        document: dict[str, object] = {}
        try:
            document = self._decode(message)
            return self._accept(load_order(document), message, known)
        except Rejected as error:
            code, text = error.faults[0].code, error.faults[0].text
        # A bug of ours must not stop the queue for good, which a message that is
        # delivered again and again would; nothing narrower covers a bug.
        except Exception:
            logger.exception("message invalid")
            code, text = 500, "Internal error"
        result = MessageResult(
            error=code,
            error_text=text,
            feedback_id=peek_feedback_id(document),
            matching_field=peek_matching(document) if document else "",
        )
        return Refusal(message=message, result=result)

    def _decode(self, message: Message) -> dict[str, object]:
        if message.flaw:
            raise InvalidRequest(message.flaw)
        if len(message.body) > self._settings.max_body_bytes:
            raise BodyTooLarge("The message is too large")
        return decode(message.body, limits=self._settings.limits)

    def _accept(
        self, order: ImportMessage, message: Message, known: KnownCatalog
    ) -> Taken:
        check_owner(order, known.catalog)
        now = datetime.now(UTC)
        name = self._name(order, message, known.namer, now)
        envelope = order.envelope
        if order.account_id in known.catalog.raising_accounts:
            envelope = replace(envelope, may_raise=True)
        import_ = to_import(
            envelope,
            import_id=name.import_id,
            accepted_at=now,
            door="broker",
            token_id=None,
            fingerprint=order.fingerprint,
        )
        if name.other_id:
            import_ = replace(import_, other_id=name.other_id)
        return Taken(
            accepted=place(import_, known.catalog, self._settings.partitions),
            order=order,
        )

    def _name(
        self, order: ImportMessage, message: Message, namer: Namer, now: datetime
    ) -> ImportName:
        """Return the import's name, the same for every delivery of the message."""
        source = self._source.name
        if order.feedback_id:
            database, account = order.envelope.database_id, order.account_id
            return namer.name(
                "feedback", str(account), str(database), order.feedback_id, now=now
            )
        if not message.id:
            return ImportName(import_id=uuid7())
        if message.milliseconds is None:
            return namer.name(source, message.id, now=now)
        return namer.name_at(source, message.id, milliseconds=message.milliseconds)


def check_owner(order: ImportMessage, catalog: Catalog) -> None:
    """Raise unless the message's account may import into its database.

    Forbidden for an unknown account or another's database (contract 14, point 71),
    NotFound for no database at all.
    """
    known = {database.account_id for database in catalog.databases.values()}
    known |= {resource.account_id for resource in catalog.resources.values()}
    if order.account_id not in known:
        raise Forbidden("Unknown account", "account_id")
    database = catalog.databases.get(order.envelope.database_id)
    if database is None:
        raise NotFound("Database not found", "db_id")
    if database.account_id != order.account_id:
        raise Forbidden("The account does not own this database", "db_id")


def _note(refusal: Refusal) -> None:
    result = refusal.result
    metrics.REFUSED.labels("broker", str(result.error)).inc()
    logger.warning(
        "message refused",
        extra={"feedback_id": result.feedback_id, "code": result.error},
    )
