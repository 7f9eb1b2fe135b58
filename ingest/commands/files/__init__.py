"""`penstock import`: files, one after another, from options to the report."""
