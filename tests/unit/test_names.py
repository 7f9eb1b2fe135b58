"""Public names are the field's terms, and each is the name of one thing."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache

from tests.pages import ROOT

#: Stems that say nothing to a newcomer, but in these names.
OBSCURE = re.compile(r"told|asked|wanted|standing|(?<!dead_)letters|whoever|verdict")
#: Words that avoid the noun: `The outcome of an import`, not `What came of it`.
EVASIVE = {"What", "How", "Who", "Whose", "Which", "Where", "Whoever"}
_Named = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@cache
def parse_all() -> dict[str, ast.Module]:
    """Return every module of the packages, by its path."""
    paths = [
        path for name in ("ingest", "workers") for path in (ROOT / name).rglob("*.py")
    ]
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in paths}


def list_types(module: ast.Module) -> Iterator[str]:
    """Yield the public names of classes and of aliases of types."""
    for node in module.body:
        if isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name[0].isupper() and not name.isupper():
                yield name


def list_public() -> Iterator[tuple[str, _Named]]:
    """Yield the place of each public class, function, and method, and itself."""
    for path, module in parse_all().items():
        for node in ast.walk(module):
            if isinstance(node, _Named) and not node.name.startswith("_"):
                yield f"{path}:{node.lineno}", node


def test_a_type_has_a_name_of_its_own() -> None:
    names = Counter(
        name
        for module in parse_all().values()
        for name in list_types(module)
        if not name.startswith("_")
    )

    assert len(names) > 300
    assert [name for name, count in names.items() if count > 1] == []


def test_no_public_name_is_obscure() -> None:
    assert [
        f"{place} {node.name}"
        for place, node in list_public()
        if OBSCURE.search(node.name.lower())
    ] == []


def test_a_docstring_begins_with_its_noun_or_verb() -> None:
    documented = [
        *((path, ast.get_docstring(module)) for path, module in parse_all().items()),
        *((place, ast.get_docstring(node)) for place, node in list_public()),
    ]

    assert [
        f"{place} {text.splitlines()[0]}"
        for place, text in documented
        if text and text.split()[0] in EVASIVE
    ] == []
