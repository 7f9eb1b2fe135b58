"""One table says what to do about every error, whichever surface shows it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import to_builtins

from ingest.domain.errors import Fault
from ingest.domain.remedies.codes import ERRORS
from ingest.domain.remedies.kinds import ErrorKind
from ingest.domain.remedies.table import (
    SECTIONS,
    explain_fault,
    find_kind,
    find_reason,
    find_remedy,
    load_fault,
)

ROOT = Path(__file__).parents[2]
#: What makes an error that a producer meets; its message is the first text given to it.
MAKERS = {
    *("Fault", "InvalidRequest", "InvalidValue", "NotFound", "Forbidden"),
    *("Unauthenticated", "AmbiguousMatch", "ValueTaken", "NameTaken", "BodyTooSlow"),
    *("BodyTooLarge", "UnsupportedMediaType", "Overloaded", "RateExceeded"),
    *("Unavailable", "ValidationError", "excess", "_fault", "reveal"),
}
#: Rooms whose errors an operator meets, or whose messages the command line explains.
OTHERS = re.compile(
    "ingest/(console|settings|doors/broker/(amqp|redis|results|sources|catalog))"
    "|ingest/commands|workers|ingest/store/(events/delivery_pages|receipts/read|installation)"
    "|ingest/wire/(catalog|condition|suppression)_|ingest/domain/(rates|secrets)"
)
KINDS = [kind for kinds in SECTIONS.values() for kind in kinds]
by_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.reason)


def read_text(node: ast.AST) -> str | None:
    """Return a text as it is written; a name stands for what is put in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "name"
            for part in node.values
        )
    return None


def list_messages(source: str) -> Iterator[str]:
    """Yield every message that a module gives to an error, also by a name."""
    tree = ast.parse(source)
    named = {
        target.id: text
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and (text := read_text(node.value))
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        maker = node.func.id if isinstance(node.func, ast.Name) else ""
        if maker in MAKERS:
            given = [*node.args, *(each.value for each in node.keywords)]
            texts = (
                named.get(each.id) if isinstance(each, ast.Name) else read_text(each)
                for each in given
            )
            # Paths and names have no blanks; a suffix of what is allowed may follow.
            yield from (text for text in texts if text and " " in text)


MESSAGES = sorted(
    {
        (str(path.relative_to(ROOT)), message)
        for path in ROOT.glob("ingest/**/*.py")
        if not OTHERS.search(str(path.relative_to(ROOT)))
        for message in list_messages(path.read_text())
    }
)


@pytest.mark.parametrize(("module", "message"), MESSAGES)
def test_every_message_has_a_kind_of_its_own(module: str, message: str) -> None:
    # `name` may stand for a suggestion, which is in parentheses.
    fitting = (message, message.removesuffix("name"))

    assert any(find_kind(each, 0) in KINDS for each in fitting)


def test_messages_are_found() -> None:
    assert len(MESSAGES) > 120
    assert list(list_messages('raise NotFound(f"No {x} here", "path")')) == [
        "No name here"
    ]


def test_a_reason_is_used_once_and_stable_in_form() -> None:
    reasons = [kind.reason for kind in KINDS]

    assert len(set(reasons)) == len(reasons)
    assert [
        each for each in reasons if not re.fullmatch("[a-z]+(_[a-z]+)*", each)
    ] == []


def test_a_sentence_is_of_one_kind() -> None:
    sentences = [sentence for kind in KINDS for sentence in kind.sentences]

    assert len(set(sentences)) == len(sentences)


@by_kind
def test_a_kind_is_found_by_each_of_its_sentences(kind: ErrorKind) -> None:
    for sentence in kind.sentences:
        message = sentence.replace("{}", "17")
        assert find_kind(message) is kind
        assert find_kind(f"{message} (one of a, b)") is kind


@by_kind
def test_a_remedy_is_a_sentence_and_a_message_is_none(kind: ErrorKind) -> None:
    assert kind.remedy.endswith(".")
    assert kind.remedy[0].isupper()
    assert [each for each in kind.sentences if each.endswith(".")] == []


@by_kind
def test_a_kind_has_a_code_that_exists(kind: ErrorKind) -> None:
    assert kind.code in {row.code for row in ERRORS}


@pytest.mark.parametrize("row", ERRORS, ids=lambda row: str(row.code))
def test_an_error_without_a_kind_has_the_remedy_of_its_code(row: object) -> None:
    code = getattr(row, "code", 0)
    fault = Fault(code=code, message="Something of an earlier release")

    assert find_remedy(fault) == getattr(row, "remedy", "")
    assert find_reason(fault) == getattr(row, "reason", "")


def test_a_stored_error_is_explained_with_its_reason_and_its_remedy() -> None:
    stored = {"code": 400, "message": "Incorrect phone", "path": "data.phones[0]"}

    assert to_builtins(explain_fault(load_fault(stored))) == {
        **stored,
        "text": "Incorrect phone: data.phones[0]",
        "reason": "invalid_phone",
        "remedy": "Use international format, such as +442079460018.",
    }


#: What only denies, and leaves open what is allowed.
DENIALS = re.compile(
    r"(Incorrect|Invalid|Unknown|Unsupported|Malformed|Not valid|Wrong) "
)
#: What names it: an example, a list or where to find one, a limit.
ALLOWED = re.compile(r"\(|such as|one of|\d|list")


@pytest.mark.parametrize(
    "message", sorted({message for _, message in MESSAGES if DENIALS.match(message)})
)
def test_an_error_or_its_remedy_names_what_is_allowed(message: str) -> None:
    remedy = find_remedy(Fault(code=400, message=message))

    assert ALLOWED.search(f"{message} {remedy}"), remedy


def test_what_only_denies_is_noticed() -> None:
    assert DENIALS.match("Incorrect phone")
    assert not ALLOWED.search("Incorrect phone. Correct the phone.")
