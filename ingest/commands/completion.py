"""`penstock completion`: print a shell completion script."""

import click
from click.shell_completion import get_completion_class

_SHELLS = ("bash", "zsh", "fish")


@click.command(
    epilog="""\b
Examples:
  penstock completion bash > ~/.local/share/bash-completion/completions/penstock
  penstock completion zsh > ~/.zfunc/_penstock
  penstock completion fish > ~/.config/fish/completions/penstock.fish

\b
Exit status:
  0  success
  2  usage error"""
)
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that completes commands, options, and choices in SHELL."""
    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"No completion is available for {shell}.")
    root = context.find_root().command
    click.echo(made(root, {}, "penstock", "_PENSTOCK_COMPLETE").source())
