"""Interfaces of message brokers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ingest.wire.messages import MessageResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message as its broker delivered it."""

    #: Its name, the same at each delivery; empty for none.
    id: str
    body: bytes
    #: What acknowledges this delivery.
    tag: str
    #: The moment that belongs to the id, where the broker tells one.
    milliseconds: int | None = None
    #: Why it holds no body to read; empty where it does.
    flaw: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A message that becomes no import: answered, kept aside, never tried again."""

    message: Message
    result: MessageResult


class MessageSource(Protocol):
    """A source of messages; every method may raise Unavailable."""

    @property
    def name(self) -> str:
        """The name that tells this source's messages from another's."""

    def read(self) -> Sequence[Message]:
        """Return the next messages; none if none comes within a second."""

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Let the broker forget `messages`, all that the last `read` returned."""

    def keep_alive(self) -> None:
        """Do what the broker expects of a consumer that reads nothing for a while."""

    def close(self) -> None:
        """Disconnect; what was not acknowledged will be delivered again."""


class Outlet(Protocol):
    """An outlet for results; every method may raise Unavailable."""

    def publish(self, results: Sequence[MessageResult]) -> None:
        """Send `results`, each at least once."""

    def dead_letter(self, refusals: Sequence[Refusal]) -> None:
        """Keep messages that can never be imported (contract 14, point 70)."""

    def expire(self) -> None:
        """Drop results that are past their time, where the broker does not."""

    def close(self) -> None:
        """Disconnect."""
