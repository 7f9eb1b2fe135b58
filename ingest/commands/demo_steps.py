"""The demo's samples: what is sent, and what must come of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoStep:
    """One sample: what is sent, and what must come of it."""

    title: str
    #: A file of ingest/local/samples.
    sample: str
    method: str = "profiles/import"
    #: What the answer must hold.
    says: tuple[str, ...] = ("Successful operation",)
    #: Of the profile that results; empty where none may exist.
    email: str
    expected: Mapping[str, Any] = field(default_factory=dict)


STEPS = (
    DemoStep(
        title="Create a profile, in JSON",
        sample="create.json",
        email="ada@example.com",
        expected={
            "phones": ["+442079460018"],
            "points": 10,
            "_sex": "female",
            "interests": ["engines", "poetry"],
            "subscriptions": ["1/email subscribed", "1/telegram_bot subscribed"],
            "segments": [1],
        },
    ),
    DemoStep(
        title="Create another one, in XML, matched by phone",
        sample="create.xml",
        email="grace@example.com",
        expected={
            "phones": ["+12025550143"],
            "_fname": "Grace",
            "interests": ["compilers", "ships"],
            "subscriptions": ["1/sms subscribed"],
            "segments": [],
        },
    ),
    DemoStep(
        title="Update the first by functions, matched by phone",
        sample="update.json",
        email="ada@example.com",
        expected={
            "_fname": "Ada",
            "_lname": None,
            "points": 42,
            "interests": ["engines", "poetry", "mathematics"],
            "subscriptions": ["1/email unsubscribed", "1/telegram_bot subscribed"],
            "segments": [],
        },
    ),
    DemoStep(
        title="Send a bad import: it is rejected as a whole",
        sample="error.json",
        says=("400", "Must be an integer: data.points"),
        email="eve@example.com",
    ),
    DemoStep(
        title="Send a batch: two imports of one profile around a bad one",
        sample="batch.json",
        method="profiles/import_batch",
        says=('"result"', "Must be an integer: data.points"),
        email="alan@example.com",
        expected={"_fname": "Alan", "points": 3},
    ),
)
#: Whom the trigger must tell of.
CREATED = ("ada@example.com", "grace@example.com", "alan@example.com")


def check_answer(step: DemoStep, answer: str) -> Iterator[str]:
    """Return what the answer lacks."""
    for text in step.says:
        if text not in answer:
            yield f"{step.sample}: expected {text} in the answer"


def check_profile(step: DemoStep, profile: Mapping[str, Any] | None) -> Iterator[str]:
    """Return how the profile is not as it should be."""
    if (profile is None) is not (not step.expected):
        wanted = "exist" if step.expected else "not exist"
        yield f"{step.sample}: the profile should {wanted}"
    for name, value in step.expected.items():
        found = (profile or {}).get(name)
        if found != value:
            yield f"{step.sample}: {name} is {found!r}, should be {value!r}"
