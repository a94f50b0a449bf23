"""Evidence that one inference was really run: audit by re-execution and proofs live here when they are built."""
