"""Every statement that the code holds, and how PostgreSQL plans it."""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

import ingest
from tests.conftest import Connection

_ROOT = Path(ingest.__file__).parent.parent
_BEGINS = re.compile(r"\s*(?:--[^\n]*\n\s*)*(SELECT|INSERT|UPDATE|DELETE|WITH|MERGE)\b")
_PARAMETER = re.compile(r"%\((\w+)\)s|%%")
#: Of these, conditions are a part: test_segment_plans and test_people explain them.
_TEMPLATES = frozenset({
    "ingest/store/profiles/parts.py:_LOCK",
    "ingest/store/segments/candidates.py:_CANDIDATES",
    "ingest/store/people/find.py:_BY_PROFILES",
    "ingest/store/people/find.py:_BY_RECEIPTS",
    "ingest/store/people/find.py:_BY_SEGMENT",
    "ingest/store/people/find.py:_BY_TEXT",
    "ingest/store/segments/members.py:_FIRST",
    "ingest/store/segments/members.py:_COUNT",
})  # fmt: skip
#: Fewer words are a sentence that happens to begin so.
_WORDS = 4
#: The server explains a statement as it is from this version on.
_GENERIC_PLAN = 160000


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement and where it stands: `ingest/store/profiles/keys.py:delete_keys`."""

    place: str
    sql: str

    @property
    def numbered(self) -> str:
        """The statement with $1, $2 ... for its parameters."""
        names: dict[str, int] = {}

        def number(found: re.Match[str]) -> str:
            if found[1] is None:
                return "%"
            return f"${names.setdefault(found[1], len(names) + 1)}"

        return _PARAMETER.sub(number, self.sql)

    @property
    def parameters(self) -> int:
        """How many parameters it takes."""
        return len(set(re.findall(r"%\((\w+)\)s", self.sql)))


def list_statements() -> Iterator[Statement]:
    """Return every statement written down in `ingest` and `workers`."""
    for room in ("ingest", "workers"):
        for path in sorted((_ROOT / room).rglob("*.py")):
            where = path.relative_to(_ROOT).as_posix()
            for name, text in _texts(ast.parse(path.read_text()), ""):
                place = f"{where}:{name}"
                if place in _TEMPLATES:
                    continue
                if _BEGINS.match(text) and len(text.split()) >= _WORDS:
                    yield Statement(place, text)


def _texts(node: ast.AST, name: str) -> Iterator[tuple[str, str]]:
    """Return each text in `node`, and the name of what it stands in."""
    for child in ast.iter_child_nodes(node):
        within = _name(child) or name
        if isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield name, child.value
        yield from _texts(child, within)


def _name(node: ast.AST) -> str:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return name
        case ast.Assign(targets=[ast.Name(id=name)]) if name.lstrip("_").isupper():
            return name
        case ast.AnnAssign(target=ast.Name(id=name)) if name.lstrip("_").isupper():
            return name
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index as the planner may choose it."""

    name: str
    #: The partitioned one it belongs to; its own name elsewhere.
    family: str
    columns: tuple[str, ...]
    is_partial: bool


@dataclass(slots=True)
class Plan:
    """What a plan does with the tables that grow."""

    #: By relation, the families of the indexes that it is searched by.
    searches: dict[str, set[str]] = field(default_factory=dict)
    #: What it should not do.
    faults: list[str] = field(default_factory=list)


def load_indexes(connection: Connection) -> dict[str, Index]:
    """Return every index by its name."""
    rows = connection.execute(
        """
        SELECT child.relname, coalesce(parent.relname, child.relname),
               ARRAY(SELECT coalesce(attname, '')
                       FROM unnest(indkey[:indnkeyatts - 1]) WITH ORDINALITY
                            AS key (number, place)
                       LEFT JOIN pg_attribute
                         ON attrelid = indrelid AND attnum = key.number
                      ORDER BY place)::text[],
               indpred IS NOT NULL
          FROM pg_index
          JOIN pg_class AS child ON child.oid = indexrelid
          LEFT JOIN pg_inherits ON inhrelid = indexrelid
          LEFT JOIN pg_class AS parent ON parent.oid = inhparent
         WHERE child.relnamespace = 'public'::regnamespace
        """
    ).fetchall()
    return {
        row[0]: Index(
            name=row[0], family=row[1], columns=tuple(row[2]), is_partial=row[3]
        )
        for row in rows
    }


