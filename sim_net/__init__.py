"""Worlds in virtual time that drive the very node the network runs."""
