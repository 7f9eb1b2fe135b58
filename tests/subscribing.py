"""A catalog to subscribe in, and what may be sent of subscriptions."""

from dataclasses import replace

from hypothesis import strategies as st

from ingest.domain.catalog import Catalog, Channel, Database, Field, FieldType, Resource
from ingest.domain.subscriptions import SYSTEM_SUBSCRIPTION_FIELDS

DATABASE = Database(id=1, name="Customers", account_id=1, default_resource_id=1)
SITE = Resource(
    id=1,
    name="Site",
    account_id=1,
    database_ids=frozenset({1}),
    channels=frozenset(Channel),
    categories=frozenset({"news", "sales"}),
    fields={
        **SYSTEM_SUBSCRIPTION_FIELDS,
        "custom_field_1": Field(name="custom_field_1", type=FieldType.UNICODE),
        "visits": Field(name="visits", type=FieldType.INT),
        "topics": Field(name="topics", type=FieldType.TAGS),
        "device": Field(
            name="device",
            type=FieldType.UNICODE,
            channels=frozenset({Channel.PUSH}),
        ),
    },
)
EMAIL_ONLY = replace(SITE, id=2, channels=frozenset({Channel.EMAIL}))
UNBOUND = replace(SITE, id=3, database_ids=frozenset({2}))
CATALOG = Catalog(
    version=1,
    databases={1: DATABASE},
    resources={1: SITE, 2: EMAIL_ONLY, 3: UNBOUND},
    segments={},
)
EMAIL = {"channel": "email", "email": "john@example.com", "resource_id": 1}
SMS = {"channel": "sms", "phone": "+79000000000", "resource_id": 1}

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=4)
            | st.sampled_from(["action", "value", "id", "phone", "email", "visits"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
SUBSCRIPTIONS = st.fixed_dictionaries(
    {"channel": st.sampled_from([*Channel, "pager"]) | JSON},
    optional=dict.fromkeys(
        (
            "resource_id",
            "status",
            "priority",
            "cats",
            "custom_fields",
            "email",
            "phone",
            "provider",
            "subscription_id",
            "cc_data",
            "push_data",
            "is_delete",
        ),
        JSON,
    ),
)
