"""Texts that a user reads, by the surface that shows them."""

import ast
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import click
import yaml

from ingest.cli import main
from tests.pages import ROOT

#: Blocks of code, and comments.
_BLOCKS = re.compile(r"^```.*?^```|^ {4,}\S.*$|<!--.*?-->", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
#: Links to tests, whose names are code.
_TESTS = re.compile(r"\[test_\w+\]\([^)\s]*\)")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)\s]*\)")
#: Where a paragraph, an item, a heading, or a row begins.
_PARAGRAPH = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*|#]|\d+\.) ?)")
_JINJA = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
_TAG = re.compile(r"<(script|style|code|pre)\b.*?</\1>|<[^>]*>", re.DOTALL)
#: What begins SQL, a script, a style sheet, or a list of names rather than a sentence.
_OTHER = re.compile(
    r"\s*(--|SELECT|INSERT|UPDATE|DELETE|WITH|CREATE|ALTER|DROP|LOCK|COPY|SET|FROM|WHERE"
    r"|AND|EXISTS|ANALYZE|VACUUM|CALL|DO|LISTEN|BEGIN|TRUNCATE|local |return |<"
    r"|\(SELECT|\$\["
    r"|:root|ascii )"
)
_SENTENCE = re.compile(r"[A-Za-z]+,? [A-Za-z]+,?.* [A-Za-z]+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Prose:
    """A text that a user reads, and where it is written."""

    place: str
    text: str


def _plain(text: str) -> str:
    """Return a text of Markdown without what is typed, returned, or linked to."""
    text = _TESTS.sub("X", _BLOCKS.sub("\n", text))
    return _CODE.sub("X", _LINK.sub(r"\1", text))


def _read_pages() -> Iterator[Prose]:
    """Yield each paragraph, item, and row of the documentation."""
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for block in _PARAGRAPH.split(_plain(page.read_text())):
            if text := " ".join(block.split()).strip("|- "):
                yield Prose(str(page.relative_to(ROOT)), text)


def _read_literal(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "X"
            for part in node.values
        )
    return None


def _list_literals(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield each text of a module once, but for docstrings and parts of others."""
    passed: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            passed |= {id(part) for part in node.values}
        elif isinstance(node, ast.Expr):
            passed.add(id(node.value))
        if id(node) not in passed and (text := _read_literal(node)):
            yield getattr(node, "lineno", 0), text


def _read_code() -> Iterator[Prose]:
    """Yield the sentences in code: errors, output, findings, descriptions, events."""
    for package in ("ingest", "workers"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for line, text in _list_literals(ast.parse(path.read_text())):
                if _OTHER.match(text) or not _SENTENCE.search(text):
                    continue
                place = f"{path.relative_to(ROOT)}:{line}"
                # Lines of a list, such as exit statuses, are sentences of their own.
                parts = text.splitlines() if text.startswith("\b") else [text]
                for part in parts:
                    yield Prose(place, " ".join(_CODE.sub("X", part).split()))


def walk_commands(
    group: click.Group = main, *path: str
) -> Iterator[tuple[str, click.Command]]:
    """Yield each command below `group` with its name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield " ".join((*path, name)), command
        if isinstance(command, click.Group):
            yield from walk_commands(command, *path, name)


def _read_help() -> Iterator[Prose]:
    """Yield the paragraphs of `--help`; options are in code."""
    for name, command in walk_commands():
        for paragraph in (command.help or "").split("\n\n"):
            yield Prose(f"penstock {name}", " ".join(_CODE.sub("X", paragraph).split()))


def _read_templates() -> Iterator[Prose]:
    """Yield each line of text of the console's pages."""
    for path in sorted((ROOT / "ingest/console/templates").glob("*.html")):
        for line in _TAG.sub("\n", _JINJA.sub("X", path.read_text())).splitlines():
            if line.strip():
                yield Prose(path.name, " ".join(line.split()))


def _read_alerts() -> Iterator[Prose]:
    """Yield the annotations of the alerts."""
    rules = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            for name in ("summary", "description"):
                text = _JINJA.sub("X", rule["annotations"][name])
                yield Prose(f"{rule['alert']}.{name}", text)


def _read_dashboards() -> Iterator[Prose]:
    """Yield the titles, legends, and descriptions of the dashboards."""
    for path in sorted((ROOT / "deploy/grafana/sources").glob("*.toml")):
        yield from _read_texts(path.name, tomllib.loads(path.read_text()))


def _read_texts(name: str, node: object) -> Iterator[Prose]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in {"title", "description", "legend"} and isinstance(value, str):
                yield Prose(f"{name}.{key}", _JINJA.sub("X", value))
            else:
                yield from _read_texts(name, value)
    elif isinstance(node, list):
        for each in node:
            yield from _read_texts(name, each)


_READERS: Mapping[str, Callable[[], Iterator[Prose]]] = {
    "pages": _read_pages,
    "code": _read_code,
    "help": _read_help,
    "templates": _read_templates,
    "alerts": _read_alerts,
    "dashboards": _read_dashboards,
}
SURFACES = tuple(_READERS)


@cache
def read_surface(name: str) -> tuple[Prose, ...]:
    """Return the texts of a surface."""
    return tuple(_READERS[name]())
