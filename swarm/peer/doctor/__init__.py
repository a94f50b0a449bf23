"""What is wrong with a peer, and how to mend it: checks that change nothing, each with an id of its own."""
