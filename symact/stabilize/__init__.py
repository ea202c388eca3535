"""Stabilize: an exact expression in, a graph out that computes it accurately in a format.

Candidates are proposed by general means (rules, exponential forms, fitted series), measured against
the truth with the kernels' own errors, and kept where they win.
"""

from symact.stabilize.family import StableFamily, stabilize_family
from symact.stabilize.problem import Score
from symact.stabilize.search import stabilize
from symact.stabilize.stable import Stable
from symact.stabilize.task import PREFERENCES, Task

__all__ = [
    "PREFERENCES",
    "Score",
    "Stable",
    "StableFamily",
    "Task",
    "stabilize",
    "stabilize_family",
]
