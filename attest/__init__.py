"""Evidence that one inference was really run; audit by re-execution and proofs have their place here."""
