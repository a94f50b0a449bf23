"""A peer as a service: what runs for months on its owner's machine, and what it says of itself."""
