"""Text in, text and log-probabilities out: the model contract, prompts, judging, sampling, backends."""
