"""Testnets of real processes over real sockets: the same manifests, the same tables, another world."""
