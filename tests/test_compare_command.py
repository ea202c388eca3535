"""The command ``symact compare``: limits, files, and other people's functions that misbehave."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from symact.cli import cli
from symact.errors import AccuracyError, OptionError
from symact.figures import require_none

ELU = "Piecewise((x, x > 0), (exp(x) - 1, True))"


@pytest.mark.parametrize("limit", ["nan", "-1", "-inf"])
def test_a_limit_that_nothing_can_be_held_to_is_refused(limit, compiled):
    done = CliRunner().invoke(cli, ["compare", "x", "--dtype", "float16", "--fail-above", limit])
    assert done.exit_code == 2
    assert "--fail-above" in done.output
    for comparison in (
        compiled("x").compare(dtype="float16"),
        compiled("a*b", inputs=("a", "b")).compare(dtype="float16", samples=500),
    ):
        with pytest.raises(OptionError, match="ULP"):
            comparison.assert_accurate(max_ulp=float(limit))
        comparison.assert_accurate(max_ulp=0.5)


def test_the_message_is_a_line_that_names_every_culprit():
    complaints = [f"first, value in {i}: 9 ULP at x = 1.0" for i in range(40)]
    complaints += ["second, derivative in float32: " + "x" * 500]
    with pytest.raises(AccuracyError) as caught:
        require_none(complaints, 4.0)
    message = str(caught.value)
    assert message.startswith("not accurate to 4 ULP: first, value in 0: 9 ULP at x = 1.0; ")
    assert "second, derivative" in message
    assert message.endswith("and 38 more")
    assert len(message) < 300
    require_none([], 0.0)
