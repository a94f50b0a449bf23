"""Sockets, disk, clock and models: everything that turns the world into inputs and actions into the world."""
