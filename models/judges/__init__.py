"""How a seat judges: strategies that turn pairs of answers into outcomes, over one model contract."""
