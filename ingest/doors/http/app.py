"""The HTTP door: routes, and the lifetime of what stands behind them."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from urllib.parse import unquote_to_bytes

import falcon.asgi
from falcon.asgi import Response

from ingest.domain.errors import InvalidRequest, PenstockError
from ingest.domain.imports import Operation, SubscriptionChange
from ingest.doors.http import (
    catalog_queries,
    jobs,
    profile_queries,
    segment_queries,
    suppression_queries,
)
from ingest.doors.http.batch_receipts import BatchReceiptsResource
from ingest.doors.http.batches import PATH, BatchResource
from ingest.doors.http.calls import SUGGESTIONS, UPLOADS, Call
from ingest.doors.http.confirm_page import PATH as PAGE_PATH
from ingest.doors.http.confirm_page import ConfirmPage
from ingest.doors.http.confirmations import (
    Confirmations,
    ConfirmRequestResource,
    ConfirmResource,
)
from ingest.doors.http.counting import Counting
from ingest.doors.http.docs import make_docs
from ingest.doors.http.exports import ExportResource
from ingest.doors.http.heads import HeadRouter
from ingest.doors.http.health import LiveResource, ReadyResource
from ingest.doors.http.held import ResolveResource, list_held
from ingest.doors.http.imports import ImportLoader, ImportResource, ReceiptResource
from ingest.doors.http.intake import Intake
from ingest.doors.http.job_faults import FaultsResource
from ingest.doors.http.job_lists import JobsResource
from ingest.doors.http.job_undo import UndoJobResource
from ingest.doors.http.many_undo import UndoManyResource
from ingest.doors.http.merges import (
    MergeResource,
    UnmergeResource,
    list_profile_merges,
)
from ingest.doors.http.queries import QueryHandler, QueryResource
from ingest.doors.http.quick import QuickResource
from ingest.doors.http.replies import Faults, serialize_http_error
from ingest.doors.http.resends import ResendResource
from ingest.doors.http.suggestions import SuggestResource
from ingest.doors.http.tracing import Tracing
from ingest.doors.http.undo import UndoResource
from ingest.settings import Settings
from ingest.wire.batches import load_batch
from ingest.wire.envelopes import load_envelope
from ingest.wire.single_changes import (
    load_membership,
    load_subscription,
    load_subscription_change,
)
from ingest.wire.trigger_starts import (
    load_import_and_start,
    load_import_and_start_batch,
    load_start,
)

#: How the endpoints of one import each read a request (contract 2.3).
_LOADERS: Mapping[str, ImportLoader] = {
    "/api/v1.1/profiles/import": load_envelope,
    "/api/v1.1/profiles/update": partial(load_envelope, operation=Operation.UPDATE),
    "/api/v1.1/profiles/add": partial(load_envelope, operation=Operation.ADD),
    "/api/v1.1/profiles/segstatic/add": partial(load_membership, member=True),
    "/api/v1.1/profiles/segstatic/remove": partial(load_membership, member=False),
}
_SUBSCRIPTIONS = "/api/v1.1/subscriptions"
#: What is done to subscriptions that a profile has, by the last word of the path
#: (contract 16.5). `undelete` is what the original calls it.
_CHANGES = {
    one.value: one
    for one in SubscriptionChange
    if one is not SubscriptionChange.SUPPRESS
} | {"undelete": SubscriptionChange.RESTORE}
#: What the reading endpoints answer with, and the deleting one (contract 12).
_QUERIES: Mapping[str, QueryHandler] = {
    "/api/v1.1/profiles/get": profile_queries.get_profile,
    "/api/v1.1/profiles/list": profile_queries.list_profiles,
    "/api/v1.1/profiles/find": profile_queries.find_profiles,
    "/api/v1.1/profiles/delete": profile_queries.delete,
    "/api/v1.1/subscriptions/get": profile_queries.get_subscription,
    "/api/v1.1/subscriptions/list": profile_queries.list_subscriptions,
    "/api/v1.1/subscriptions/history": profile_queries.list_subscription_history,
    "/api/v1.1/profiles/merges": list_profile_merges,
    "/api/v1.1/profiles/segments": segment_queries.list_profile_segments,
    "/api/v1.1/segments/list": segment_queries.list_segments,
    "/api/v1.1/segments/count": segment_queries.count_segment,
    "/api/v1.1/segments/members": segment_queries.list_segment_members,
    "/api/v1.1/segments/preview": segment_queries.preview_segment,
    "/api/v1.1/suppressions/list": suppression_queries.list_suppressions,
    "/api/v1.1/suppressions/add": suppression_queries.add_contacts,
    "/api/v1.1/suppressions/remove": suppression_queries.remove_contacts,
    "/api/v1.1/suppressions/check": suppression_queries.check_contacts,
    "/api/v1.1/imports/held": list_held,
    "/api/v1.1/databases/list": catalog_queries.list_databases,
    "/api/v1.1/databases/fields_get": catalog_queries.list_database_fields,
    "/api/v1.1/resources/list": catalog_queries.list_resources,
    "/api/v1.1/resources/get": catalog_queries.get_resource,
    "/api/v1.1/resources/fields_get": catalog_queries.list_resource_fields,
}
_BATCHES = {
    "/api/v1.1/profiles/import_batch": Operation.IMPORT,
    "/api/v1.1/profiles/update_batch": Operation.UPDATE,
    "/api/v1.1/profiles/add_batch": Operation.ADD,
}
#: What is told of a job, and done to it.
_JOBS: Mapping[str, Callable[[Intake], object]] = {
    "": jobs.JobResource,
    "/cancel": jobs.CancelResource,
    "/results": jobs.ResultsResource,
    "/rejects": jobs.RejectsResource,
    "/faults": FaultsResource,
}
#: What can be started with a profile, by the parameter that names it (7.3, 16.5).
_STARTS = {
    "trigger_id": "/api/v1.1/campaigns/triggers",
    "workflow_id": "/api/v1.1/workflows",
}
#: A web form (contract 10.4).
_QUICK = "/api/integrations/any/profile_import"
_SLASHES = re.compile("//+")


class _Lifetime:
    """Starts the intake before the first request and stops it after the last."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def process_startup(
        self, scope: Mapping[str, object], event: Mapping[str, object]
    ) -> None:
        """Open what accepting needs."""
        await self._intake.start()

    async def process_shutdown(
        self, scope: Mapping[str, object], event: Mapping[str, object]
    ) -> None:
        """Close it; every request has been answered."""
        await self._intake.stop()


