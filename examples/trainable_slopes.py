"""A PReLU and a Swish with trainable slopes: each finds the slopes that made its data.

Run: python examples/trainable_slopes.py
"""

import keras
import numpy as np

import symact


def main() -> None:
    keras.utils.set_random_seed(0)
    prelu = symact.compile(
        "Piecewise((x, x >= 0), (alpha*x, True))",
        name="my_prelu",
        params={"alpha": 0.25},
        trainable=("alpha",),
    )
    swish = symact.compile("x/(1+exp(-beta*x))", name="my_swish", params={"beta": 1.0}, trainable=("beta",))
    points = np.random.default_rng(0).normal(size=(1024, 3)).astype("float32") * 2

    # One slope for each channel, as in keras.layers.PReLU; a single one for the Swish.
    true_slopes = np.array([0.1, 0.5, -0.3], "float32")
    layer = prelu.layer(shared_axes=[])
    theirs = keras.layers.PReLU(alpha_initializer=keras.initializers.Constant(0.25))
    for name, one in {"symact": layer, "keras": theirs}.items():
        model = keras.Sequential([keras.Input((3,)), one])
        model.compile(keras.optimizers.Adam(0.02), "mse")
        model.fit(points, np.where(points > 0, points, true_slopes * points), epochs=15, verbose=0)
        print(f"PReLU slopes by {name}: {np.round(one.alpha.numpy(), 3)}, true {true_slopes}")

    layer = swish.layer(beta_regularizer=keras.regularizers.L2(1e-6))
    model = keras.Sequential([keras.Input((3,)), layer])
    model.compile(keras.optimizers.Adam(0.02), "mse")
    model.fit(points, swish(points, beta=1.7).numpy(), epochs=30, verbose=0)
    print(f"Swish slope: {float(layer.beta.numpy()):.3f}, true 1.7")


if __name__ == "__main__":
    main()
