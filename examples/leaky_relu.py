"""The leaky relu with slope 0.1: defined with SymPy, its gradient printed, used as a layer and trained.

Run: python examples/leaky_relu.py
"""

import keras
import numpy as np
import sympy as sp
import tensorflow as tf

import symact


def main() -> None:
    x, slope = sp.symbols("x slope")
    leaky_relu = symact.compile(
        sp.Piecewise((x, x >= 0), (slope * x, True)), name="leaky_relu", params={"slope": 0.1}
    )
    print("formula:   ", leaky_relu.expr)
    print("derivative:", leaky_relu.derivative)

    points = tf.constant([-2.0, -1.0, 0.0, 1.0, 2.0])
    with tf.GradientTape() as tape:
        tape.watch(points)
        values = leaky_relu(points)
    print("x:         ", points.numpy())
    print("value:     ", values.numpy())
    print("gradient:  ", tape.gradient(values, points).numpy())
    print("at 0 the gradient is that of the branch x >= 0; slope=0.3:", leaky_relu(points, slope=0.3).numpy())

    keras.utils.set_random_seed(0)
    inputs = np.random.default_rng(0).uniform(-2, 2, (512, 4)).astype("float32")
    targets = np.abs(inputs).sum(axis=1, keepdims=True)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(32),
            leaky_relu.layer(),
            keras.layers.Dense(1),
        ]
    )
    model.compile(optimizer="adam", loss="mse")
    before = model.evaluate(inputs, targets, verbose=0)
    model.fit(inputs, targets, epochs=15, batch_size=32, verbose=0)
    after = model.evaluate(inputs, targets, verbose=0)
    print(f"mean squared error: {before:.4f} before training, {after:.4f} after")


if __name__ == "__main__":
    main()
