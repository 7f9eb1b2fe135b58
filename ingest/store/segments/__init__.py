"""Dynamic segments in Postgres: how they are built, and when time moves profiles."""
