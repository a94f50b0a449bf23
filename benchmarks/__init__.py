"""Speed and memory, side by side with a baseline in one run; never part of the tests."""
