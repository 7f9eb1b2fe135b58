"""Suggestions for the columns of a file, over HTTP (R1)."""

import io
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from falcon.asgi import Response
from msgspec import Meta, Struct, convert

from ingest.domain.catalog import Database
from ingest.doors.accept import check_access
from ingest.doors.files.formats.archives import PackLimits, unpack
from ingest.doors.files.jobs.creation import load_shared
from ingest.doors.files.jobs.options import make_reading
from ingest.doors.files.samples import read_sample
from ingest.doors.files.streams import Metered
from ingest.doors.http.calls import Call
from ingest.doors.http.intake import Intake
from ingest.doors.http.replies import reply
from ingest.doors.http.requests import find_secret
from ingest.doors.http.uploads import open_body
from ingest.settings import Settings
from ingest.wire.job_parameters import UploadParameters, load_upload
from ingest.wire.profile_schemas import ProfileSchemas
from ingest.wire.reply_types import SuccessReply
from ingest.wire.suggestions.proposals import propose
from ingest.wire.suggestions.views import show_proposal, write_map

#: Files that have to be there as a whole, such as workbooks, may be so large.
_MAX_BYTES = 64 * 1024 * 1024


class SuggestedColumn(Struct, frozen=True, kw_only=True):
    """A column, and what it is taken for."""

    name: str
    target: Annotated[
        str | None,
        Meta(description="Empty: left out. null: no field, or a question"),
    ]
    certain: bool
    why: str
    samples: Annotated[list[str], Meta(description="First values")]


class SuggestedChoice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An answer to a question."""

    value: str
    meaning: str
    first_of: Annotated[
        list[str], Meta(description="Columns of which the first that is filled counts")
    ] = []


class SuggestionQuestion(Struct, frozen=True, kw_only=True):
    """A question that only a person can answer."""

    about: str
    option: Annotated[
        str, Meta(description="Option that the answer is for; `columns` is `map`")
    ]
    column: str | None
    choices: list[SuggestedChoice]


class QueryPair(Struct, frozen=True, kw_only=True):
    """A parameter of an import."""

    name: str
    value: str


class SuggestionReply(SuccessReply, frozen=True, kw_only=True):
    """A suggestion for the columns of a file."""

    system: str | None
    title: str | None
    encoding: str | None
    delimiter: str | None
    columns: list[SuggestedColumn]
    questions: list[SuggestionQuestion]
    notes: list[str]
    parameters: Annotated[
        list[QueryPair],
        Meta(description="What is certain, as query parameters of `jobs/import`"),
    ]
    map_file: Annotated[
        str,
        Meta(description="The suggestion as a map file, in TOML, with its questions"),
    ]


class SuggestResource:
    """POST of a file, of which only the beginning is read."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def on_post(self, req: Call, resp: Response) -> None:
        """Check who asks, look at the first rows, answer; nothing is stored."""
        resp.set_header("Connection", "close")
        req.settle_format()
        told = load_upload(req.params, req.content_type)
        token = await self._intake.catalog.get_token(find_secret(req))
        await self._intake.rates.spend(token, resp)
        schemas = ProfileSchemas(self._intake.catalog.get_catalog())
        shared = load_shared(told.parameters, schemas)
        check_access(token, shared.database_id, schemas.catalog)
        await self._intake.admission.admit()
        database = schemas.catalog.databases[shared.database_id]
        settings = self._intake.settings
        work = partial(suggest_upload, settings, told, database, open_body(req))
        req.is_parsed = True
        reply(req, resp, 200, await self._intake.uploads.look(work))


def suggest_upload(
    settings: Settings, told: UploadParameters, database: Database, body: io.RawIOBase
) -> SuggestionReply:
    """Return the suggestion for a file; raises InvalidRequest, UnreadableFile."""
    limits = PackLimits(
        max_bytes=min(settings.max_file_bytes, _MAX_BYTES),
        max_ratio=settings.max_unpack_ratio,
        max_members=1,
    )
    reading = make_reading(settings, told.parameters, resource_id=None)
    reading = replace(reading, format=told.format)
    with unpack(Metered(body), limits, single=True) as files:
        ((_, stream),) = files
        sample = read_sample(stream, reading, told.name)
    chosen: Any = told.parameters.get("map") or {}
    proposal = propose(sample, database, chosen)
    text = write_map(proposal, f"POST jobs/import?db_id={database.id}")
    shown = show_proposal(proposal) | {"map_file": text}
    return convert(shown, SuggestionReply)
