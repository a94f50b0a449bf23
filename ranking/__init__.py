"""Votes in, ranking out: `merge` and `canonical` in integers that may be signed, the rest for display."""
