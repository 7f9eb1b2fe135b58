"""People, found by a part of a name, an email, or a phone."""
