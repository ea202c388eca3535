"""How a repository that uses an emitted file checks it with symact itself, in its own tests.

Run: pytest examples/their_project

``softplus.py`` is emitted code that was checked in, ``test_softplus.py`` the test that
``symact generate "log(1+exp(x))" -o softplus.py --with-test`` wrote beside it, which needs no symact.
Where symact is a development dependency, a few lines compare the file at thousands of inputs; and in the
same way any other function that claims to implement the formula.
"""

import pytest
from softplus import softplus  # beside this file: pytest puts its folder on the path

import symact


@pytest.fixture(scope="module")
def formula():
    return symact.compile("log(1+exp(x))", name="softplus")


def test_the_checked_in_file_is_accurate(formula):
    formula.compare(against=softplus, dtype="float32").assert_accurate(max_ulp=8)


def test_half_precision_is_accurate_at_every_number(formula):
    comparison = formula.compare(against=softplus, dtype=("float16", "bfloat16"))
    comparison.assert_accurate(max_ulp=1)


def test_what_it_replaced_was_less_accurate(formula):
    comparison = formula.compare(against="tf.nn.softplus", dtype="float32")
    ours, theirs = (comparison.values[name].worst_ulp for name in ("symact", "tf.nn.softplus"))
    assert ours < theirs
