"""A path that is asked with a body, and the kinds of these."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from msgspec import Struct

from ingest.domain.declarations import KEY_PARTS, PARAMETERS, list_names
from ingest.domain.imports import Level
from ingest.doors.http.openapi.schemas import (
    JsonSchema,
    build_subscription_properties,
    describe_parameter,
    describe_parameters,
)
from ingest.wire.promises import DRY_RUN
from ingest.wire.reply_types import (
    AcceptedBatchReply,
    AcceptedReply,
    DryRunBatchReply,
    DryRunReply,
    ImportedBatchReply,
    ImportedReply,
)

#: The profile of the examples.
PROFILE_ID = "6b04f28ad691ecc2e1a166f2"

_SAID = ("token", "format")
WHOSE = (*_SAID, "sync", "lane", DRY_RUN, "db_id")
#: Listed where they belong.
_ONCE = frozenset({"db_id", "data"})
KEY_NAMES = tuple(
    one.name
    for one in PARAMETERS
    if one.member in {*KEY_PARTS, "matching", "resource_id"}
)
IMPORT = (*WHOSE, *(one for one in list_names(Level.REQUEST) if one not in _ONCE))
_ADD = tuple(one for one in IMPORT if one not in KEY_NAMES)
_ONE = ("db_id", "data")
#: The `data` of a batch.
ELEMENTS: JsonSchema = describe_parameter("elements")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiOperation:
    """One path, what it is sent and what it answers when all is well."""

    path: str
    tag: Literal["Import", "Read", "Catalog"]
    summary: str
    parameters: tuple[str, ...]
    required: tuple[str, ...]
    #: The reply.
    answer: type[Struct]
    #: A request that works on the demo catalog, without its token.
    example: Mapping[str, object]
    #: The reply to an import that still waits, if any.
    accepted: type[Struct] | None = None
    others: Mapping[str, JsonSchema] = field(default_factory=dict)

    @property
    def answers(self) -> tuple[type[Struct], ...]:
        """The replies to what was done, or tried."""
        if self.accepted is None:
            return (self.answer,)
        is_batch = self.answer is ImportedBatchReply
        return self.answer, DryRunBatchReply if is_batch else DryRunReply

    def describe_body(self) -> JsonSchema:
        """Return the schema of the request's body."""
        return describe_parameters(self.parameters, self.required, **self.others)


def describe_one(
    path: str, summary: str, *, example: Mapping[str, object]
) -> ApiOperation:
    """Describe a request of one import."""
    return ApiOperation(
        path=f"/api/v1.1/profiles/{path}",
        tag="Import",
        summary=summary,
        parameters=(*(_ADD if path == "add" else IMPORT), "data"),
        required=_ONE,
        answer=ImportedReply,
        accepted=AcceptedReply,
        example=example,
    )


def describe_batch(
    path: str, summary: str, *, example: Mapping[str, object]
) -> ApiOperation:
    """Describe a request of many imports."""
    return ApiOperation(
        path=f"/api/v1.1/profiles/{path}",
        tag="Import",
        summary=summary,
        parameters=_ADD if path == "add_batch" else IMPORT,
        required=_ONE,
        answer=ImportedBatchReply,
        accepted=AcceptedBatchReply,
        example=example,
        others={"data": ELEMENTS},
    )


def describe_membership(path: str, summary: str) -> ApiOperation:
    """Describe a request that changes a segment's members."""
    return ApiOperation(
        path=f"/api/v1.1/profiles/segstatic/{path}",
        tag="Import",
        summary=summary,
        parameters=(*WHOSE, "profile_id", "segment_id", "skip_triggers"),
        required=("db_id", "profile_id", "segment_id"),
        answer=ImportedReply,
        accepted=AcceptedReply,
        example={"db_id": 1, "profile_id": PROFILE_ID, "segment_id": 1},
    )


def describe_change(
    path: str, summary: str, *, example: Mapping[str, object] | None = None
) -> ApiOperation:
    """Describe a request that changes one subscription, as `example` does, or all."""
    whose = ("db_id", "profile_id")
    contact = ("email", "phone", "provider", "subscription_id") if example else ()
    sent = build_subscription_properties()
    places = ("resource_id", "cc_data") if example else ("resource_id",)
    return ApiOperation(
        path=f"/api/v1.1/subscriptions/{path}",
        tag="Import",
        summary=summary,
        parameters=(*WHOSE, "profile_id", "channel", *contact, "skip_triggers"),
        required=(*whose, "resource_id", "channel") if example else whose,
        answer=ImportedReply,
        accepted=AcceptedReply,
        others={name: sent[name] for name in places},
        example=example or {"db_id": 1, "profile_id": PROFILE_ID},
    )


def describe_start(
    path: str,
    summary: str,
    *,
    others: Mapping[str, JsonSchema],
    example: Mapping[str, object],
) -> ApiOperation:
    """Describe a request that starts what the first of `others` names.

    Its example says whether it imports nothing, a profile, or many.
    """
    data = example.get("data")
    many = isinstance(data, list)
    imports = () if data is None else ("data",)
    parameters = IMPORT if imports else (*WHOSE, *KEY_NAMES)
    return ApiOperation(
        path=f"/api/v1.1/{path}",
        tag="Import",
        summary=summary,
        parameters=parameters if many else (*parameters, *imports),
        required=(next(iter(others)), *imports),
        answer=ImportedBatchReply if many else ImportedReply,
        accepted=AcceptedBatchReply if many else AcceptedReply,
        others={**others, "data": ELEMENTS} if many else others,
        example=example,
    )


#: The first words of paths that read profiles.
_READ = ("profiles", "subscriptions", "segments")


def describe_query(
    path: str,
    summary: str,
    answer: type[Struct],
    *names: str,
    required: tuple[str, ...] = (),
    others: Mapping[str, JsonSchema] = MappingProxyType({}),
    example: Mapping[str, object] = MappingProxyType({}),
) -> ApiOperation:
    """Describe a request that imports nothing."""
    return ApiOperation(
        path=f"/api/v1.1/{path}",
        tag="Read" if path.startswith(_READ) else "Catalog",
        summary=summary,
        parameters=(*_SAID, *names),
        required=required,
        answer=answer,
        others=others,
        example=example,
    )
