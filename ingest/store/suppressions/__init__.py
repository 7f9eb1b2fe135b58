"""Suppression lists in Postgres: entries, and what is still to be lowered."""
