"""One node as a function: `step(state, input) -> (state, actions)`."""
