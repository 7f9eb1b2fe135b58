"""Declared catalogs for tests: one made by hand, and any that is well-formed."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from ingest.domain.catalog import (
    Channel,
    ConfirmationPolicy,
    Database,
    Endpoint,
    EventKind,
    Field,
    FieldType,
    Novelty,
    Resource,
    Segment,
    SegmentKind,
    SuppressionAction,
    SuppressionList,
    Trigger,
    Workflow,
)
from ingest.domain.consent import REQUIREMENTS, ConsentPolicy
from ingest.domain.imports import OnAmbiguous, Otherwise
from ingest.domain.plans import Account, DeclaredCatalog
from ingest.domain.statuses import DECIDED, STATUSES
from ingest.store.catalog.load import load_declared
from ingest.store.catalog.save import save_catalog
from ingest.store.database import Connection


def make_field(name: str = "points", **changes: Any) -> Field:
    return Field(**{"name": name, "type": FieldType.INT, **changes})


def make_declared(
    *fields: Field,
    resource_fields: tuple[Field, ...] = (),
    segments: tuple[Segment, ...] = (),
) -> DeclaredCatalog:
    """One account, database 1 with `fields`, and resource 1 bound to it."""
    return DeclaredCatalog(
        accounts={1: Account(id=1, name="Acme")},
        databases={
            1: Database(
                id=1,
                name="Customers",
                account_id=1,
                default_resource_id=1,
                fields={field.name: field for field in fields},
            )
        },
        resources={
            1: Resource(
                id=1,
                name="Shop",
                account_id=1,
                database_ids=frozenset({1}),
                channels=frozenset({Channel.EMAIL}),
                fields={field.name: field for field in resource_fields},
            )
        },
        segments={segment.id: segment for segment in segments},
    )


def change_database(connection: Connection, **changes: Any) -> None:
    """Change what is declared of database 1."""
    with connection.transaction():
        declared = load_declared(connection)
        databases = {1: replace(declared.databases[1], **changes)}
        save_catalog(
            connection,
            replace(declared, databases={**declared.databases, **databases}),
        )


def change_resource(connection: Connection, number: int = 1, **changes: Any) -> None:
    """Change what is declared of a resource."""
    with connection.transaction():
        declared = load_declared(connection)
        resources = {number: replace(declared.resources[number], **changes)}
        save_catalog(
            connection,
            replace(declared, resources={**declared.resources, **resources}),
        )


def change_account(connection: Connection, **changes: Any) -> None:
    """Change what is declared of account 1."""
    with connection.transaction():
        declared = load_declared(connection)
        accounts = {1: replace(declared.accounts[1], **changes)}
        save_catalog(
            connection,
            replace(declared, accounts={**declared.accounts, **accounts}),
        )


def make_segment(**changes: Any) -> Segment:
    attributes = {"id": 1, "name": "New", "database_id": 1, "kind": SegmentKind.STATIC}
    return Segment(**{**attributes, **changes})


_texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20
)
_names = _texts.filter(lambda text: bool(text.strip()))
_ids = st.integers(1, 2**31 - 1)
_options = st.lists(_names, min_size=1, max_size=4, unique=True).map(tuple)
_channels = st.frozensets(st.sampled_from(Channel))
_field_names = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,20}", fullmatch=True).filter(
    lambda name: (
        name not in {"email", "phones", "subscriptions", "id", "db_id", "profile_id"}
    )
)
#: By type, what a default may be.
_defaults: dict[FieldType, st.SearchStrategy[object]] = {
    FieldType.INT: st.integers(-(2**63), 2**63 - 1),
    FieldType.FLOAT: st.floats(allow_nan=False, allow_infinity=False),
    FieldType.BOOL: st.booleans(),
    FieldType.UNICODE: _texts.filter(bool),
    FieldType.DATE: st.just("1990-02-22T21:00:00Z"),
    FieldType.IP: st.just("127.0.0.1"),
    FieldType.OBJECT: st.just({"a b": [1, True, {"c": "d"}]}),
}


@st.composite
def database_fields(draw: st.DrawFn) -> Field:
    kind = draw(st.sampled_from([*_defaults, FieldType.ENUM, FieldType.TAGS]))
    unique = kind not in {FieldType.TAGS, FieldType.OBJECT} and draw(st.booleans())
    return Field(
        name=draw(_field_names),
        type=kind,
        title=draw(_texts),
        required=draw(st.booleans()),
        default=draw(st.none() | _defaults.get(kind, st.none())),
        options=draw(_options) if kind is FieldType.ENUM else (),
        match=unique or (kind is not FieldType.OBJECT and draw(st.booleans())),
        unique=unique,
    )


@st.composite
def _resource_fields(draw: st.DrawFn) -> Field:
    return Field(
        name=draw(_field_names),
        type=draw(st.sampled_from([FieldType.UNICODE, FieldType.VERSION])),
        title=draw(_texts),
        required=draw(st.booleans()),
        channels=draw(_channels),
    )


def _by_name(fields: list[Field]) -> dict[str, Field]:
    return {field.name: field for field in fields}


def make_endpoint(**changes: Any) -> Endpoint:
    attributes = {"id": 1, "name": "CRM", "account_id": 1, "url": "https://crm.test/in"}
    return Endpoint(**{**attributes, **changes})


def make_trigger(**changes: Any) -> Trigger:
    attributes = {"id": 1, "name": "Tell", "database_id": 1, "endpoint_id": 1}
    return Trigger(**{**attributes, "event": EventKind.IMPORT, **changes})


def make_workflow(**changes: Any) -> Workflow:
    attributes = {"id": 1, "name": "Greet", "database_id": 1, "endpoint_id": 1}
    return Workflow(**{**attributes, **changes})


#: Of any endpoint.
_limits = {
    "rate": st.none() | st.floats(0.1, 10_000),
    "concurrency": st.integers(1, 256),
    "disable_after": st.sampled_from(["", "1h", "5d", "30d"]),
}
_endpoints = st.builds(
    make_endpoint,
    id=_ids,
    name=_names,
    account_id=st.just(7),
    batch=st.integers(1, 1000),
    linger=st.sampled_from(["", "1s", "60s"]),
    **_limits,
) | st.builds(
    make_endpoint,
    id=_ids,
    name=_names,
    account_id=st.just(7),
    url=st.just(""),
    queue=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True),
    **_limits,
)


@st.composite
def _triggers(
    draw: st.DrawFn, database_ids: list[int], resources: list[int], endpoint: int
) -> Trigger:
    event = draw(st.sampled_from(EventKind))
    conditions: dict[str, Any] = {}
    if event is EventKind.SUBSCRIPTION:
        conditions = {
            "resource_id": draw(st.sampled_from([None, *resources])),
            "channel": draw(st.none() | st.sampled_from(Channel)),
            "novelties": draw(st.frozensets(st.sampled_from(Novelty))),
            "statuses": draw(st.frozensets(st.sampled_from([*STATUSES]))),
            "from_statuses": draw(st.frozensets(st.sampled_from([*STATUSES]))),
        }
    elif event in {EventKind.PROFILE_CREATED, EventKind.PROFILE_UPDATED}:
        conditions = {"fields": draw(st.frozensets(st.just("email")))}
    if event is EventKind.PROFILE_UPDATED:
        for key in ("when", "was"):
            conditions[key] = draw(st.none() | st.sampled_from(_FILTERS))
    if event is not EventKind.API_CALL:
        limit = {"once": st.just(True), "every": st.sampled_from(["15m", "2y"])}
        name = draw(st.sampled_from([None, *limit]))
        conditions |= {name: draw(limit[name])} if name else {}
    conditions["delay"] = draw(st.sampled_from(["", "1m", "36h", "30d"]))
    if conditions["delay"] and conditions.get("when"):
        conditions["recheck"] = draw(st.booleans())
    include = draw(st.lists(st.sampled_from(["email", "segments", "*"]), max_size=2))
    return make_trigger(
        id=draw(_ids),
        name=draw(_names),
        database_id=draw(st.sampled_from(database_ids)),
        endpoint_id=endpoint,
        event=event,
        include=tuple(include),
        **conditions,
    )


def _workflows(
    database_ids: list[int], endpoints: list[int]
) -> st.SearchStrategy[Workflow]:
    return st.builds(
        make_workflow,
        id=_ids,
        name=_names,
        database_id=st.sampled_from(database_ids),
        endpoint_id=st.sampled_from(endpoints),
    )


def _by_id(things: list[Any]) -> dict[int, Any]:
    return {thing.id: thing for thing in things}


_FILTERS: tuple[dict[str, Any], ...] = (
    {"field": "_bdate", "birthday": 7},
    {"field": "_os", "in": ["iOS", "a b"], "exists": True},
    {"all": [{"field": "email", "exists": True}, {"not": {"subscription": {}}}]},
    {"any": [{"all": [{"field": "_status", "eq": 0}]}, {"field": "_os", "ne": "\"'"}]},
    {"subscription": {"channel": "email", "fields": [{"field": "_os", "eq": "iOS"}]}},
)


@st.composite
def _segments(
    draw: st.DrawFn, ids: list[int], database_ids: list[int]
) -> dict[int, Segment]:
    """Segments of the first database, of which dynamic ones name earlier ones."""
    segments: dict[int, Segment] = {}
    for id_ in ids:
        named = [{"not": {"segment": other}} for other in segments]
        is_filtered = draw(st.booleans())
        segments[id_] = make_segment(
            id=id_,
            name=draw(_names),
            database_id=min(database_ids),
            kind=SegmentKind.DYNAMIC
            if is_filtered
            else draw(st.sampled_from(SegmentKind)),
            filter=draw(st.sampled_from([*_FILTERS, *named])) if is_filtered else None,
            announce=is_filtered and draw(st.booleans()),
        )
    return segments


_waits = st.sampled_from(["15m", "36h", "1d", "2w", "1y"])


@st.composite
def _confirmations(draw: st.DrawFn, channels: frozenset[Channel]) -> dict[str, Any]:
    """What a resource of these channels may say of confirmation."""
    if not channels or draw(st.booleans()):
        return {}
    policy = ConfirmationPolicy(
        channels=draw(st.frozensets(st.sampled_from(sorted(channels)), min_size=1)),
        expires=draw(_waits),
        resend_after=draw(_waits),
        resend_limit=draw(st.integers(0, 100)),
        redirect=draw(st.sampled_from(["", "https://shop.test/thanks?a=b"])),
        one_click=draw(st.booleans()),
    )
    days = draw(st.none() | st.integers(400, 3650))
    return {"confirm": policy, "unconfirmed_days": days}


@st.composite
def _suppressions(
    draw: st.DrawFn, resource_ids: list[int]
) -> dict[int, SuppressionList]:
    named = st.sampled_from(resource_ids or [1])
    return {
        id_: SuppressionList(
            id=id_,
            name=draw(_names),
            account_id=7,
            resource_ids=draw(st.frozensets(named)) if resource_ids else frozenset(),
            channels=draw(_channels),
            action=draw(st.sampled_from(SuppressionAction)),
            status=draw(st.sampled_from(DECIDED)),
        )
        for id_ in draw(st.lists(_ids, max_size=2, unique=True))
    }


def _followed(list_ids: list[int]) -> st.SearchStrategy[dict[str, Any]]:
    """Statuses that put a contact on a list, and that list; or neither."""
    if not list_ids:
        return st.just({})
    statuses = st.frozensets(st.sampled_from(DECIDED), min_size=1)
    both = {"suppress_on": statuses, "suppress_list_id": st.sampled_from(list_ids)}
    return st.just({}) | st.fixed_dictionaries(both)


@st.composite
def declared_catalogs(draw: st.DrawFn) -> DeclaredCatalog:
    """Any catalog that a file can declare, of one account."""
    database_ids = draw(st.lists(_ids, max_size=3, unique=True))
    resource_ids = draw(st.lists(_ids, max_size=3, unique=True))
    endpoints = _by_id(draw(st.lists(_endpoints, max_size=2)))
    triggers: list[Trigger] = []
    workflows: list[Workflow] = []
    if endpoints and database_ids:
        rule = _triggers(database_ids, resource_ids, min(endpoints))
        triggers = draw(st.lists(rule, max_size=3))
        workflows = draw(st.lists(_workflows(database_ids, [*endpoints]), max_size=2))
    segment_ids = draw(st.lists(_ids, max_size=3, unique=True)) if database_ids else []
    suppressions = draw(_suppressions(resource_ids))
    return DeclaredCatalog(
        accounts={
            7: Account(
                id=7,
                name=draw(_names),
                raise_consent=draw(st.booleans()),
                notify_id=draw(st.sampled_from([None, *endpoints])),
            )
        },
        databases={
            id_: Database(
                id=id_,
                name=draw(_names),
                account_id=7,
                default_resource_id=draw(st.sampled_from([None, *resource_ids])),
                ignore_unknown_fields=draw(st.booleans()),
                phone_region=draw(st.sampled_from([None, "RU", "GB"])),
                times=draw(st.booleans()),
                timezone=draw(st.sampled_from(["UTC", "Europe/Moscow"])),
                consent=draw(st.sampled_from([None, *ConsentPolicy])),
                forget_list_id=draw(st.sampled_from([None, *suppressions])),
                sources=draw(
                    st.dictionaries(
                        st.sampled_from(["crm", "web-1", "a.b_c"]), st.integers(0, 1000)
                    )
                ),
                field_sources=draw(
                    st.dictionaries(
                        st.sampled_from(["email", "phones", "_fname"]),
                        st.dictionaries(
                            st.sampled_from(["crm", "web-1"]),
                            st.integers(0, 1000),
                            min_size=1,
                        ),
                    )
                ),
                on_ambiguous=draw(st.sampled_from(OnAmbiguous)),
                otherwise=draw(st.sampled_from(Otherwise)),
                fields=_by_name(draw(st.lists(database_fields(), max_size=3))),
            )
            for id_ in database_ids
        },
        resources={
            id_: Resource(
                id=id_,
                name=draw(_names),
                account_id=7,
                # Bound to all, so that each may be any database's default.
                database_ids=frozenset(database_ids),
                channels=channels,
                categories=draw(st.frozensets(_names, max_size=2)),
                fields=_by_name(draw(st.lists(_resource_fields(), max_size=2))),
                raise_new_priority=draw(st.booleans()),
                consent=draw(st.sampled_from([None, *ConsentPolicy])),
                consent_requires=draw(
                    st.lists(st.sampled_from(REQUIREMENTS), max_size=3).map(tuple)
                ),
                consent_history=draw(st.booleans()),
                **draw(_confirmations(channels)),
                url=draw(_texts),
                **draw(_followed([*suppressions])),
            )
            for id_ in resource_ids
            for channels in [draw(_channels)]
        },
        suppressions=suppressions,
        segments=draw(_segments(segment_ids, database_ids)),
        endpoints=endpoints,
        triggers=_by_id(triggers),
        workflows=_by_id(workflows),
    )
