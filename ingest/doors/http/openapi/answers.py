"""The shapes of replies, as JSON Schema, made of the types that are written."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.json import schema_components

from ingest.domain.views import ProfileView
from ingest.doors.http.job_faults import FaultsReply
from ingest.doors.http.job_views import JobReply, JobsReply
from ingest.doors.http.openapi.schemas import JsonSchema
from ingest.doors.http.suggestions import SuggestionReply
from ingest.wire import reply_types

_REFERENCE = "#/components/schemas/{name}"
#: Every reply; what they are made of follows.
_REPLIES: tuple[type[Struct], ...] = (
    *(one for name, one in vars(reply_types).items() if name.endswith("Reply")),
    FaultsReply,
    SuggestionReply,
    JobReply,
    JobsReply,
    ProfileView,
)


def refer(*replies: type[Struct]) -> JsonSchema:
    """Return a reference to the shape of a reply, or of one of several."""
    shapes: list[JsonSchema] = [
        {"$ref": _REFERENCE.format(name=reply.__name__)} for reply in replies
    ]
    return shapes[0] if len(shapes) == 1 else {"anyOf": shapes}


def build_answer_schemas() -> dict[str, JsonSchema]:
    """Return the shapes of replies, and of what they are made of, by name."""
    _, shapes = schema_components(_REPLIES, ref_template=_REFERENCE)
    return {name: _finish(shape) for name, shape in shapes.items()}


def _finish(shape: Mapping[str, Any]) -> JsonSchema:
    """Say of an object that a member with a default is written too."""
    if "enum" in shape:
        return {"type": "string", "enum": shape["enum"]}
    members: dict[str, dict[str, object]] = shape["properties"]
    written = [
        name
        for name, member in members.items()
        if name in shape["required"] or "default" in member
    ]
    properties = {
        name: {key: value for key, value in member.items() if key != "default"}
        for name, member in members.items()
    }
    return {
        "type": "object",
        "description": shape["description"],
        "properties": properties,
        "required": written,
        "xml": {"name": "xml"},
    }
