"""The errors that symact raises: one family; a message is one line: what, where, how to mend it."""

from __future__ import annotations


class SymactError(Exception):
    """Base of every error that symact raises for its user's input."""


class FormulaError(SymactError):
    """A formula that is refused.

    Args:
        formula: the formula as the user wrote it; repeated in the message, shortened if long.
        problem: what is wrong, with the remedy where one is known.
        position: offset in ``formula`` of the offending piece, if known; the message points at it.
    """

    def __init__(self, formula: str, problem: str, position: int | None = None) -> None:
        self.formula = formula
        self.problem = problem
        self.position = position
        where = "" if position is None else f" (at character {position + 1})"
        super().__init__(f"cannot compile {_shorten(formula)!r}: {problem}{where}")


class UnsupportedError(FormulaError):
    """A formula that is well formed, but uses something symact does not compile."""


class OptionError(SymactError, ValueError):
    """An option (name, parameter, domain, order, residual) whose value is refused."""


class OutputError(SymactError):
    """A file that cannot be written, or would be overwritten without leave."""


class AccuracyWarning(UserWarning):
    """No accurate form of a formula, or of its derivative, was found on the interval that is named."""


class AccuracyError(SymactError, AssertionError):
    """Results that are further from the truth than was asked for."""


def _shorten(text: str, width: int = 120) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= width else flat[: width - 1] + "…"
