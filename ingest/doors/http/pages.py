"""Pages of an intake: each one file, without scripts and outside assets."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import orjson
from jinja2 import ChainableUndefined, Environment, PackageLoader
from markupsafe import Markup, escape

Document = Mapping[str, Any]

_CODE = re.compile("`([^`]+)`")


def _prose(text: str) -> Markup:
    """Escape `text`; what is between backticks is code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped


def _document(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("ingest.doors.http"),
        autoescape=True,
        # A schema has few of the members that it may have.
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"prose": _prose, "document": _document}
    return environment


def render_front(console_url: str) -> str:
    """Return the start page; it leads to the console if `console_url` is known."""
    return (
        _environment()
        .get_template("front.html")
        .render(title="Penstock", console_url=console_url)
    )


def render_reference(document: Document) -> str:
    """Return the OpenAPI document as a page, every reference of it a link."""
    operations = [
        (path, method.upper(), operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]
    sections = {
        tag["name"]: [one for one in operations if tag["name"] in one[2]["tags"]]
        for tag in document["tags"]
    }
    info = document["info"]
    return (
        _environment()
        .get_template("reference.html")
        .render(
            title=f"{info['title']} API {info['version']}",
            document=document,
            sections=sections,
        )
    )


def render_confirmation(*, title: str, text: str, button: str) -> str:
    """Return the page of a link to confirm, with a button unless that is empty."""
    return (
        _environment()
        .get_template("confirm.html")
        .render(title=title, text=text, button=button)
    )
