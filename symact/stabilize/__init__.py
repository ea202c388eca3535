"""Stabilize: an exact expression in, a graph out that computes it accurately in a format.

Candidates are proposed by general means (rules, exponential forms, fitted series), measured against
the truth with the kernels' own errors, and kept where they win.
"""

from symact.stabilize.family import PREFERENCES, StableFamily, stabilize_family
from symact.stabilize.problem import Score
from symact.stabilize.search import Stable, stabilize
from symact.stabilize.separate import stabilize_pair

__all__ = [
    "PREFERENCES",
    "Score",
    "Stable",
    "StableFamily",
    "stabilize",
    "stabilize_family",
    "stabilize_pair",
]
