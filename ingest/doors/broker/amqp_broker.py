"""Messages in a queue of RabbitMQ, or of whatever speaks AMQP 0-9-1, by kombu."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from amqp.exceptions import MessageNacked, NotFound
from kombu import Connection, Consumer, Exchange, Producer, Queue
from kombu.exceptions import KombuError

from ingest.domain.errors import Unavailable
from ingest.doors.broker.confirms import Confirms
from ingest.doors.broker.sources import Message, Refusal
from ingest.wire.messages import MessageResult, dump_result

_TIMEOUT_SECONDS = 5.0
_HEARTBEAT_SECONDS = 20
_WAIT_SECONDS = 1.0
#: What follows within it belongs to the same batch.
_GATHER_SECONDS = 0.002
_PERSISTENT = 2


def _errors(connection: Connection) -> tuple[type[BaseException], ...]:
    """Return what the transport may raise, which is its library's own."""
    return (
        KombuError,
        MessageNacked,
        OSError,
        *connection.connection_errors,
        *connection.channel_errors,
    )


def _declare(connection: Connection, name: str) -> Queue:
    """Return a durable queue, made if it is not there.

    One that is there may have been declared with arguments of its own, such as a
    quorum; it is taken as it is.
    """
    queue = Queue(name, Exchange(""), routing_key=name, durable=True)
    # What kombu's stubs know of a channel is not what it can do.
    channel: Any = connection.channel()
    try:
        queue(channel).queue_declare(passive=True)
    except NotFound:
        # With which the broker has closed the channel.
        channel = connection.channel()
        queue(channel).queue_declare()
    channel.close()
    return queue


class QueueSource:
    """One consumer of a queue, which is given so many messages ahead."""

    def __init__(self, url: str, queue: str, *, prefetch: int) -> None:
        self._connection = Connection(
            url, connect_timeout=_TIMEOUT_SECONDS, heartbeat=_HEARTBEAT_SECONDS
        )
        self._errors = _errors(self._connection)
        self._queue = queue
        self._prefetch = prefetch
        self._consumer: Consumer | None = None
        # Delivered, not yet read: never more than the prefetch.
        self._delivered: list[Message] = []

    @property
    def name(self) -> str:
        """The name that tells this source's messages from another's."""
        return f"amqp:{self._queue}"

    def read(self) -> Sequence[Message]:
        """Return what is delivered within a second, and what follows at once."""
        try:
            self._open()
            if not self._delivered:
                self._drain(_WAIT_SECONDS)
            while 0 < len(self._delivered) < self._prefetch:
                if not self._drain(_GATHER_SECONDS):
                    break
            self._connection.heartbeat_check()
        except self._errors as error:
            raise Unavailable("The source cannot be read") from error
        messages, self._delivered = self._delivered, []
        return messages

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Let the broker forget everything up to the last of `messages`."""
        if self._consumer is None:
            raise Unavailable("The source is not connected")
        channel: Any = self._consumer.channel
        try:
            channel.basic_ack(int(messages[-1].tag), multiple=True)
        except self._errors as error:
            raise Unavailable("The messages cannot be acknowledged") from error

    def keep_alive(self) -> None:
        """Read what keeps the connection, and keep what is delivered with it."""
        try:
            self._drain(_GATHER_SECONDS)
            self._connection.heartbeat_check()
        except self._errors as error:
            raise Unavailable("The source cannot be read") from error

    def close(self) -> None:
        """Disconnect; the broker delivers again what was not acknowledged."""
        with suppress(*self._errors):
            self._connection.release()
        self._consumer = None
        self._delivered.clear()

    def _open(self) -> None:
        if self._consumer is not None:
            return
        # A connection once released or lost is made anew.
        self._connection = self._connection.clone()
        queue = _declare(self._connection, self._queue)
        consumer = Consumer(
            self._connection.channel(),
            queues=[queue],
            on_message=self._receive,
            auto_declare=False,
            prefetch_count=self._prefetch,
        )
        consumer.consume()
        self._consumer = consumer

    def _drain(self, seconds: float) -> bool:
        """Handle what comes next; False if nothing comes within `seconds`."""
        try:
            self._connection.drain_events(timeout=seconds)
        except TimeoutError:
            return False
        return True

    def _receive(self, message: Any) -> None:
        body = message.body
        self._delivered.append(
            Message(
                id=str(message.properties.get("message_id") or ""),
                # Text where the producer told an encoding.
                body=body.encode() if isinstance(body, str) else bytes(body),
                tag=str(message.delivery_tag),
            )
        )


class QueueOutlet:
    """The queues of results and of messages that can never be imported."""

    def __init__(self, url: str, queue: str, *, ttl_seconds: float) -> None:
        # Without heartbeats, for which nobody would be there: a publish is over when
        # the broker has confirmed it, and a connection lost since the last is renewed.
        self._connection = Connection(
            url,
            connect_timeout=_TIMEOUT_SECONDS,
            transport_options={
                "read_timeout": _TIMEOUT_SECONDS,
                "write_timeout": _TIMEOUT_SECONDS,
            },
        )
        self._errors = _errors(self._connection)
        self._results = f"{queue}_result"
        self._dead = f"{queue}_dead"
        self._ttl_seconds = ttl_seconds
        self._producer: Producer | None = None
        self._sent = 0
        self._confirms = Confirms()

    def publish(self, results: Sequence[MessageResult]) -> None:
        """Publish `results`; the broker drops each when its time is over."""
        self._put(
            self._results,
            [(dump_result(result), {}) for result in results],
            expiration=self._ttl_seconds,
        )

    def dead_letter(self, refusals: Sequence[Refusal]) -> None:
        """Publish the messages as they came; headers tell what was wrong."""
        letters = [
            (
                refusal.message.body,
                {
                    "x-error": refusal.result.error,
                    "x-error-text": refusal.result.error_text,
                },
            )
            for refusal in refusals
        ]
        self._put(self._dead, letters)

    def expire(self) -> None:
        """Do nothing: the broker does it."""

    def close(self) -> None:
        """Disconnect."""
        with suppress(*self._errors):
            self._connection.release()
        self._producer = None

    def _put(
        self,
        queue: str,
        messages: Sequence[tuple[bytes, dict[str, object]]],
        **options: Any,
    ) -> None:
        """Publish all, then wait until the broker has confirmed the last of them."""
        try:
            producer = self._open()
            for body, headers in messages:
                producer.publish(
                    body,
                    exchange="",
                    routing_key=queue,
                    content_type="application/json",
                    content_encoding="utf-8",
                    delivery_mode=_PERSISTENT,
                    headers=headers,
                    **options,
                )
            self._sent += len(messages)
            while self._confirms.count < self._sent:
                self._connection.drain_events(timeout=_TIMEOUT_SECONDS)
        except self._errors as error:
            raise Unavailable("The results cannot be sent") from error

    def _open(self) -> Producer:
        if self._producer is None:
            self._connection = self._connection.clone()
            for queue in (self._results, self._dead):
                _declare(self._connection, queue)
            channel: Any = self._connection.channel()
            channel.confirm_select()
            self._sent, self._confirms = 0, Confirms()
            channel.events["basic_ack"].add(self._confirms.acknowledge)
            channel.events["basic_nack"].add(self._confirms.refuse)
            self._producer = Producer(channel)
        return self._producer
