"""Statuses that hold no more, in Postgres: kept by the month (CH)."""
