"""Matching modes, each with profiles that its key finds."""

from dataclasses import dataclass, field
from typing import Any

EMAIL = {"channel": "email", "email": "ann@example.com", "resource_id": 1}
SMS = {"channel": "sms", "phone": "+79000000000", "resource_id": 1}
PUSH = {
    "channel": "push",
    "provider": "android-firebase",
    "subscription_id": "d1",
    "resource_id": 1,
}
FIELDS = {"custom_fields": {"custom_field_1": "x"}}


@dataclass(frozen=True)
class Case:
    """A mode, its key, and two ways to hold that key."""

    key: dict[str, Any]
    #: What a profile must have to be found.
    holder: dict[str, Any]
    #: What a second one must have to be found as well; None if there can be none.
    second: dict[str, Any] | None = None
    #: What the new profile holds of the key when nobody was found.
    stored: dict[str, Any] = field(default_factory=dict)


CASES = {
    "email": Case(
        key={"email": "Ann@example.com"},
        holder={"email": "ann@example.com"},
        second={"email": "b@example.com", "subscriptions": [EMAIL]},
        stored={"email": "Ann@example.com"},
    ),
    "email_profile": Case(
        key={"email": "ann@example.com"},
        holder={"email": "ann@example.com"},
        stored={"email": "ann@example.com"},
    ),
    "email_sub": Case(
        key={"email": "ann@example.com"},
        holder={"email": "a@example.com", "subscriptions": [EMAIL]},
        second={"email": "b@example.com", "subscriptions": [EMAIL]},
    ),
    "phone": Case(
        key={"phone": "+79000000000"},
        holder={"email": "a@example.com", "phones": ["+7 900 000-00-00"]},
        second={"email": "b@example.com", "subscriptions": [SMS]},
        stored={"phones": ["+79000000000"]},
    ),
    "phone_sub": Case(
        key={"phone": "+79000000000"},
        holder={"email": "a@example.com", "subscriptions": [SMS]},
        second={"email": "b@example.com", "subscriptions": [SMS]},
    ),
    "push_sub": Case(
        key={"provider": "android-firebase", "subscription_id": "d1"},
        holder={"email": "a@example.com", "subscriptions": [PUSH]},
        second={"email": "b@example.com", "subscriptions": [PUSH]},
    ),
    "custom": Case(
        key={"field_name": "interests", "field_value": "dance, yoga"},
        holder={"email": "a@example.com", "interests": ["yoga", "dance", "tea"]},
        second={"email": "b@example.com", "interests": "dance|yoga"},
        stored={"interests": ["dance", "yoga"]},
    ),
    "custom_sub": Case(
        key={"field_name": "custom_field_1", "field_value": "x"},
        holder={"email": "a@example.com", "subscriptions": [EMAIL | FIELDS]},
        second={"email": "b@example.com", "subscriptions": [EMAIL | FIELDS]},
    ),
    "email_phone": Case(
        key={"email": "ann@example.com", "phone": "+79000000000"},
        holder={"email": "ann@example.com"},
        second={"email": "b@example.com", "phones": ["+79000000000"]},
        stored={"email": "ann@example.com", "phones": ["+79000000000"]},
    ),
    "email_phone_sub": Case(
        key={"email": "ann@example.com", "phone": "+79000000000"},
        holder={"email": "a@example.com", "subscriptions": [EMAIL]},
        second={"email": "b@example.com", "subscriptions": [SMS]},
    ),
}
