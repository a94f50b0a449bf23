"""Rules that say whether an answer is right; each takes a task and a text and never raises."""
