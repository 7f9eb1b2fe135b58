"""Events to a message queue, by kombu."""

from collections.abc import Mapping

import kombu.exceptions
from kombu import Connection, Producer, Queue

from ingest.domain.deliveries import Attempt

#: Messages past which a queue that nobody reads is given no more.
MAX_WAITING = 100_000
_TIMEOUT_SECONDS = 5.0


class EventQueue:
    """One queue of the events' broker."""

    def __init__(self, broker_url: str, name: str) -> None:
        options: dict[str, object] = {
            "socket_timeout": _TIMEOUT_SECONDS,
            "socket_connect_timeout": _TIMEOUT_SECONDS,
        }
        if broker_url.startswith(("amqp", "pyamqp")):
            # A publish is over when the broker has the message.
            options = {"confirm_publish": True}
        self._connection = Connection(
            broker_url, connect_timeout=_TIMEOUT_SECONDS, transport_options=options
        )
        self._name = name
        # What the transport raises is its library's own.
        self._errors: tuple[type[BaseException], ...] = (
            kombu.exceptions.KombuError,
            OSError,
            *self._connection.recoverable_connection_errors,
            *self._connection.recoverable_channel_errors,
        )

    def close(self) -> None:
        """Give the connection up."""
        self._connection.release()

    def put(self, body: bytes, headers: Mapping[str, str]) -> Attempt:
        """Put `body` into the queue once; return what came of it. Blocks."""
        try:
            return self._put(body, headers)
        except self._errors as failure:
            self._connection.release()
            error = f"{type(failure).__name__}: {failure}"
            return Attempt(error=error[:500], is_outage=True)

    def _put(self, body: bytes, headers: Mapping[str, str]) -> Attempt:
        queue = Queue(self._name, durable=True)(self._connection.default_channel)
        declared = queue.queue_declare()
        waiting = getattr(declared, "message_count", 0)
        if waiting >= MAX_WAITING:
            error = f"{waiting} messages wait in the queue already"
            return Attempt(error=error, is_outage=True)
        Producer(self._connection.default_channel).publish(
            body,
            exchange="",
            routing_key=self._name,
            content_type="application/json",
            content_encoding="utf-8",
            headers=dict(headers),
            message_id=headers["webhook-id"],
        )
        return Attempt()
