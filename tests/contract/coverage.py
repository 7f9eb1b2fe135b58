"""Which fact of the contract is proved by which tests: `facts.toml` as a table.

Run it to bring the document up to date:
`python -m tests.contract.coverage > docs/contract-coverage.md`.
"""

import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

import pytest

FACTS = Path(__file__).with_name("facts.toml")
MARKER = "fact"


@dataclass(frozen=True)
class Facts:
    """The contract's promises."""

    #: Titles by number.
    sections: Mapping[str, str]
    #: Sentences by id.
    sentences: Mapping[str, str]
    #: Reasons by id.
    not_tested: Mapping[str, str]


def load_facts() -> Facts:
    """Read the facts of the contract."""
    with FACTS.open("rb") as file:
        tables = tomllib.load(file)
    return Facts(tables["sections"], tables["facts"], tables["not_tested"])


@dataclass
class Collector:
    """A pytest plugin that notes who marks which fact."""

    #: Tests by fact, in the order of collection and once each.
    tests: dict[str, list[str]] = field(default_factory=dict)

    def pytest_collection_modifyitems(self, items: Sequence[pytest.Item]) -> None:
        for item in items:
            name = item.nodeid.partition("[")[0]
            for marker in item.iter_markers(MARKER):
                for fact in marker.args:
                    named = self.tests.setdefault(fact, [])
                    if name not in named:
                        named.append(name)


def collect_tests() -> dict[str, list[str]]:
    """Return the tests of each marked fact, known or not."""
    collector = Collector()
    # Standard output is for the table; this also keeps pytest's words on errors.
    with redirect_stdout(sys.stderr):
        status = pytest.main(["--collect-only", "-qq", "tests"], plugins=[collector])
    if status != pytest.ExitCode.OK:
        sys.exit("Tests cannot be collected")
    return collector.tests


def find_problems(facts: Facts, tests: Mapping[str, Sequence[str]]) -> list[str]:
    """Return what is wrong between facts and tests."""
    known = facts.sentences.keys()
    proved = tests.keys()
    excused = facts.not_tested.keys()
    return [
        *(f"No test, no reason: {fact}" for fact in known - proved - excused),
        *(f"A test marks an unknown fact: {fact}" for fact in proved - known),
        *(f"A reason for an unknown fact: {fact}" for fact in excused - known),
        *(f"Tested, yet there is a reason not to: {fact}" for fact in excused & proved),
        *(
            f"A fact of no section: {fact}"
            for fact in known
            if section_of(fact) not in facts.sections
        ),
    ]


def section_of(fact: str) -> str:
    """Return the number of the section: `9` for `9.1-set`."""
    return fact.partition("-")[0].partition(".")[0]


def _proof(test: str) -> str:
    path, _, name = test.partition("::")
    return f"[{name}](../{path})"


def dump_table(facts: Facts, tests: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Write the lines of the document."""
    yield "# Contract coverage"
    yield ""
    yield "Each fact of the wire contract, and the tests that prove it. Made by"
    yield "`python -m tests.contract.coverage`; do not edit."
    for number, title in facts.sections.items():
        yield from ("", f"## {number}. {title}", "")
        yield "| Fact | What it says | Tests |"
        yield "| --- | --- | --- |"
        for fact, sentence in facts.sentences.items():
            if section_of(fact) == number:
                proofs = ", ".join(map(_proof, tests.get(fact, ())))
                proofs = proofs or f"Not tested: {facts.not_tested.get(fact, '?')}"
                yield f"| {fact} | {sentence} | {proofs} |"


def main() -> None:
    """Print the document; fail when facts and tests do not fit each other."""
    facts, tests = load_facts(), collect_tests()
    for line in dump_table(facts, tests):
        sys.stdout.write(f"{line}\n")
    if problems := find_problems(facts, tests):
        sys.exit("\n".join(sorted(problems)))


if __name__ == "__main__":
    main()
