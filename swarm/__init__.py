"""The node: a pure core, thin edges, and the command line."""