def explain(connection: Connection, statement: Statement) -> dict[str, Any]:
    """Return the plan of `statement` for whatever parameters come."""
    text = statement.numbered
    with connection.transaction(force_rollback=True):
        if connection.info.server_version >= _GENERIC_PLAN:
            asked = f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {text}"
        else:
            connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            # Else nothing is left of partitions for parameters that are null.
            connection.execute("SET LOCAL enable_partition_pruning = off")
            connection.execute(f"PREPARE explained AS {text}")
            nulls = ", ".join(["NULL"] * statement.parameters)
            given = f"({nulls})" if nulls else ""
            asked = f"EXPLAIN (FORMAT JSON) EXECUTE explained{given}"
        try:
            row = connection.execute(asked, prepare=False).fetchone()
        finally:
            if "EXECUTE" in asked and not connection.broken:
                connection.execute("DEALLOCATE explained")
    assert row is not None
    plan: dict[str, Any] = row[0][0]["Plan"]
    return plan


def judge(
    plan: Mapping[str, Any], indexes: Mapping[str, Index], small: frozenset[str]
) -> Plan:
    """Say by which indexes `plan` searches, and what is wrong with how it does."""
    judged = Plan()
    _judge(plan, indexes, small, judged)
    return judged


def _judge(
    node: Mapping[str, Any],
    indexes: Mapping[str, Index],
    small: frozenset[str],
    judged: Plan,
) -> None:
    kind, relation = node["Node Type"], node.get("Relation Name")
    if kind in ("Hash Join", "Merge Join"):
        judged.faults.append(kind)
    if relation and relation not in small and not relation.startswith("pg_"):
        if kind == "Seq Scan":
            judged.faults.append(f"Seq Scan on {relation}")
        if kind in ("Index Scan", "Index Only Scan"):
            _judge_search(node, relation, node, indexes, judged)
        if kind == "Bitmap Heap Scan":
            for below in node["Plans"]:
                _judge_search(below, relation, node, indexes, judged)
    for below in node.get("Plans", ()):
        _judge(below, indexes, small, judged)


def _judge_search(
    search: Mapping[str, Any],
    relation: str,
    scan: Mapping[str, Any],
    indexes: Mapping[str, Index],
    judged: Plan,
) -> None:
    """Judge one search of an index: it must be by the most columns there can be."""
    if "Index Name" not in search:
        judged.faults.append(f"{search['Node Type']} on {relation}")
        return
    index, condition = indexes[search["Index Name"]], search.get("Index Cond", "")
    judged.searches.setdefault(relation, set()).add(index.family)
    bound = _leading(index, condition, _is_bound)
    given = f"{condition} {scan.get('Filter', '')}"
    best = max(
        _leading(other, given, _is_equal)
        for other in indexes.values()
        if other.name == index.name or other.name.startswith(f"{relation}_")
        if not other.is_partial
    )
    if bound < max(best, 1):
        judged.faults.append(f"{index.name} by {condition!r} of {given!r}")


def _leading(index: Index, condition: str, holds: Callable[[str, str], bool]) -> int:
    """Return how many of the first columns of `index` are held by `condition`."""
    held = takewhile(lambda column: holds(column, condition), index.columns)
    return sum(1 for _ in held)


def _is_bound(column: str, condition: str) -> bool:
    # An expression is bound wherever its index is used by a condition.
    return bool(condition) and bool(re.search(rf"\b{column}\b", condition))


def _is_equal(column: str, condition: str) -> bool:
    equals = rf"\b{column}\)?(::\w+)? = |= \(?(\w+\.)?{column}\b"
    return bool(column) and bool(re.search(equals, condition))
