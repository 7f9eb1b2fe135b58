"""Pure rules: values in, values or one of our errors out; no I/O, no clock."""