class _Addresses:
    """Takes `//profiles/import/` for `/profiles/import` (contract section 1).

    A query that is not UTF-8 is refused: the framework would put U+FFFD for what it
    cannot read. Forms say of themselves what they are in.
    """

    async def process_request(self, req: Call, resp: Response) -> None:
        """Rewrite the path before it is routed."""
        if "//" in req.path or req.path.endswith("/"):
            req.path = _SLASHES.sub("/", req.path).rstrip("/") or "/"
        query: bytes = req.scope["query_string"]
        if (b"%" in query or not query.isascii()) and req.path != _QUICK:
            try:
                unquote_to_bytes(query).decode()
            except UnicodeDecodeError as error:
                raise InvalidRequest("The query string must be UTF-8") from error


def create_app(settings: Settings) -> falcon.asgi.App[Call, Response]:
    """Return the application; it connects when its server starts it."""
    intake = Intake(settings)
    faults = Faults(intake)
    app: falcon.asgi.App[Call, Response] = falcon.asgi.App(
        request_type=Call, router=HeadRouter()
    )
    app.add_middleware(Counting())
    app.add_middleware(_Lifetime(intake))
    app.add_middleware(_Addresses())
    app.add_middleware(Tracing(intake.tracer))
    app.add_error_handler(Exception, faults.handle_unexpected)
    app.add_error_handler(PenstockError, faults.handle_penstock_error)
    # What the framework refuses has a handler of its own, which asks this for words.
    app.set_error_serializer(serialize_http_error)
    _add_routes(app, intake)
    _add_corrections(app, intake)
    _add_confirmation(app, intake)
    return app


