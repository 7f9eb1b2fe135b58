"""The catalog in Postgres: loaded, saved, and what is stored follows it."""
