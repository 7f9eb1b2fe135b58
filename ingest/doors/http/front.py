"""Start page of an intake, with links."""

from html import escape

from ingest.doors.http.openapi.page import STYLE

_PAGE = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Penstock</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{style}</style></head><body>
<a class="skip" href="#main">Skip to content</a>
<header><h1>Penstock</h1></header>
<main id="main">
<p>Penstock imports customer profiles into Postgres. This is an intake: it accepts
imports over HTTP, in JSON or XML, at <code>POST /api/v1.1/profiles/import</code>.</p>
<ul>
<li><a href="/docs">API reference</a>: every path, with examples</li>
<li><a href="/openapi.json">openapi.json</a>: the same for machines (OpenAPI 3.1)</li>
<li>{console}: what waits, every import with its receipt, dead letters</li>
<li><a href="/health/ready">Health</a>: shows if this intake can accept imports</li>
</ul>
</main></body></html>
"""


def render_front(console_url: str) -> str:
    """Return the page; it leads to the console if `console_url` is known."""
    console = "Console, started by <code>penstock console</code>"
    if console_url:
        console = f'<a href="{escape(console_url)}">Console</a>'
    return _PAGE.format(style=STYLE, console=console)
