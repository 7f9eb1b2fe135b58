"""The page that shows what the catalog declares of triggers and their endpoints."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from ingest.console.requests import Page, PageRequest
from ingest.domain.catalog import Endpoint, Trigger, Workflow
from ingest.domain.plans import DeclaredCatalog
from ingest.store.catalog.load import load_declared
from ingest.store.database import Connection
from ingest.store.events.endpoints import EndpointState, select_endpoints
from ingest.wire.catalog_schemas import EndpointSchema, TriggerSchema

#: Keys that have a column of their own.
_SHOWN = {"id", "name", "account", "database", "endpoint", "event", "url", "queue"}


class _Rules(Struct, frozen=True):
    endpoints: Sequence[EndpointState]
    declared: DeclaredCatalog


async def show_triggers(request: PageRequest) -> Page:
    """Show every endpoint and trigger, with all that the catalog declares of it."""
    rules = await request.services.read(_load)
    declared = rules.declared
    values = {
        "endpoints": [
            (state, list_keys(EndpointSchema(), declared.endpoints[state.id]))
            for state in rules.endpoints
            if state.id in declared.endpoints
        ],
        "triggers": [
            (each, _find_name(each, declared), list_keys(TriggerSchema(), each))
            for each in declared.triggers.values()
        ],
        "workflows": [
            (each, _find_name(each, declared)) for each in declared.workflows.values()
        ],
        "notified": {each.notify_id: each.name for each in declared.accounts.values()},
    }
    return Page(template="triggers.html", values=values)


def _load(connection: Connection) -> _Rules:
    endpoints = select_endpoints(connection).fetchall()
    return _Rules(endpoints, load_declared(connection))


def list_keys(
    schema: EndpointSchema | TriggerSchema, thing: Endpoint | Trigger
) -> Mapping[str, Any]:
    """Return what is declared of one, by the key in the file, but for the defaults."""
    table: Mapping[str, Any] = schema.dump(thing)
    return {key: value for key, value in table.items() if key not in _SHOWN}


def _find_name(rule: Trigger | Workflow, declared: DeclaredCatalog) -> str:
    """Return the name of the endpoint of a trigger or workflow."""
    endpoint = declared.endpoints.get(rule.endpoint_id)
    return "" if endpoint is None else endpoint.name
