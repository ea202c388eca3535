"""Typeset: expressions as MathML, branches and reductions too, for which SymPy's own printer has no signs."""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.printing.mathml import MathMLPresentationPrinter

from symact.reductions import Mean, ReduceMax, ReduceMin, Total

# A little space where browsers would set ``x tanh`` as one word.
_TIMES = '<mo>&InvisibleTimes;</mo><mspace width="0.17em"/>'
# What stands for a reduction, with its index below.
_SIGNS = {Total: "∑", Mean: "mean", ReduceMax: "max", ReduceMin: "min"}


def mathml(expression: sp.Expr) -> str:
    """``expression`` as presentation MathML, without the element ``math`` around it."""
    printed: str = _Printer().doprint(expression)
    return printed.replace("<mo>&InvisibleTimes;</mo>", _TIMES)


class _Printer(MathMLPresentationPrinter):  # type: ignore[misc]
    def _element(self, tag: str, *children: Any, **attributes: str) -> Any:
        element = self.dom.createElement(tag)
        for child in children:
            element.appendChild(self.dom.createTextNode(child) if isinstance(child, str) else child)
        for name, value in attributes.items():
            element.setAttribute(name, value)
        return element

    def _fenced(self, expression: sp.Expr) -> Any:
        return self._element(
            "mrow", self._element("mo", "("), self._print(expression), self._element("mo", ")")
        )

    def parenthesize(self, item: sp.Expr, level: int, strict: bool = False) -> Any:
        """A factor or term of a larger expression; where branches end is to be seen there."""
        return self._fenced(item) if item.is_Piecewise else super().parenthesize(item, level, strict)

    def _print_Piecewise(self, expression: sp.Piecewise) -> Any:
        """One row a branch behind a brace, as one writes it by hand."""
        rows = []
        for value, condition in expression.args:
            when = (
                self._element("mtext", "otherwise")
                if condition is sp.true
                else self._element("mrow", self._element("mtext", "for\u00a0"), self._print(condition))
            )
            cells = [self._element("mtd", self._print(value)), self._element("mtd", when)]
            rows.append(self._element("mtr", *cells))
        table = self._element("mtable", *rows, columnalign="left left")
        return self._element("mrow", self._element("mo", "{", stretchy="true"), table)

    def _reduction(self, expression: sp.Expr) -> Any:
        body, index = expression.args
        sign = self._element("mo", _SIGNS[type(expression)], movablelimits="false")
        # A sum reaches as far as its product; a word needs to say how far.
        inner = self._print(body) if isinstance(expression, Total) and not body.is_Add else self._fenced(body)
        return self._element("mrow", self._element("munder", sign, self._print(index)), inner)

    _print_Total = _print_Mean = _print_ReduceMax = _print_ReduceMin = _reduction
