"""The OpenAPI document as a page: one file, without scripts and outside assets."""

import re
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any

import orjson

Document = Mapping[str, Any]

#: Of every page of an intake.
STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --link: #0b57d0 }
@media (prefers-color-scheme: dark) { :root { --link: #8ab4f8 } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 64rem; padding: 1rem 1.25rem 4rem;
  font: 1rem/1.5 system-ui, sans-serif; background: Canvas; color: CanvasText }
h1, h2, h3 { line-height: 1.25; margin: 2.5rem 0 .75rem }
h1 { margin-top: 1rem } h3 { font-size: 1.1rem; overflow-wrap: anywhere }
a { color: var(--link) } a:focus-visible, summary:focus-visible,
pre:focus-visible, .wide:focus-visible { outline: 2px solid; outline-offset: 2px }
.skip { position: absolute; left: -99rem } .skip:focus { position: static }
nav ul { columns: 20rem; padding-left: 1.25rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-size: .9rem }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem .35rem 0;
  border-bottom: 1px solid var(--line) }
code, pre { font-family: ui-monospace, monospace; font-size: .875em }
pre { background: var(--soft); padding: .75rem 1rem; overflow-x: auto;
  border-radius: .4rem }
.method { font-size: .75rem; border: 1px solid; border-radius: .3rem;
  padding: .1rem .4rem; margin-right: .4rem }
details { margin: .5rem 0 } summary { cursor: pointer }
"""
_CODE = re.compile("`([^`]+)`")


def render_page(document: Document) -> str:
    """Return the page, every reference of the document a link in it."""
    info = document["info"]
    title = escape(f"{info['title']} API {info['version']}")
    tags = [tag["name"] for tag in document["tags"]]
    operations = list(_iterate_operations(document))
    sections = [
        (tag, [one for one in operations if tag in one[2]["tags"]]) for tag in tags
    ]
    return "\n".join(
        [
            "<!doctype html>",
            f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<style>{STYLE}</style></head><body>",
            '<a class="skip" href="#main">Skip to content</a>',
            f"<header><h1>{title}</h1>",
            *(f"<p>{_prose(part)}</p>" for part in info["description"].split("\n\n")),
            '<p>For machines: <a href="/openapi.json">openapi.json</a></p></header>',
            *_render_contents(sections),
            '<main id="main">',
            *(line for tag, found in sections for line in _render_tag(tag, found)),
            *_render_errors(document["x-errors"], document["x-reasons"]),
            *_render_schemas(document["components"]["schemas"]),
            "</main></body></html>",
        ]
    )


_Operation = tuple[str, str, Document]


def _iterate_operations(document: Document) -> Iterator[_Operation]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method.upper(), operation


def _prose(text: str) -> str:
    """Escape `text`; what is between backticks is code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))


def _render_contents(sections: Iterable[tuple[str, list[_Operation]]]) -> list[str]:
    links = [
        f'<li><a href="#{one["operationId"]}"><code>{escape(path)}</code></a></li>'
        for _, found in sections
        for path, _, one in found
    ]
    others = [
        f'<li><a href="#{name}">{title}</a></li>'
        for name, title in (("errors", "Errors"), ("schemas", "Shapes"))
    ]
    return ['<nav aria-label="Contents"><ul>', *links, *others, "</ul></nav>"]


def _render_tag(tag: str, found: Iterable[_Operation]) -> list[str]:
    rendered = [line for one in found for line in _render_operation(*one)]
    return [f"<section><h2>{escape(tag)}</h2>", *rendered, "</section>"]


def _render_operation(path: str, method: str, operation: Document) -> list[str]:
    body = operation.get("requestBody", {}).get("content", {})
    schema = next((media["schema"] for media in body.values()), None)
    return [
        f'<article id="{escape(operation["operationId"])}">',
        f'<h3><span class="method">{method}</span><code>{escape(path)}</code></h3>',
        f"<p>{_prose(operation['summary'])}</p>",
        *(_render_members(schema, "Parameter") if schema else []),
        *(
            f"<details><summary>Example: {escape(media_type)}</summary>"
            f"{_render_example(media['example'])}</details>"
            for media_type, media in body.items()
        ),
        *_render_table(
            ("HTTP", "Answer", "Body"),
            [
                (f"<code>{status}</code>", _prose(one["description"]), _name_body(one))
                for status, one in operation["responses"].items()
            ],
        ),
        "</article>",
    ]


def _render_example(example: object) -> str:
    if isinstance(example, str):
        text = example
    else:
        text = orjson.dumps(example, option=orjson.OPT_INDENT_2).decode()
    return f'<pre tabindex="0">{escape(text)}</pre>'


def _name_body(response: Document) -> str:
    if "$ref" in response:
        return _name_type({"$ref": "#/components/schemas/Error"})
    schemas = [media["schema"] for media in response.get("content", {}).values()]
    return _name_type(schemas[0]) if schemas else ""


def _render_members(schema: Document, title: str) -> list[str]:
    required = schema.get("required", ())
    rows = [
        (
            f"<code>{escape(name)}</code>" + (", required" if name in required else ""),
            _name_type(member),
            _prose(member.get("description", member.get("title", ""))),
        )
        for name, member in schema.get("properties", {}).items()
    ]
    return _render_table((title, "Type", "Meaning"), rows) if rows else []


def _name_type(schema: Document) -> str:
    """Say in a few words what a value looks like."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#shape-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_name_type(one) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"<code>{escape(str(one))}</code>" for one in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_name_type(schema['items'])}"
    types = schema.get("type", "anything")
    return escape(schema.get("format") or _join(types))


def _join(types: str | list[str]) -> str:
    return types if isinstance(types, str) else " or ".join(types)


def _render_table(
    titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]
) -> list[str]:
    heads = "".join(f'<th scope="col">{title}</th>' for title in titles)
    return [
        f'<div class="wide" tabindex="0"><table><thead><tr>{heads}</tr></thead><tbody>',
        *(
            "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>"
            for row in rows
        ),
        "</tbody></table></div>",
    ]


def _render_errors(
    errors: Iterable[Document], reasons: Iterable[Document]
) -> list[str]:
    codes = [
        (
            f"<code>{row['code']}</code>",
            _prose(row["meaning"]),
            _prose(row["http"]),
            _prose(row["remedy"]),
        )
        for row in errors
    ]
    kinds = [
        (
            f"<code>{row['reason']}</code>",
            f"<code>{row['code']}</code>",
            "; ".join(f"<code>{escape(each)}</code>" for each in row["messages"]),
            _prose(row["remedy"]),
        )
        for row in reasons
    ]
    error, reason = "<code>error</code>", "<code>reason</code>"
    return [
        '<section id="errors"><h2>Errors</h2>',
        *_render_table((error, "Meaning", "HTTP", "Remedy"), codes),
        *_render_table((reason, error, "Message", "Remedy"), kinds),
        "</section>",
    ]


def _render_schemas(schemas: Mapping[str, Document]) -> list[str]:
    lines = ['<section id="schemas"><h2>Shapes</h2>']
    for name, schema in schemas.items():
        lines.append(f'<article id="shape-{escape(name)}"><h3>{escape(name)}</h3>')
        if text := schema.get("description"):
            lines.append(f"<p>{_prose(text)}</p>")
        lines += [*_render_members(schema, "Member"), "</article>"]
    return [*lines, "</section>"]
