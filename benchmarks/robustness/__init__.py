"""Simulated swarms, honest and hostile, and every ranking method on the same rounds of them.

`settings` what is simulated and the figures it is held to; `swarm` the simulator; `attacks` what attackers
do; `methods` and `play` the methods on the rounds; `reproduce`, `standard` and `beyond` the measurements;
`tables` their printed form. `benchmarks/ranking_robustness.py` is the entry.
"""
