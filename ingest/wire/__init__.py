"""Bodies to requests, and outcomes to replies."""
