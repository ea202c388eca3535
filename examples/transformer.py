"""A small transformer block on Python's own documentation, its parts written as formulas.

RMS normalization, the softmax of causal attention and the SwiGLU feed-forward are compiled by symact.
The text is what ``help()`` shows on Python's syntax, which every Python ships as ``pydoc_data.topics``.

Run: python examples/transformer.py [--steps 300]
"""

import argparse
import math
from collections import Counter
from pydoc_data.topics import topics

import keras
import numpy as np
import tensorflow as tf

import symact

rms_norm = symact.compile(
    "g[i]*x[i]/sqrt(Mean(x[j]^2, j) + eps)",
    name="rms_norm",
    params={"g": 1.0, "eps": 1e-6},
    trainable=("g",),
)
softmax = symact.compile("exp(x[i])/Sum(exp(x[j]), j)", name="attention_softmax")
swiglu = symact.compile("a*b/(1+exp(-a))", name="swiglu", inputs=("a", "b"))


class Block(keras.layers.Layer):
    """Causal self-attention and a SwiGLU feed-forward, each after an RMS norm and added to its input."""

    def __init__(self, width: int, heads: int, **kwargs):
        super().__init__(**kwargs)
        self.width, self.heads = width, heads
        self.norms = [rms_norm.layer(), rms_norm.layer()]
        self.queries_keys_values = keras.layers.Dense(3 * width, use_bias=False)
        self.mixed = keras.layers.Dense(width, use_bias=False)
        self.gates = keras.layers.Dense(4 * width, use_bias=False)
        self.gated = swiglu.layer()
        self.narrowed = keras.layers.Dense(width, use_bias=False)

    def call(self, x):
        x = x + self.attention(self.norms[0](x))
        return x + self.narrowed(self.gated(self.gates(self.norms[1](x))))

    def attention(self, x):
        length, size = x.shape[1], self.width // self.heads
        split = tf.reshape(self.queries_keys_values(x), (-1, length, 3, self.heads, size))
        queries, keys, values = tf.unstack(split, axis=2)
        scores = tf.einsum("bqhd,bkhd->bhqk", queries, keys) / math.sqrt(size)
        seen = tf.linalg.band_part(tf.ones((1, 1, length, length), tf.bool), -1, 0)
        seen = tf.broadcast_to(seen, tf.shape(scores))
        weights = softmax(scores, mask=seen)
        mixed = tf.einsum("bhqk,bkhd->bqhd", weights, values)
        return self.mixed(tf.reshape(mixed, (-1, length, self.width)))


def entropy_of_letters(text: str) -> float:
    """Bits a character for one who knows how often each occurs, and nothing else."""
    counts = np.array(list(Counter(text).values()), float) / len(text)
    return float(-(counts * np.log2(counts)).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description="A small transformer on Python's documentation.")
    parser.add_argument("--steps", type=int, default=300)
    steps = parser.parse_args().steps
    keras.utils.set_random_seed(0)
    text = "\n".join(topics[name] for name in sorted(topics))[:200_000]
    letters = sorted(set(text))
    codes = np.array([letters.index(letter) for letter in text], "int32")
    context, width = 48, 64
    model = keras.Sequential(
        [
            keras.Input((context,), dtype="int32"),
            keras.layers.Embedding(len(letters), width),
            Block(width, heads=4),
            rms_norm.layer(),
            keras.layers.Dense(len(letters)),
        ]
    )
    model.compile(keras.optimizers.Adam(3e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    starts = np.random.default_rng(0).integers(0, len(codes) - context - 1, (steps, 32))
    windows = starts[..., None] + np.arange(context + 1)
    bits = []
    for batch in codes[windows]:
        loss = model.train_on_batch(batch[:, :-1], batch[:, 1:])
        bits.append(float(loss) / math.log(2))
    last = model.train_on_batch(batch[:, :-1], batch[:, 1:])
    print(f"{len(text)} characters of documentation, {model.count_params()} weights, {steps} steps")
    print(f"bits a character: {bits[0]:.2f} at first, {float(last) / math.log(2):.2f} in the end")
    print(f"                  {entropy_of_letters(text):.2f} by the letters' frequencies alone")


if __name__ == "__main__":
    main()
