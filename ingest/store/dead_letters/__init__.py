"""Dead letters in Postgres: imports kept complete after an internal error."""
