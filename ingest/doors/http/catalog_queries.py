"""Queries of the catalog (contract 6.4, 6.5, and 12)."""

from ingest.domain.catalog import Resource
from ingest.domain.catalog_views import (
    view_database,
    view_database_fields,
    view_resource,
    view_resource_fields,
)
from ingest.domain.errors import Forbidden, NotFound
from ingest.domain.tokens import Scope
from ingest.doors.http.profile_queries import check_database
from ingest.doors.http.queries import Query
from ingest.wire.queries import find_channel, load_id
from ingest.wire.reply_types import (
    DatabasesReply,
    FieldsReply,
    ResourceReply,
    ResourcesReply,
)


async def list_databases(asked: Query) -> DatabasesReply:
    """Answer `databases/list`: those the asker may read."""
    readable = _readable(asked)
    databases = asked.catalog.databases
    return DatabasesReply(data=[view_database(databases[id_]) for id_ in readable])


async def list_database_fields(asked: Query) -> FieldsReply:
    """Answer `databases/fields_get`: what `data` may hold."""
    database_id = load_id(asked.document, "db_id")
    check_database(asked, database_id, Scope.READ)
    fields = view_database_fields(asked.catalog.databases[database_id])
    return FieldsReply(data=fields)


async def list_resources(asked: Query) -> ResourcesReply:
    """Answer `resources/list`: those of databases the asker may read."""
    readable = _readable(asked)
    return ResourcesReply(
        data=[
            view_resource(resource, readable)
            for _, resource in sorted(asked.catalog.resources.items())
            if _is_visible(resource, readable)
        ]
    )


async def get_resource(asked: Query) -> ResourceReply:
    """Answer `resources/get`: channels, databases and names (contract 6.4)."""
    return ResourceReply(data=view_resource(_find_resource(asked), _readable(asked)))


async def list_resource_fields(asked: Query) -> FieldsReply:
    """Answer `resources/fields_get`: what `custom_fields` may hold (contract 6.5)."""
    resource = _find_resource(asked)
    channel = find_channel(asked.document)
    return FieldsReply(data=view_resource_fields(resource, channel))


def _find_resource(asked: Query) -> Resource:
    readable = _readable(asked)
    resource = asked.catalog.resources.get(load_id(asked.document, "id"))
    # One of other databases is as unknown as one that does not exist.
    if resource is None or not _is_visible(resource, readable):
        raise NotFound("Resource not found", "id")
    return resource


def _is_visible(resource: Resource, readable: list[int]) -> bool:
    return not resource.database_ids.isdisjoint(readable)


def _readable(asked: Query) -> list[int]:
    """Return the ids of the databases that the asker may read."""
    if Scope.READ not in asked.token.actions:
        raise Forbidden("The API token lacks the read scope", "token")
    return sorted(
        id_ for id_ in asked.catalog.databases if asked.token.allows(Scope.READ, id_)
    )
