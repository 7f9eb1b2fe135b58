"""Profiles in Postgres: found, locked, loaded, and saved by the batch."""
