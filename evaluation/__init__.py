"""Measurements of whole swarms against questions with known truth."""
