"""Profiles as commands name them: by ID, email, or phone."""

import click

from ingest.domain.profiles import Profile
from ingest.domain.terms import read_term
from ingest.store.database import Connection
from ingest.store.profiles.profile_rows import load_profiles
from ingest.store.searches import search


def find_profile(connection: Connection, term: str, database_id: int | None) -> Profile:
    """Return the one profile that `term` names; raise ClickException."""
    hits = [
        hit
        for hit in search(connection, read_term(term)).profiles
        if database_id in (None, hit.database_id)
    ]
    if not hits:
        raise click.ClickException(
            f"No profile has the ID, email, or phone {term}. Emails and phones are "
            "compared as in `matching` email and phone."
        )
    if len(hits) > 1:
        commands = "\n".join(
            f"  penstock profiles show {hit.profile_id} --database {hit.database_id}"
            for hit in hits
        )
        raise click.ClickException(
            f"{len(hits)} profiles found. To show one of them:\n{commands}"
        )
    found = load_profiles(connection, [(hits[0].database_id, hits[0].profile_id)])
    if not found:
        raise click.ClickException("The profile was deleted while the command ran.")
    return found[0]
