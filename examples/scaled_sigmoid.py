"""The scaled sigmoid 2·sigmoid(x) - 1: defined, its gradient printed, used in a model that is trained.

Run: python examples/scaled_sigmoid.py
"""

import keras
import numpy as np
import tensorflow as tf

import symact


def main() -> None:
    scaled_sigmoid = symact.compile("2/(1 + exp(-x)) - 1", name="scaled_sigmoid")
    print("formula:   ", scaled_sigmoid.expr)
    print("derivative:", scaled_sigmoid.derivative)

    x = tf.constant([-100.0, -1.0, 0.0, 1e-6, 1.0, 100.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = scaled_sigmoid(x)
    print("x:         ", x.numpy())
    print("value:     ", y.numpy())
    print("gradient:  ", tape.gradient(y, x).numpy())

    keras.utils.set_random_seed(0)
    inputs = np.random.default_rng(0).uniform(-2, 2, (512, 4)).astype("float32")
    targets = np.tanh(inputs.sum(axis=1, keepdims=True))
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(16, activation=scaled_sigmoid),
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
