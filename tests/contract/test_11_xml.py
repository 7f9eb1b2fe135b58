"""XML bodies up to the stored profile: contract section 11 and 14, point 66."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.domain.errors import InvalidRequest
from ingest.wire.bodies import Format
from tests.documents import fields_of, read_import, send
from tests.pipeline import Pipeline

REQUEST = "<xml><db_id>1</db_id><email>ann@example.com</email><data>{}</data></xml>"


def send_xml(pipeline: Pipeline, body: str) -> dict[str, object]:
    (outcome,) = pipeline.apply(read_import(body.encode(), Format.XML))
    return fields_of(pipeline, outcome)


@pytest.mark.parametrize(
    ("data", "stored"),
    [
        pytest.param(
            "<checks><action>incr</action><value>1000</value></checks>",
            {"checks": 1000},
            marks=pytest.mark.fact("9-xml", "11-elements"),
            id="a function",
        ),
        pytest.param(
            "<interests><action>add</action><value array='true'>cars</value>"
            "<value>cats</value></interests>",
            {"interests": ["cars", "cats"]},
            marks=pytest.mark.fact("9-xml", "11-arrays"),
            id="a function with a list",
        ),
        pytest.param(
            "<interests>cars</interests><interests>cats</interests>",
            {"interests": ["cars", "cats"]},
            marks=pytest.mark.fact("11-arrays"),
            id="two unmarked elements",
        ),
        pytest.param(
            "<orders array='true'><id>A</id></orders>",
            {"orders": [{"id": "A"}]},
            marks=pytest.mark.fact("11-marker"),
            id="one marked element",
        ),
        pytest.param(
            "<address><tags array='true'>a</tags><tag>b</tag></address>",
            {"address": {"tags": ["a"], "tag": "b"}},
            marks=pytest.mark.fact("11-marker"),
            id="marked and not, in an object",
        ),
        pytest.param(
            "\n  <_fname>Ann</_fname>\n\t<vip_status>true</vip_status>\n",
            {"_fname": "Ann", "vip_status": True},
            marks=pytest.mark.fact("11-whitespace", "11-text", "11-elements"),
            id="whitespace between elements",
        ),
        pytest.param(
            "<_fname> Ann &amp; <![CDATA[<Bea>]]> </_fname>",
            {"_fname": "Ann & <Bea>"},
            marks=pytest.mark.fact("11-text"),
            id="entities and CDATA",
        ),
    ],
)
@pytest.mark.parametrize("prolog", ["", "<?xml version='1.0' encoding='UTF-8'?>\n"])
def test_elements_become_fields(
    pipeline: Pipeline, prolog: str, data: str, stored: dict[str, object]
) -> None:
    assert send_xml(pipeline, prolog + REQUEST.format(data)) == stored


@pytest.mark.fact("14.66-safe")
@pytest.mark.parametrize(
    "body",
    [
        pytest.param("<!DOCTYPE xml>" + REQUEST.format(""), id="a document type"),
        pytest.param(
            '<!DOCTYPE xml [<!ENTITY e SYSTEM "file:///etc/hostname">]>'
            + REQUEST.format("<_fname>&e;</_fname>"),
            id="an entity",
        ),
        pytest.param(REQUEST.format("<a>" * 99 + "</a>" * 99), id="depth"),
    ],
)
def test_what_is_unsafe_is_refused(body: str) -> None:
    with pytest.raises(InvalidRequest):
        read_import(body.encode(), Format.XML)


TEXTS = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1
)
DATA = st.fixed_dictionaries(
    {},
    optional={
        "_fname": TEXTS,
        "checks": st.integers(-(2**63), 2**63 - 1),
        "score": st.floats(allow_nan=False, allow_infinity=False),
        "vip_status": st.booleans(),
        "interests": st.lists(st.sampled_from(["a", "b", "c"]), min_size=1),
        "address": st.fixed_dictionaries({"city": TEXTS}, optional={"zip": TEXTS}),
        "orders": st.lists(st.fixed_dictionaries({"id": TEXTS}), min_size=1),
    },
)


@pytest.mark.fact("11-text", "5-xml")
@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=DATA)
def test_json_and_xml_make_the_same_profile(
    pipeline: Pipeline, data: dict[str, object]
) -> None:
    stored = []
    for format_ in Format:
        pipeline.connection.execute("TRUNCATE profiles, match_keys, imports CASCADE")
        stored.append(fields_of(pipeline, send(pipeline, format_, data)))

    assert stored[0] == stored[1]
