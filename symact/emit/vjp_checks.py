"""VJP checks: the text of a test file for a module of several inputs or over an axis, exact values embedded.

Like ``checks``, it needs TensorFlow, NumPy and the module beside it. A row is one point: the inputs, one
cotangent, and the exact value and gradients, with the sizes that errors are measured by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from symact.emit.checks import HEAD, SCRIPT, table_of_limits
from symact.formula import Formula
from symact.version import __version__


@dataclass(frozen=True)
class Point:
    """One row of the table.

    Attributes:
        inputs: the elements of every input and trainable parameter.
        upstream: the elements of the cotangent.
        results: the exact elements of the value and, by variable, of its gradients.
        scales: for each of ``results``, the size of which an error is so many ULP.
    """

    inputs: Mapping[str, Sequence[float]]
    upstream: Sequence[float]
    results: Mapping[str, Sequence[float]]
    scales: Sequence[float]


def vjp_checks(
    formula: Formula,
    module: str,
    points: Mapping[str, Sequence[Point]],
    limits: Mapping[str, tuple[float, float]],
) -> str:
    """The source of a test file.

    Args:
        formula: what the module was generated from.
        module: the module's file name; the test looks for it in its own folder.
        points: dtype → exact rows.
        limits: dtype → the largest error, in ULP of a result's scale, of value and gradients that passes.
    """
    weights = "".join(f'    "{p.name}": {p.default!r},\n' for p in formula.parameters if p.trainable)
    arguments = {
        "name": formula.name,
        "layer": formula.class_name,
        "module": module,
        "version": __version__,
        "inputs": _names(formula.inputs),
        "weights": f"{{\n{weights}}}" if weights else "{}",
        "scalars": _names([name for name in formula.trainable if name not in formula.indexed]),
        "options": '{"axis": -1}' if formula.is_vector else "{}",
    }
    tables = "\n".join(
        f'    "{dtype}": [\n{"".join(map(_row, rows))}    ],' if rows else f'    "{dtype}": [],'
        for dtype, rows in points.items()
    )
    return "\n\n".join(
        [
            HEAD.format(**arguments) + "\n\n" + _NAMES.format(**arguments),
            f"# Inputs, cotangent, and exact results.\n_EXACT = {{\n{tables}\n}}",
            table_of_limits(limits, "value and gradients"),
            _BODY + SCRIPT,
        ]
    )


def _names(names: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


def _row(point: Point) -> str:
    entries = {
        **{f"input {name}": values for name, values in point.inputs.items()},
        "upstream": point.upstream,
        **{f"exact {name}": values for name, values in point.results.items()},
        "scales": point.scales,
    }
    lines = [
        f'            "{name}": "{" ".join(value.hex() for value in values)}",\n'
        for name, values in entries.items()
    ]
    return f"        {{\n{''.join(lines)}        }},\n"


_NAMES = """_FUNCTION = _MODULE.{name}
_LAYER = _MODULE.{layer}
_INPUTS = {inputs}
# Weights and their defaults; those of them that are one number.
_WEIGHTS = {weights}
_SCALARS = {scalars}
_OPTIONS = {options}"""

_BODY = '''
def _floats(text):
    return np.array([float.fromhex(part) for part in text.split()])


def _results(row, dtype):
    """The value and the gradients by all inputs and weights."""
    tensors = {}
    for name in [*_INPUTS, *_WEIGHTS]:
        values = _floats(row["input " + name]).astype(dtype)
        tensors[name] = tf.constant(values[0] if name in _SCALARS else values)
    with tf.GradientTape() as tape:
        tape.watch(list(tensors.values()))
        y = _FUNCTION(**tensors, **_OPTIONS)
    upstream = _floats(row["upstream"]).astype(dtype).reshape(y.shape)
    gradients = tape.gradient(y, tensors, tf.constant(upstream))
    return [y, *gradients.values()]


def _check(dtype, columns):
    """Compare results, of which the first is the value, with the exact ones."""
    names = ["value", *_INPUTS, *_WEIGHTS]
    most = _MOST_ULP[dtype][columns.start]
    for row in _EXACT[dtype]:
        found = [*zip(names, _results(row, dtype), _floats(row["scales"]))]
        for name, result, scale in found[columns]:
            truth, result = _floats(row["exact " + name]), np.ravel(result)
            unit = np.spacing(max(scale, np.finfo(dtype).tiny).astype(dtype))
            away = np.abs(result.astype(np.float64) - truth).max()
            assert away <= most * unit, (
                f"{name} at {row} is {result}, {away / unit:.3g} ULP from the exact {truth}"
            )


def test_value_in_float32():
    _check("float32", slice(0, 1))


def test_gradients_in_float32():
    _check("float32", slice(1, None))


def test_value_in_float64():
    _check("float64", slice(0, 1))


def test_gradients_in_float64():
    _check("float64", slice(1, None))


def test_the_layer_computes_the_function():
    layer = _LAYER(**_OPTIONS)
    weights = {name: tf.constant(value) for name, value in _WEIGHTS.items()}
    for row in _EXACT["float32"]:
        columns = [_floats(row["input " + name])[None] for name in _INPUTS]
        inputs = [values.astype("float32") for values in columns]
        result = layer(inputs if len(inputs) > 1 else inputs[0])
        expected = _FUNCTION(*inputs, **weights, **_OPTIONS)
        np.testing.assert_array_equal(result, expected)

'''
