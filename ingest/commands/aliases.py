"""Old names of commands and options: accepted, never shown."""

from typing import Any, ClassVar

import click


class AliasedGroup(click.Group):
    """Group whose commands are also found by their old names."""

    #: Old name → name.
    aliases: ClassVar[dict[str, str]] = {}

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of this name or old name, or None."""
        return super().get_command(ctx, self.aliases.get(cmd_name, cmd_name))


def aliased(**aliases: str) -> type[AliasedGroup]:
    """Return a group class with these aliases: `aliased(tail="list")`."""
    return type("AliasedGroup", (AliasedGroup,), {"aliases": aliases})


class RenamedOption(click.Option):
    """Option that is also parsed under its old name, `was`."""

    def __init__(self, *args: Any, was: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._was = was

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Add both names; help, completion, and errors know the new one only."""
        super().add_to_parser(parser, ctx)
        action = "append" if self.multiple else "store"
        parser.add_option(
            obj=self, opts=[self._was], dest=self.name, action=action, nargs=self.nargs
        )
