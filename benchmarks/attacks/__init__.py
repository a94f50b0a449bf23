"""Attackers of a network of peers, each in a process of its own; `benchmarks.network_attacks` runs them."""
