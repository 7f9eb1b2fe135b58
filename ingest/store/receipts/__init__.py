"""Receipts in Postgres: one for every import, kept by the day."""
