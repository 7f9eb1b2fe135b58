"""The console's routes, and the lifetime of what stands behind them."""

from collections.abc import Mapping

import falcon.asgi
from falcon.asgi import Response

from ingest.console import (
    changes,
    file_undo,
    files,
    guard,
    held,
    merges,
    overview,
    people,
    resends,
    segments,
    suppression,
    triggers,
    uploads,
    views,
)
from ingest.console import dead_letters as letters
from ingest.console import undo as undoing
from ingest.console.rendering import read_asset
from ingest.console.requests import View
from ingest.console.resources import (
    AssetResource,
    FormFileResource,
    Headers,
    LoginResource,
    LogoutResource,
    Pages,
    ViewResource,
)
from ingest.console.services import Services
from ingest.domain.errors import PenstockError
from ingest.doors.http.calls import Call
from ingest.doors.http.heads import HeadRouter
from ingest.doors.http.health import LiveResource
from ingest.settings import Settings

#: It has no personal data, and is shown while Postgres does not answer.
_OVERVIEW = "/"
#: What each path shows, and what it does with a form.
_VIEWS: Mapping[str, tuple[View, View | None]] = {
    _OVERVIEW: (overview.show_overview, None),
    "/search": (views.show_search, views.find),
    "/files": (files.show_files, files.filter_files),
    "/files/{job_id}": (files.show_file, files.cancel),
    "/files/{job_id}/rejects": (files.download_rejects, None),
    "/files/{job_id}/undo": (file_undo.show_undo, file_undo.undo),
    "/imports": (views.show_imports, None),
    "/imports/{import_id}": (views.show_import, None),
    "/imports/{import_id}/undo": (undoing.show_undo, undoing.undo),
    "/profiles": (people.show_people, people.search_people),
    "/profiles/{database_id}/{profile_id}": (views.show_profile, None),
    "/profiles/{database_id}/{profile_id}/merge": (merges.show_merge, merges.merge),
    "/profiles/{database_id}/{profile_id}/edit": (changes.show_edit, changes.change),
    "/profiles/{database_id}/{profile_id}/delete": (
        changes.show_deletion,
        changes.delete,
    ),
    "/held": (held.show_cases, None),
    "/held/{case_id}": (held.show_case, held.decide),
    "/dead-letters": (letters.show_dead_letters, letters.resolve),
    "/dead-letters/{letter_id}": (letters.show_dead_letter, None),
    "/deliveries": (views.show_deliveries, resends.resend_range),
    "/suppression": (suppression.show_lists, suppression.change_lists),
    "/triggers": (triggers.show_triggers, None),
    "/segments": (segments.show_segments, segments.preview),
    "/segments/{segment_id}": (segments.show_segment, segments.audit),
    "/files/new/{upload_id}": (uploads.show_columns, uploads.answer_columns),
    "/files/new/{upload_id}/dry-run": (uploads.show_dry_run, uploads.repeat_dry_run),
    "/files/new/{upload_id}/import": (uploads.show_columns, uploads.import_file),
    "/files/new/{upload_id}/discard": (uploads.show_columns, uploads.discard),
    "/events/{event_id}": (views.show_event, resends.resend_one),
}
#: Forms with inputs for each of many columns, and how many bytes they may have.
_LARGE_FORMS = {"/files/new/{upload_id}": 1_000_000}
_ASSETS = {
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/console.js": ("console.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


class _Lifetime:
    """Opens the services before the first request and closes them after the last."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def process_startup(
        self, scope: Mapping[str, object], event: Mapping[str, object]
    ) -> None:
        """Begin."""
        await self._services.start()

    async def process_shutdown(
        self, scope: Mapping[str, object], event: Mapping[str, object]
    ) -> None:
        """End; every request has been answered."""
        await self._services.stop()


def create_console(settings: Settings) -> falcon.asgi.App[Call, Response]:
    """Return the application; it connects when its server starts it."""
    services = Services(settings)
    pages = Pages(services)
    app: falcon.asgi.App[Call, Response] = falcon.asgi.App(
        request_type=Call, router=HeadRouter()
    )
    app.add_middleware(_Lifetime(services))
    app.add_middleware(Headers())
    app.add_error_handler(Exception, pages.show_unexpected)
    app.add_error_handler(falcon.HTTPError, pages.show_refusal)
    app.add_error_handler(PenstockError, pages.show_error)
    for path, (view, on_form) in _VIEWS.items():
        resource = ViewResource(
            services,
            pages,
            view,
            on_form,
            form_bytes=_LARGE_FORMS.get(path, guard.MAX_FORM_BYTES),
            survives=path == _OVERVIEW,
        )
        app.add_route(path, resource)
    app.add_route("/files/new", FormFileResource(services, pages, uploads.show_form))
    app.add_route("/login", LoginResource(services, pages))
    app.add_route("/logout", LogoutResource(services))
    app.add_route("/health/live", LiveResource())
    for path, (name, content_type) in _ASSETS.items():
        app.add_route(path, AssetResource(read_asset(name), content_type))
    return app
