"""A run for people: tables for those who compute, one page for those who look."""
