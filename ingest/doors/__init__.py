"""The doors through which imports arrive, and the one function that accepts them."""
