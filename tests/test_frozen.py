"""Results are frozen to the innermost mapping, and can be copied, pickled and printed all the same."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import FrozenInstanceError, fields, is_dataclass

import numpy as np
import pytest
import tensorflow as tf

from symact.frozen import FrozenMapping, frozen
from symact.report import comparison_text


@pytest.fixture(scope="module", params=["elementwise", "pairs"])
def comparison(request, compiled):
    if request.param == "pairs":
        return compiled("a*b", inputs=("a", "b")).compare(dtype="float32", samples=500)
    return compiled("x*beta", params={"beta": 2.0}, trainable=("beta",)).compare(dtype="float16")


def _inside(value):
    """All that a result holds, at any depth."""
    yield value
    if is_dataclass(value):
        inner = [getattr(value, f.name) for f in fields(value)]
    else:
        inner = value.values() if isinstance(value, FrozenMapping) else value if type(value) is tuple else ()
    for part in inner:
        yield from _inside(part)


def test_nothing_inside_can_be_changed(comparison):
    parts = list(_inside(comparison))
    assert not [part for part in parts if isinstance(part, dict | list | set)]
    assert not [part for part in parts if isinstance(part, np.ndarray) and part.flags.writeable]
    with pytest.raises(TypeError):
        comparison.gradients["x"] = 1
    with pytest.raises(FrozenInstanceError):
        comparison.name = "another"


def test_it_can_be_copied_pickled_and_printed(comparison):
    text = json.dumps(comparison.as_dict(), allow_nan=False)
    for again in (copy.deepcopy(comparison), pickle.loads(pickle.dumps(comparison))):
        assert json.dumps(again.as_dict(), allow_nan=False) == text
    assert str(comparison) == comparison_text(comparison)


def test_freezing_leaves_what_was_given_alone():
    given = {"a": [1, {"b": np.zeros(2)}]}
    held = frozen(given)
    given["a"].append(2)
    given["a"][1]["b"][0] = 1
    assert len(held["a"]) == 2
    assert held == {"a": (1, held["a"][1])}
    with pytest.raises(ValueError, match="read-only"):
        held["a"][1]["b"][0] = 1


def test_contenders_are_called_as_a_mapping_says(compiled):
    comparison = compiled("x/(1+exp(-x))").compare(
        against={"tf.nn.silu": tf.nn.silu, "Keras's": "keras.activations.silu"}, dtype="float16"
    )
    assert comparison.contenders == ("symact", "autodiff", "tf.nn.silu", "Keras's")
    assert comparison.problems == {}
