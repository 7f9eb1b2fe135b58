"""Outcomes of imports as replies show them."""

from msgspec import convert, to_builtins

from ingest.domain.imports import Outcome
from ingest.wire.reply_types import ChangeView, KeptView, hide_stored


def view_changes(outcome: Outcome, *, reads: bool) -> list[ChangeView]:
    """Return the paths that changed; stored values to those who may read them."""
    return [
        ChangeView(path=path, old=old, new=new) if reads else ChangeView(path=path)
        for path, (old, new) in outcome.changes.items()
    ]


def view_kept(outcome: Outcome, *, reads: bool = True) -> list[KeptView]:
    """Return the values that were left; stored ones to those who may read them."""
    kept = convert(to_builtins(outcome.kept), list[KeptView])
    return kept if reads else hide_stored(kept)
