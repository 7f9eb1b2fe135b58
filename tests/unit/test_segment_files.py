"""Filters of segments in catalog files, and in plans: S1, S2, S8, S9."""

import pytest

from ingest.domain.catalog import FieldType, SegmentKind
from ingest.domain.plans import Change, ChangeKind, plan
from ingest.domain.segment_order import find_rings, list_dependents, order_segments
from ingest.wire.catalog_files import dump_catalog_file
from ingest.wire.catalog_schemas import DATABASE_FIELD_TYPES
from tests.declared import make_declared, make_field, make_segment
from tests.unit.test_catalog_files import faults, load

HEAD = """
[[accounts]]
id = 1
name = "Acme"

[[databases]]
id = 1
account = 1
name = "Customers"
timezone = "Europe/Moscow"

[[databases.fields]]
name = "points"
type = "int"

[[databases.fields]]
name = "interests"
type = "tags"

[[databases.fields]]
name = "plan"
type = "enum"
options = ["Basic", "Plus", "Pro"]

[[resources]]
id = 1
account = 1
name = "Shop"
databases = [1]
channels = ["email"]
categories = ["category_1"]
"""
FILTER = """{ all = [
  { field = "points", ge = 100 },
  { field = "plan", in = ["Plus", "Pro"] },
  { field = "_bdate", birthday = 7 },
  { any = [ { field = "_regdate", older = "30d" }, { segment = 2 } ] },
  { subscription = { resource = 1, channel = "email", status = "subscribed", cats = "category_1", fields = [ { field = "_os", eq = "iOS" } ] } },
  { not = { field = "interests", has_any = ["spam-report", "vip"] } },
] }"""  # noqa: E501
STATIC = """
[[segments]]
id = 2
database = 1
name = "Regulars"
"""


def dynamic(filter_: str, number: int = 12, more: str = "") -> str:
    return f"""
[[segments]]
id = {number}
database = 1
name = "Segment {number}"
kind = "dynamic"
filter = {filter_}
{more}
"""


@pytest.mark.fact("S.1-shape", "S.2-literals")
def test_a_filter_is_declared_with_its_segment() -> None:
    declared = load(HEAD + STATIC + dynamic(FILTER))

    segment = declared.segments[12]
    assert segment.kind is SegmentKind.DYNAMIC
    assert segment.filter is not None
    assert segment.filter["all"][:2] == [
        {"field": "points", "ge": 100},
        {"field": "plan", "in": ["Plus", "Pro"]},
    ]
    assert declared.databases[1].timezone == "Europe/Moscow"


@pytest.mark.fact("G.5-declared")
def test_a_file_that_is_written_declares_the_same() -> None:
    declared = load(HEAD + STATIC + dynamic(FILTER, more="announce = true"))

    text = dump_catalog_file(declared)

    assert load(text) == declared
    assert 'filter = {all = [\n  {field = "points", ge = 100},' in text
    assert "announce = true" in text
    assert 'timezone = "Europe/Moscow"' in text
    assert dump_catalog_file(load(text)) == text


@pytest.mark.fact("S.2-literals")
def test_literals_are_those_of_the_field_however_they_are_written() -> None:
    tree = """{ all = [
      { field = "points", ge = "100" },
      { field = "_bdate", before = 2000-01-01, from = 1990-01-01T03:00:00+03:00 },
      { field = "_country", eq = "Russia" },
    ] }"""
    segment = load(HEAD + dynamic(tree)).segments[12]

    assert segment.filter == {
        "all": [
            {"field": "points", "ge": 100},
            {
                "field": "_bdate",
                "before": "2000-01-01T00:00:00Z",
                "from": "1990-01-01T00:00:00Z",
            },
            {"field": "_country", "eq": "RU"},
        ]
    }


@pytest.mark.fact("S.2-errors")
def test_all_faults_of_all_filters_are_found_with_their_paths() -> None:
    first = '{ all = [{ field = "points", ge = "x" }, { field = "pointz", eq = 1 }] }'
    second = '{ field = "points", starts_with = "1" }'

    found = faults(HEAD + STATIC + dynamic(first) + dynamic(second, 13))

    assert found == [
        "segments[1].filter.all[0].ge: Must be an integer.",
        "segments[1].filter.all[1].field: The database has no field pointz"
        " (is it points?).",
        "segments[2].filter.starts_with: Does not apply to a field of type int"
        " (one of eq, ne, in, lt, le, gt, ge, exists).",
    ]


@pytest.mark.fact("S.2-errors")
def test_the_faults_of_filters_are_found_with_the_others() -> None:
    text = HEAD.replace('type = "int"', 'type = "integer"') + dynamic("{ segment = 1 }")

    found = [line.partition(": ")[0] for line in faults(text)]

    assert found == ["databases[0].fields[0].type", "segments[0].filter.segment"]


@pytest.mark.fact("S.9-no-filter")
def test_a_filter_on_a_static_segment_is_refused() -> None:
    assert faults(HEAD + STATIC + "filter = { segment = 2 }") == [
        'segments[0].filter: Only a dynamic segment has a filter (kind = "dynamic").',
        "segments[0].filter: Segments must not name each other in a ring: 2 → 2.",
    ]
    assert faults(HEAD + STATIC + "announce = true") == [
        "segments[0].announce: Only a segment with a filter is announced."
    ]


