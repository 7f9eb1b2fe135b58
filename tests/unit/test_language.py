"""Texts that a user reads are plain American English in the words of the glossary."""

import re
import tomllib
from collections.abc import Iterator
from functools import cache

import pytest

from tests.pages import ROOT
from tests.prose import SURFACES, Prose, read_surface, walk_commands

RULES = tomllib.loads((ROOT / "tests/language.toml").read_text())
#: The most words of a sentence; of a line of help and of an alert, characters.
MAX_WORDS, MAX_HELP, MAX_SUMMARY, MAX_TITLE = 40, 50, 60, 30
each_surface = pytest.mark.parametrize("surface", SURFACES)


def list_words() -> Iterator[tuple[str, str]]:
    """Yield each word that is avoided, and what to write instead."""
    for section in ("avoid", "spelling"):
        for words, use in RULES[section].items():
            yield from ((word, use) for word in words.split(", "))


def compile_word(word: str) -> re.Pattern[str]:
    """Return what a word is, as it stands or capitalized, and as no part of another."""
    first = f"[{word[0]}{word[0].upper()}]"
    return re.compile(rf"(?<![\w/-]){first}{re.escape(word[1:])}(?![\w-])")


@cache
def list_rules() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return every pattern with what to write instead."""
    terms = (
        (re.compile(term["find"], re.IGNORECASE), term["use"])
        for term in RULES["terms"]
    )
    return (*((compile_word(word), use) for word, use in list_words()), *terms)


def find_wrong(prose: Prose) -> Iterator[str]:
    """Yield what breaks a rule of words, with what to write instead."""
    for pattern, use in list_rules():
        for found in pattern.finditer(prose.text):
            if not is_allowed(prose, found):
                yield f"{prose.place}: {found[0]!r} ({use}) in {prose.text!r}"


def is_allowed(prose: Prose, found: re.Match[str]) -> bool:
    """Say whether what was found is part of a text that is allowed at its place."""
    for allowed in RULES["allow"]:
        if prose.place.partition(":")[0] == allowed["place"]:
            for context in re.finditer(re.escape(allowed["text"]), prose.text):
                if context.start() <= found.start() and found.end() <= context.end():
                    return True
    return False


def find_long(prose: Prose) -> Iterator[str]:
    """Yield the sentences that are too long to be read once."""
    # A cell of a table is read by itself.
    for cell in re.split(r"\s\|\s", prose.text):
        for sentence in re.split(r"(?<=[.?])\s+", cell):
            words = re.findall(r"[A-Za-z0-9$][\w'$.,/-]*", sentence)
            if len(words) > MAX_WORDS:
                yield f"{prose.place}: {len(words)} words in {sentence!r}"


@each_surface
def test_words_are_plain_and_of_the_glossary(surface: str) -> None:
    assert [
        wrong for prose in read_surface(surface) for wrong in find_wrong(prose)
    ] == []


@each_surface
def test_sentences_can_be_read_once(surface: str) -> None:
    assert [long for prose in read_surface(surface) for long in find_long(prose)] == []


@each_surface
def test_no_text_exclaims(surface: str) -> None:
    shouts = [prose for prose in read_surface(surface) if re.search(r"\w!", prose.text)]

    assert shouts == []


@each_surface
def test_a_surface_is_read(surface: str) -> None:
    assert len(read_surface(surface)) > 20


def test_a_word_that_is_avoided_is_found() -> None:
    for word, use in list_words():
        wrong = Prose("a.py:1", f"It is {word} here")
        assert any(use in found for found in find_wrong(wrong))
        # A part of a longer word is another word.
        assert list(find_wrong(Prose("a.py:1", f"x{word}x"))) == []


@pytest.mark.parametrize("term", RULES["terms"], ids=lambda term: term["use"])
def test_a_word_that_means_another_is_found(term: dict[str, str]) -> None:
    found = list(find_wrong(Prose("a.py:1", term["wrong"])))

    assert any(term["use"] in each for each in found)


def test_a_long_sentence_is_found() -> None:
    words = " ".join(["word"] * MAX_WORDS)

    assert list(find_long(Prose("a", f"{words}. {words}. Cell | {words}"))) == []
    assert len(list(find_long(Prose("a", f"Short. {words} word.")))) == 1


@pytest.mark.parametrize("allowed", RULES["allow"], ids=lambda each: each["text"])
def test_what_is_allowed_is_needed(allowed: dict[str, str]) -> None:
    there = [
        prose.text
        for surface in SURFACES
        for prose in read_surface(surface)
        if prose.place.partition(":")[0] == allowed["place"]
    ]

    assert any(allowed["text"] in text for text in there)
    # Without its place it is wrong.
    assert list(find_wrong(Prose("elsewhere", allowed["text"])))


def test_a_command_is_listed_by_a_short_sentence() -> None:
    lines = {
        name: command.get_short_help_str(limit=200)
        for name, command in walk_commands()
        if " " in name
    }

    assert {
        name: line
        for name, line in lines.items()
        if len(line) > MAX_HELP or not line.endswith(".")
    } == {}


def test_an_option_is_described_by_a_sentence() -> None:
    helps = {
        (name, option.name): getattr(option, "help", None) or ""
        for name, command in walk_commands()
        for option in command.params
    }

    assert len(helps) > 150
    assert [key for key, text in helps.items() if text and text[-1] not in ".]"] == []


def test_an_alert_fits_a_phone() -> None:
    summaries = [
        prose.text
        for prose in read_surface("alerts")
        if prose.place.endswith("summary")
    ]

    assert [
        text
        for text in summaries
        if len(text) > MAX_SUMMARY
        or text.endswith(".")
        or re.match("(A|An|The) ", text)
    ] == []


def test_a_title_is_a_short_noun_phrase() -> None:
    titles = [
        prose.text for prose in read_surface("dashboards") if "title" in prose.place
    ]

    assert [text for text in titles if len(text) > MAX_TITLE or "?" in text] == []


def test_a_word_of_the_glossary_is_used() -> None:
    rows = re.findall(
        r"^\| ([^|]+) \|", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE
    )
    words = {
        word.strip().lower()
        for row in rows
        if row not in {"Word", "---"}
        for word in re.split("[;,] ", re.sub(r"\(.*?\)|`", "", row))
    }
    texts = " ".join(
        prose.text.lower()
        for surface in SURFACES
        for prose in read_surface(surface)
        if prose.place != "docs/glossary.md"
    )

    assert len(words) > 50
    assert [word for word in sorted(words) if word not in texts] == []
