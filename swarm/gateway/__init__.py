"""The swarm behind OpenAI's HTTP interface."""