@pytest.mark.fact("S.9-no-filter")
def test_a_dynamic_segment_may_have_no_filter_and_the_plan_says_so() -> None:
    before = make_declared()
    bare = make_segment(kind=SegmentKind.DYNAMIC)
    after = make_declared(segments=(bare,))
    filtered = make_segment(kind=SegmentKind.DYNAMIC, filter={"segment": 2})

    assert plan(before, after) == [
        Change(
            kind=ChangeKind.ADD,
            path="segments.1",
            detail="New (without a filter, it has no members)",
        )
    ]
    assert plan(make_declared(segments=(filtered,)), after) == [
        Change(
            kind=ChangeKind.CHANGE,
            path="segments.1",
            detail='filter: {"segment":2} → none (without a filter, it has no members)',
        )
    ]


@pytest.mark.fact("G.5-kind")
@pytest.mark.parametrize(
    ("old", "new", "loses_data"),
    [
        (SegmentKind.STATIC, SegmentKind.DYNAMIC, True),
        (SegmentKind.DYNAMIC, SegmentKind.STATIC, False),
    ],
)
def test_a_static_segment_that_becomes_dynamic_loses_its_members(
    old: SegmentKind, new: SegmentKind, loses_data: bool
) -> None:
    (change,) = plan(
        make_declared(segments=(make_segment(kind=old),)),
        make_declared(segments=(make_segment(kind=new),)),
    )

    assert change.loses_data is loses_data


@pytest.mark.fact("S.8-rings")
def test_segments_that_name_each_other_in_a_ring_are_refused_by_its_name() -> None:
    ring = (
        dynamic("{ segment = 7 }", 5)
        + dynamic("{ not = { segment = 9 } }", 7)
        + dynamic("{ any = [{ segment = 5 }, { segment = 2 }] }", 9)
    )

    assert faults(HEAD + STATIC + ring + dynamic("{ segment = 8 }", 8)) == [
        "segments[1].filter: Segments must not name each other in a ring: 5 → 7 → 9"
        " → 5.",
        "segments[4].filter: Segments must not name each other in a ring: 8 → 8.",
    ]


@pytest.mark.fact("S.8-rings")
def test_two_ways_to_one_segment_are_no_ring() -> None:
    diamond = (
        dynamic("{ all = [{ segment = 7 }, { segment = 9 }] }", 5)
        + dynamic("{ segment = 3 }", 7)
        + dynamic("{ segment = 3 }", 9)
        + dynamic("{ segment = 2 }", 3)
    )

    assert set(load(HEAD + STATIC + diamond).segments) == {2, 3, 5, 7, 9}


@pytest.mark.fact("S.8-rings")
def test_a_segment_names_another_of_its_database() -> None:
    other = """
[[databases]]
id = 2
account = 1
name = "Other"

[[segments]]
id = 20
database = 2
name = "Elsewhere"
"""
    assert faults(HEAD + other + dynamic("{ segment = 20 }")) == [
        "segments[1].filter.segment: The database has no segment 20."
    ]


@pytest.mark.fact("G.5-removed")
@pytest.mark.parametrize(
    ("removed", "expected"),
    [
        (
            '[[databases.fields]]\nname = "points"\ntype = "int"\n',
            "segments[1].filter.all[0].field: The database has no field points.",
        ),
        (
            STATIC,
            "segments[0].filter.all[3].any[1].segment: The database has no segment 2.",
        ),
        (
            ', "Pro"]\n\n[[resources]]',
            "segments[1].filter.all[1].in[1]: Must be one of the field's options"
            " (Basic, Plus).",
        ),
    ],
)
def test_what_a_filter_reads_cannot_be_removed(removed: str, expected: str) -> None:
    text = HEAD + STATIC + dynamic(FILTER)
    assert removed in text
    kept = "]\n\n[[resources]]" if "Pro" in removed else ""

    assert faults(text.replace(removed, kept)) == [expected]


def test_a_zone_must_be_known() -> None:
    text = HEAD.replace("Europe/Moscow", "Europe/Moskow")

    assert faults(text) == [
        "databases[0].timezone: Unknown time zone (an IANA name, such as"
        " Europe/Moscow)."
    ]


def test_segments_are_ordered_after_those_that_they_name() -> None:
    named = {5: [7, 9], 7: [3], 9: [3], 3: [2]}
    order = order_segments(named)

    assert order.index(3) < order.index(7) < order.index(5)
    assert order.index(9) < order.index(5)
    assert list(find_rings(named)) == []
    assert list_dependents(named, {3}) == {5, 7, 9}
    assert list_dependents(named, {5}) == set()
    assert list_dependents(named, {2}) == {3, 5, 7, 9}


@pytest.mark.parametrize("type_", DATABASE_FIELD_TYPES)
def test_a_field_of_any_type_may_be_read(type_: FieldType) -> None:
    field = make_field(type=type_, options=("a",) if type_ is FieldType.ENUM else ())
    exists = {"field": field.name, "exists": True}
    segment = make_segment(kind=SegmentKind.DYNAMIC, filter=exists)
    declared = make_declared(field, segments=(segment,))

    assert load(dump_catalog_file(declared)) == declared
