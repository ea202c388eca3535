"""The L2 norm of a vector as a layer between two Dense layers: trained, and its gradient compared.

Run: python examples/l2_norm.py
"""

import keras
import numpy as np
import sympy as sp
import tensorflow as tf

import symact


@tf.custom_gradient
def by_hand(x):
    """The norm as people write it: scaled by nothing, with 0/0 guarded in the gradient only."""
    norm = tf.sqrt(tf.reduce_sum(tf.square(x), -1))
    return norm, lambda upstream: tf.math.divide_no_nan(x, norm[..., None]) * upstream[..., None]


def by_autodiff(x):
    return tf.sqrt(tf.reduce_sum(tf.square(x), -1))


def gradient(function, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return y.numpy().item(), tape.gradient(y, x).numpy()[0]


def main() -> None:
    x = sp.IndexedBase("x")
    j, n = sp.symbols("j n", integer=True)
    l2_norm = symact.compile(sp.sqrt(sp.Sum(x[j] ** 2, (j, 0, n - 1))), name="l2_norm")
    print("formula:", l2_norm.expr)

    print(f"{'vector':24}{'function':14}{'value':>14}  gradient")
    for vector in ([3.0, -4.0], [1e20, 1.0], [1e-30, 1e-30], [0.0, 0.0]):
        for name, function in {"symact": l2_norm, "by hand": by_hand, "autodiff": by_autodiff}.items():
            value, slope = gradient(function, tf.constant([vector]))
            print(f"{vector!s:24}{name:14}{value:14.6g}  {slope}")

    # Distances from a point: what the two Dense layers learn is the point, and a scale.
    keras.utils.set_random_seed(0)
    points = np.random.default_rng(0).normal(size=(512, 2)).astype("float32")
    distances = 0.5 * np.linalg.norm(points - [0.5, -1.0], axis=1, keepdims=True)
    model = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(2),
            l2_norm.layer(keepdims=True),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(0.05), "mse")
    losses = model.fit(points, distances, epochs=80, verbose=0).history["loss"]
    print(f"mean squared error: {losses[0]:.4f} after one epoch, {losses[-1]:.2e} after {len(losses)}")


if __name__ == "__main__":
    main()
