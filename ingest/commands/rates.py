"""Rate limits of tokens as they are typed: `100/s`, and a burst."""

import click

from ingest.domain.errors import InvalidValue
from ingest.domain.rates import Rate, parse_rate

burst_option = click.option(
    "--burst",
    type=click.IntRange(1, 2**31 - 1),
    metavar="N",
    help="Imports allowed in a burst.  [default: the imports of one second]",
)


def read_rate(text: str | None, burst: int | None) -> Rate | None:
    """Return the rate that was typed, None for none; raise BadParameter."""
    if text is None or text == "none":
        if burst is not None:
            raise click.UsageError("--burst requires a rate, such as 100/s.")
        return None
    try:
        return parse_rate(text, burst)
    except InvalidValue as error:
        raise click.BadParameter(str(error), param_hint="rate") from error
