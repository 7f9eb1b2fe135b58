"""Events in Postgres: the outbox, its endpoints, and deliveries to them."""
