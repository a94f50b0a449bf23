"""Votes in, ranking out. `merge` and `canonical` are integers only and may be signed; the rest is for display."""
