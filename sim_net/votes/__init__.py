"""A model of the votes of four seats: searched exhaustively, and held against the code that seats run."""

from sim_net.votes.rules import VotingRule
from sim_net.votes.schedule import Schedule
from sim_net.votes.search import Exploration, explore_votes

__all__ = ["Exploration", "Schedule", "VotingRule", "explore_votes"]