def _add_routes(app: falcon.asgi.App[Call, Response], intake: Intake) -> None:
    for path, load in _LOADERS.items():
        app.add_route(path, ImportResource(intake, load))
    get_catalog = intake.catalog.get_catalog
    set_one = partial(load_subscription, get_catalog=get_catalog)
    app.add_route(f"{_SUBSCRIPTIONS}/set", ImportResource(intake, set_one))
    for name, change in _CHANGES.items():
        change_some = partial(
            load_subscription_change, change=change, get_catalog=get_catalog
        )
        app.add_route(f"{_SUBSCRIPTIONS}/{name}", ImportResource(intake, change_some))
    for path, query in _QUERIES.items():
        app.add_route(path, QueryResource(intake, query))
    for path, operation in _BATCHES.items():
        load_many = partial(load_batch, operation=operation)
        app.add_route(path, BatchResource(intake, load_many))
    for name, path in _STARTS.items():
        start = partial(load_start, name=name, get_catalog=get_catalog)
        one = partial(load_import_and_start, name=name, get_catalog=get_catalog)
        many = partial(load_import_and_start_batch, name=name, get_catalog=get_catalog)
        app.add_route(f"{path}/start", ImportResource(intake, start))
        app.add_route(f"{path}/import_and_start", ImportResource(intake, one))
        app.add_route(f"{path}/import_and_start_batch", BatchResource(intake, many))
    app.add_route("/api/v1.1/profiles/export", ExportResource(intake))
    app.add_route("/api/v1.1/events/resend", ResendResource(intake))
    app.add_route(_QUICK, QuickResource(intake))
    app.add_route(f"{PATH}/{{batch}}", BatchReceiptsResource(intake))
    app.add_route("/api/v1.1/imports/{import_id}", ReceiptResource(intake))
    _add_jobs(app, intake)
    app.add_route("/health/live", LiveResource())
    app.add_route("/health/ready", ReadyResource(intake))
    for path, docs in make_docs(intake.settings.console_url).items():
        app.add_route(path, docs)


def _add_jobs(app: falcon.asgi.App[Call, Response], intake: Intake) -> None:
    app.add_route("/api/v1.1/jobs", JobsResource(intake))
    app.add_route(UPLOADS, jobs.UploadResource(intake))
    app.add_route(SUGGESTIONS, SuggestResource(intake))
    for path, resource in _JOBS.items():
        app.add_route(f"/api/v1.1/jobs/{{job_id}}{path}", resource(intake))


def _add_corrections(app: falcon.asgi.App[Call, Response], intake: Intake) -> None:
    """Add what operators correct imports and profiles by."""
    app.add_route("/api/v1.1/profiles/merge", MergeResource(intake))
    app.add_route("/api/v1.1/profiles/unmerge", UnmergeResource(intake))
    app.add_route("/api/v1.1/imports/undo", UndoManyResource(intake))
    app.add_route("/api/v1.1/imports/{import_id}/undo", UndoResource(intake))
    app.add_route("/api/v1.1/imports/{import_id}/resolve", ResolveResource(intake))
    app.add_route("/api/v1.1/jobs/{job_id}/undo", UndoJobResource(intake))


def _add_confirmation(app: falcon.asgi.App[Call, Response], intake: Intake) -> None:
    confirmations = Confirmations(intake)
    app.add_route(PAGE_PATH, ConfirmPage(intake, confirmations))
    confirm = ConfirmResource(intake, confirmations)
    app.add_route(f"{_SUBSCRIPTIONS}/confirm", confirm)
    app.add_route(f"{_SUBSCRIPTIONS}/confirm_request", ConfirmRequestResource(intake))
