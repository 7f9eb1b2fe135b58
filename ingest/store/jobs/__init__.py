"""Jobs in Postgres: the import of a whole file, and its rows."""
