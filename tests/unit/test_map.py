"""The map of docs/architecture.md is the one the imports draw."""

import re
from functools import cache

from grimp import ImportGraph, build_graph

from tests.pages import ROOT

PAGE = (ROOT / "docs/architecture.md").read_text()


@cache
def graph() -> ImportGraph:
    return build_graph("ingest", "workers")


def mapped() -> list[str]:
    """Return the rooms of the map from the top down, as packages."""
    (text,) = re.findall(r"## The map\n.*?```\n(.*?)```", PAGE, re.DOTALL)
    names = re.findall(r"^((?:ingest|workers)[\w/]*)(?:\.py|/) ", text, re.MULTILINE)
    return [name.replace("/", ".") for name in names]


def rooms() -> set[str]:
    """Return the packages of this tree, and the modules that stand between them."""
    children = graph().find_children("ingest")
    packages = {child for child in children if graph().find_children(child)}
    return packages | {"workers", "ingest.streams.stream"}


def imports(importer: str, imported: str) -> set[tuple[str, str]]:
    """Return what modules of one room import from another."""
    of = {importer} | graph().find_descendants(importer)
    return {
        (module, target)
        for module in of
        for target in graph().find_modules_directly_imported_by(module)
        if target == imported or target.startswith(f"{imported}.")
    }


def test_the_map_has_every_room_once() -> None:
    assert sorted(mapped()) == sorted(rooms())


def test_imports_go_down_the_map() -> None:
    order = mapped()
    rising = [
        each
        for number, lower in enumerate(order)
        for higher in order[:number]
        for each in imports(lower, higher)
    ]

    assert rising == []


def test_an_import_that_rose_would_be_noticed() -> None:
    order = mapped()

    assert imports(order[0], order[-1])


def test_every_module_that_a_room_names_exists() -> None:
    (text,) = re.findall(r"## The map\n.*?```\n(.*?)```", PAGE, re.DOTALL)
    workers = text.partition("ingest/")[0]
    named = re.findall(r"(\w+)(?:, \w+)*:", workers)

    assert named
    assert {name for name in named if f"workers.{name}" not in graph().modules} == set()
