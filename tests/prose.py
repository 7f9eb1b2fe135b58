"""Sentences that a user sees, by the surface that shows them."""

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass

import click
import yaml

from ingest.cli import main
from tests.pages import ROOT

_BLOCKS = re.compile(r"^```.*?^```|^ {4,}\S.*$|<!--.*?-->", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)\s]*\)")
_JINJA = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
_TAG = re.compile(r"<(script|style|code|pre)\b.*?</\1>|<[^>]*>", re.DOTALL)
#: What begins a statement of SQL rather than a sentence.
_SQL = re.compile(
    r"\s*(--|SELECT|INSERT|UPDATE|DELETE|WITH|CREATE|ALTER|DROP|LOCK|COPY|SET|FROM|WHERE"
    r"|AND|ANALYZE|VACUUM|CALL|DO|LISTEN|BEGIN|TRUNCATE|local |return |<|\(SELECT)"
)
_SENTENCE = re.compile(r"[A-Za-z]+,? [A-Za-z]+,?.* [A-Za-z]+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Prose:
    """A text that a user reads, and where it is written."""

    place: str
    text: str


def plain(text: str) -> str:
    """Return a text of Markdown without what is typed, returned, or linked to."""
    text = _LINK.sub(r"\1", _BLOCKS.sub("\n", text))
    return _CODE.sub("X", text)


def read_pages() -> Iterator[Prose]:
    """Yield each paragraph, item, and row of the pages of documentation."""
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        name = str(page.relative_to(ROOT))
        for block in re.split(
            r"\n\s*\n|\n(?=\s*(?:[-*|#]|\d+\.) ?)", plain(page.read_text())
        ):
            if text := " ".join(block.split()).strip("|- "):
                yield Prose(name, text)


def _read_literal(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "X"
            for part in node.values
        )
    return None


def _list_docstrings(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(
            node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr):
                yield first.value


def _list_literals(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield each text of a module once, but for docstrings and parts of others."""
    passed = {id(node) for node in _list_docstrings(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            passed |= {id(part) for part in node.values}
        if id(node) not in passed and (text := _read_literal(node)):
            yield getattr(node, "lineno", 0), text


def read_code() -> Iterator[Prose]:
    """Yield the sentences in code: errors, output, findings, descriptions, events."""
    for package in ("ingest", "workers"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            for line, text in _list_literals(ast.parse(path.read_text())):
                if not _SQL.match(text) and _SENTENCE.search(text):
                    yield Prose(
                        f"{name}:{line}", " ".join(_CODE.sub("X", text).split())
                    )


def _walk(group: click.Group, *path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield " ".join((*path, name)), command
        if isinstance(command, click.Group):
            yield from _walk(command, *path, name)


def read_help() -> Iterator[Prose]:
    """Yield what `--help` says of each command."""
    for name, command in _walk(main):
        for paragraph in (command.help or "").split("\n\n"):
            yield Prose(f"penstock {name}", " ".join(_CODE.sub("X", paragraph).split()))


def read_templates() -> Iterator[Prose]:
    """Yield each line of text of the console's pages."""
    for path in sorted((ROOT / "ingest/doors/console/templates").glob("*.html")):
        text = _TAG.sub("\n", _JINJA.sub("X", path.read_text()))
        for line in text.splitlines():
            if line.strip():
                yield Prose(path.name, " ".join(line.split()))


def read_alerts() -> Iterator[Prose]:
    """Yield the annotations of the alerts."""
    rules = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            for name in ("summary", "description"):
                yield Prose(f"{rule['alert']}.{name}", rule["annotations"][name])


def read_dashboards() -> Iterator[Prose]:
    """Yield the titles and descriptions of the dashboards."""
    for path in sorted((ROOT / "deploy/grafana/sources").glob("*.toml")):
        yield from _read_texts(path.name, tomllib.loads(path.read_text()))


def _read_texts(name: str, node: object) -> Iterator[Prose]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in {"title", "description", "legend"} and isinstance(value, str):
                yield Prose(f"{name}.{key}", value)
            else:
                yield from _read_texts(name, value)
    elif isinstance(node, list):
        for each in node:
            yield from _read_texts(name, each)
