"""Identities, signed facts, one round's state machine, receipts. Pure: no clock, no disk, no sockets."""
