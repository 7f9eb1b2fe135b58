"""What bites this stack, looked for before it bites: `penstock doctor`."""
