"""The description of the API, made from the code's own tables."""
