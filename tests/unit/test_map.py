"""The map of docs/architecture.md and the layers of the linter: what imports draw."""

import re
import tomllib
from functools import cache

from grimp import ImportGraph, build_graph

from ingest import cli
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
    """Return the packages of this tree, and the modules that are beside them."""
    return graph().find_children("ingest") | {"workers"}


def layers() -> list[str]:
    """Return the rooms of the linter's contract from the top down."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contract = project["tool"]["importlinter"]["contracts"][0]
    return [room for layer in contract["layers"] for room in layer.split(" | ")]


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


def test_the_linter_knows_every_room_in_the_order_of_the_map() -> None:
    assert layers() == mapped()


def test_a_command_is_loaded_by_name_from_the_room_of_commands() -> None:
    modules = {module for module, *_ in cli._COMMANDS.values()}

    assert modules
    assert modules <= graph().find_descendants("ingest.commands")


def test_nothing_else_is_imported_by_a_string() -> None:
    modules = [
        path for room in ("ingest", "workers") for path in (ROOT / room).rglob("*.py")
    ]
    by_string = {
        str(path.relative_to(ROOT))
        for path in modules
        if re.search(r"\bimport_module\b|\b__import__\b", path.read_text())
    }

    assert by_string == {"ingest/cli.py"}


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
    assert imports(mapped()[0], "ingest.domain")


def test_every_module_that_a_room_names_exists() -> None:
    (text,) = re.findall(r"## The map\n.*?```\n(.*?)```", PAGE, re.DOTALL)
    (workers,) = re.findall(r"^workers/.*?(?=^ingest)", text, re.DOTALL | re.MULTILINE)
    named = re.findall(r"(\w+)(?:, \w+)*:", workers)

    assert named
    assert {name for name in named if f"workers.{name}" not in graph().modules} == set()
