"""Every command helps: what it does, an example, how it may end, for machines too."""

import shlex
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from ingest.cli import main

#: Commands with nothing to print that a machine would read otherwise.
WITHOUT_JSON = {
    "demo",
    "intake",
    "consume",
    "export",  # its lines are JSON, or CSV
    "suppression export",  # its lines are JSON
    "exporter",
    "console",
    "migrate",
    "completion",
    "endpoint secret",
    "endpoint enable",
    "jobs rejects",  # its lines are those of the file
    "partitions set",
    "health",
}


def walk(
    group: click.Group, *path: str
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from walk(command, *path, name)


COMMANDS = [pytest.param(path, each, id=" ".join(path)) for path, each in walk(main)]
each_command = pytest.mark.parametrize(("path", "command"), COMMANDS)


@each_command
def test_a_command_says_what_it_does_and_shows_how(
    path: tuple[str, ...], command: click.Command
) -> None:
    result = CliRunner().invoke(main, [*path, "--help"])

    assert result.exit_code == 0
    assert command.help
    assert "Example" in result.output
    assert f"penstock {' '.join(path)}" in result.output.partition("Example")[2]


@each_command
def test_a_command_says_how_it_may_end(
    path: tuple[str, ...], command: click.Command
) -> None:
    told = CliRunner().invoke(main, [*path, "--help"]).output.partition("Exit status")

    assert "  0  " in told[2]
    assert "  2  " in told[2]


@each_command
def test_every_option_is_explained(
    path: tuple[str, ...], command: click.Command
) -> None:
    options = [each for each in command.params if isinstance(each, click.Option)]

    assert [option.name for option in options if not option.help] == []


@each_command
def test_an_unknown_option_is_wrong_usage(
    path: tuple[str, ...], command: click.Command
) -> None:
    result = CliRunner().invoke(main, [*path, "--no-such-option"])

    assert result.exit_code == 2
    assert "no-such-option" in result.output


def test_a_machine_may_read_whatever_is_printed() -> None:
    without = {
        " ".join(path)
        for path, command in walk(main)
        if not isinstance(command, click.Group)
        and not any("--json" in option.opts for option in command.params)
    }

    assert without == WITHOUT_JSON


@each_command
def test_the_examples_are_commands_that_exist(
    path: tuple[str, ...], command: click.Command
) -> None:
    lines = (command.epilog or "").splitlines()
    examples = [
        shlex.split(line.partition("penstock ")[2].split("|")[0].split(">")[0])
        for line in lines
        if "penstock " in line and not line.startswith("Exit")
    ]

    known = {" ".join(each) for each, _ in walk(main)}
    assert examples
    for words in examples:
        assert {" ".join(words[:1]), " ".join(words[:2])} & known, words


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("dead", "dead-letters"),
        ("dead drop", "dead-letters discard"),
        ("dead-letters drop", "dead-letters discard"),
        ("dead-letters bury", "dead-letters add"),
        ("imports tail", "imports list"),
    ],
)
def test_an_old_name_is_accepted_and_never_shown(old: str, new: str) -> None:
    def explain(words: str) -> str:
        result = CliRunner().invoke(main, [*words.split(), "--help"])
        assert result.exit_code == 0
        return result.output.partition("\n\n")[2]

    assert explain(old) == explain(new)
    assert old.split() not in [[*path] for path, _ in walk(main)]


def test_an_old_option_is_accepted_and_never_shown() -> None:
    run = CliRunner().invoke
    help_ = run(main, ["token", "create", "--help"]).output
    bad = run(main, ["token", "create", "x", "--action", "fly"])

    assert "--scope [import|read|delete|merge|consent|admin]" in help_
    assert "--action" not in help_
    assert (bad.exit_code, "Invalid value for '--scope'" in bad.output) == (2, True)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])

    assert result.exit_code == 0
    assert "_PENSTOCK_COMPLETE" in result.output


def test_a_shell_completes_commands_and_choices() -> None:
    def complete(words: str, current: str) -> list[str]:
        result = CliRunner().invoke(
            main,
            env={
                "_PENSTOCK_COMPLETE": "fish_complete",
                "COMP_WORDS": words,
                "COMP_CWORD": current,
            },
            prog_name="penstock",
        )
        return [line.partition(",")[2] for line in result.output.splitlines()]

    assert any(line.startswith("imports") for line in complete("penstock imp", "imp"))
    states = complete("penstock events list --state ", "")
    assert {line.partition("\t")[0] for line in states} == {
        "pending",
        "delivered",
        "failed",
        "skipped",
    }
