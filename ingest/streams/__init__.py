"""Redis: streams of accepted imports, their names, doorbells, and connections."""
