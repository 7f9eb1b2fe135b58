"""A request to the console by an admin, and what it is answered with."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from falcon.asgi import Request

from ingest.console.guard import check_text
from ingest.console.services import Services
from ingest.domain.errors import NotFound
from ingest.domain.tokens import Token

#: How the ids of profiles are written.
PROFILE_ID = re.compile("[0-9a-f]{24}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """A request for a page."""

    req: Request
    services: Services
    admin: Token
    #: What the path named.
    names: Mapping[str, str]
    #: The fields of a form that was sent; empty otherwise.
    form: Mapping[str, str] = field(default_factory=dict)

    def uuid(self, name: str) -> UUID:
        """Return the id that the path names; raise NotFound for none."""
        try:
            return UUID(self.names[name])
        except ValueError as error:
            raise NotFound("Page not found") from error

    def number(self, name: str) -> int:
        """Return the number that the path names; raise NotFound for none."""
        text = self.names[name]
        if not (text.isascii() and text.isdecimal() and len(text) < 10):
            raise NotFound("Page not found")
        return int(text)

    def find_parameter(self, name: str) -> str | None:
        """Return what the query says of `name`; None for nothing, or blanks.

        Raises InvalidRequest for what no text of ours holds.
        """
        text: str | None = self.req.get_param(name)
        return check_text((text or "").strip(), name) or None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A template and what it shows."""

    template: str
    values: Mapping[str, object] = field(default_factory=dict)
    status: int = 200
    #: Whether its script sends files to us.
    sends_files: bool = False


@dataclass(frozen=True, slots=True)
class Redirect:
    """See another page instead."""

    location: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file to be saved, as it is read."""

    name: str
    content_type: str
    stream: AsyncIterator[bytes]


View = Callable[[PageRequest], Awaitable[Page | Redirect | Attachment]]
