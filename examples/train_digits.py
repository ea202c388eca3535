"""A classifier of scikit-learn's 1,797 handwritten digits with an activation that you write as a formula.

Run: python examples/train_digits.py "x*tanh(log(1+exp(x)))" --name mish --epochs 20
The same model with a built-in activation is trained beside it, and the first is saved and reloaded.
"""

import argparse
import tempfile
from pathlib import Path

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import symact


def build(activation) -> keras.Model:
    """A small network on 64 pixels, ten classes."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(96, activation=activation),
            keras.layers.Dense(96, activation=activation),
            keras.layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(2e-3), loss=loss, metrics=["accuracy"])
    return model


class Progress(keras.callbacks.Callback):
    """One line an epoch."""

    def __init__(self, name: str, epochs: int) -> None:
        super().__init__()
        self.name, self.epochs = name, epochs

    def on_epoch_end(self, epoch, logs=None):
        print(f"{self.name}: epoch {epoch + 1}/{self.epochs}, loss {logs['loss']:.4f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("formula", nargs="?", default="x*tanh(log(1+exp(x)))")
    parser.add_argument("--name", default="mish")
    parser.add_argument("--builtin", default="relu", help="the built-in activation to train beside it")
    parser.add_argument("--epochs", type=int, default=15)
    options = parser.parse_args()

    try:
        activation = symact.compile(options.formula, name=options.name)
    except symact.SymactError as error:
        raise SystemExit(f"train_digits: {error}") from None

    digits = load_digits()
    pixels = (digits.data / 16.0).astype("float32")
    train_x, test_x, train_y, test_y = train_test_split(
        pixels, digits.target, test_size=0.25, random_state=0, stratify=digits.target
    )
    accuracies = {}
    for name, choice in ((options.name, activation), (options.builtin, options.builtin)):
        model = build(choice)
        progress = Progress(name, options.epochs)
        model.fit(train_x, train_y, epochs=options.epochs, batch_size=64, verbose=0, callbacks=[progress])
        accuracies[name] = model.evaluate(test_x, test_y, verbose=0)[1]
        if choice is activation:
            ours = model
    for name, accuracy in accuracies.items():
        print(f"accuracy with {name}: {accuracy:.4f}")

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.keras"
        ours.save(path)
        again = keras.models.load_model(path)
        same = np.array_equal(again.predict(test_x, verbose=0), ours.predict(test_x, verbose=0))
        print(f"saved, reloaded: predictions {'identical' if same else 'DIFFER'}")
        if not same:
            raise SystemExit(1)


if __name__ == "__main__":
    main()
