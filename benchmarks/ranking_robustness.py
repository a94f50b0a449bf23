"""Simulate honest and hostile swarms and rank their rounds with every method, side by side.

Run: python -m benchmarks.ranking_robustness [--quick] [--reproduce] [--part PART] [--methods A,B]
    [--n 7,15,31] [--seeds 1,2] [--swarms COUNT] [--json FILE]

Parts: `reproduce` puts the columns of the study (majority, plain Bradley-Terry, oracle) beside its figures;
`main` is the table of the goals, 7 attacks, answers merged and unmerged, three regimes of gold; `beyond`
measures attackers that know the rule, sleepers, cheap signals, majorities of attackers and difficult honest
judges; `dealt` has the product deal the pairs; `confidence` measures whether P(best) can be believed and how
often honest judges are accused.

Accuracy is P(the winner is right), given that there is a right answer, over rounds 101 to 200 without those
set aside for gold. Standard errors are over swarms; the worst of 7 noisy attacks is lower than the accuracy
under the worst attack by up to one of them. All methods see the same rounds. Everything is simulation, on
one generative model: it ranks methods, it does not predict a live swarm.
"""

from benchmarks.robustness.__main__ import main

if __name__ == "__main__":
    main()
