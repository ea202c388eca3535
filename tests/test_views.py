"""What is looked at: text, picture, page and what notebooks show. Complete, closed, and loading nothing."""

from __future__ import annotations

from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner

from symact.cli import cli
from symact.page import page
from symact.plots import png, styles, svg, worst_of_bins
from symact.typeset import mathml

MISH = "x*tanh(log(1+exp(x)))"
VOID = {"meta", "img", "mspace", "br"}


class Closed(HTMLParser):
    """Collects tags and attributes, and fails where an element is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "data", "srcset")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def compared(compiled):
    activation = compiled(MISH)
    return activation, activation.compare(against="keras.activations.mish", dtype="float32", samples=1200)


def test_the_picture_is_a_picture(compared):
    _, comparison = compared
    assert png(comparison).startswith(b"\x89PNG\r\n")
    root = ElementTree.fromstring(svg(comparison))
    assert root.tag.endswith("svg")
    assert svg(comparison) == svg(comparison)


def test_curves_hold_the_worst_that_the_table_has(compared):
    _, comparison = compared
    for title in ("value", "derivative"):
        for name, figures in comparison.formats["float32"].column(title).items():
            x, errors = worst_of_bins(comparison.curves.x, comparison.curves.errors[title][name])
            assert len(x) <= 271
            assert np.all(np.diff(x) > 0)
            if abs(figures.worst_at) <= 200:
                assert figures.worst_at in comparison.curves.x
                assert np.nanmax(errors) >= figures.worst_ulp


def test_many_contenders_look_different():
    looks = styles(map(str, range(60)))
    assert len(set(looks.values())) == 60
    # In print, where colours are greys.
    assert len({(look.line, look.marker) for look in looks.values()}) == 60


def test_the_page_is_closed_and_loads_nothing(compared):
    activation, comparison = compared
    text = page(comparison, activation.compilation)
    parsed = Closed(text)
    assert all(link.startswith("data:image/svg+xml;base64,") for link in parsed.links)
    assert not {"script", "link", "iframe", "object"} & set(parsed.tags)
    assert parsed.tags.count("math") == 2
    assert parsed.tags.count("table") == 4
    assert "url(" not in text
    assert "@import" not in text
    assert "def _value_float32(x):" in text


def test_names_and_formulas_are_escaped(compiled):
    activation = compiled("Piecewise((x, x < 0), (2*x, True))")

    def hostile(x):
        return x

    hostile.__name__ = "<script>alert(1)</script>"
    comparison = activation.compare(against=hostile, dtype="float32", samples=300)
    text = page(comparison, activation.compilation)
    assert "<script>" not in text
    assert "x &lt; 0" in text
    Closed(text)


def test_notebooks_show_both(compared):
    activation, comparison = compared
    assert "math" in Closed(activation._repr_html_()).tags
    assert {"table", "img"} <= set(Closed(comparison._repr_html_()).tags)
    latex = activation._repr_latex_()
    assert latex.startswith("$")
    assert r"\tanh" in latex
    assert latex.count("{") == latex.count("}")


def test_the_command_line_writes_both_and_judges_afterwards(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    formula = "Piecewise((x, x > 0), (exp(x) - 1, True))"
    given = ["compare", formula, "--against", "tf.nn.elu", "--dtype", "float16"]
    done = CliRunner().invoke(cli, [*given, "--plot", "e.png", "--html", "e.html", "--fail-above", "4"])
    assert done.exit_code != 0
    assert "tf.nn.elu, value in float16" in str(done.exception)
    assert "symact" not in str(done.exception)
    assert len(str(done.exception)) < 300
    assert "float16: 63,487 inputs" in done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.html", "e.png"]
    # Autodiff of the formula is as bad, and is not judged; symact's own column passes.
    assert (
        CliRunner().invoke(cli, ["compare", formula, "--dtype", "float16", "--fail-above", "4"]).exit_code
        == 0
    )
    refused = CliRunner().invoke(cli, [*given, "--plot", "e.png"])
    assert "--force" in str(refused.exception)


def test_branches_and_reductions_are_typeset_with_signs_of_their_own(compiled):
    text = mathml(compiled("Piecewise((x, x > 0), (exp(x) - 1, True))").formula.expression)
    assert text.count("<mtr>") == 2
    assert "otherwise" in text
    assert "piecewise" not in text.lower()
    softmax = compiled("exp(x[i])/Sum(exp(x[j]), j)")
    text = mathml(softmax.formula.with_indices)
    assert "&#8721;" in text
    assert "total" not in text.lower()
    assert r"\sum_{j} e^{{x}_{j}}" in softmax._repr_latex_()
    for formula in ("ReduceMax(x[j], j)", "Mean(x[j] + 1, j)"):
        text = mathml(compiled(formula).formula.with_indices)
        ElementTree.fromstring(text.replace("&InvisibleTimes;", "").replace("&ApplyFunction;", ""))
        assert "<munder>" in text
