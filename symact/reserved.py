"""Reserved: names that the emitted module has a use for itself, as data."""

from __future__ import annotations

import builtins

from symact.vocabulary import FUNCTIONS

# Neither a function, nor an input or parameter can be called so; Python's own names among them.
RESERVED = (
    frozenset(dir(builtins))
    | {
        "tf",
        "keras",
        "self",
        "cls",
        "call",
        "upstream",
        "gradient",
        "training",
        "mask",
        "name",
        "dtype",
        "inputs",
        "axis",
        "keepdims",
        "length",
        "position",
        "kwargs",
        "config",
        "math",
    }
) - frozenset(FUNCTIONS)

# The emitted module's cotangents of gradients are called so, by what they are the gradient by.
RESERVED_START = "upstream_"

# What a Keras layer is made of; a parameter becomes an attribute of one, beside these.
LAYER_NAMES = frozenset(
    [
        "activity_regularizer",
        "add_loss",
        "add_metric",
        "add_variable",
        "add_weight",
        "autocast",
        "build",
        "build_from_config",
        "built",
        "call",
        "call_signature_parameters",
        "compute_dtype",
        "compute_mask",
        "compute_output_shape",
        "compute_output_spec",
        "count_params",
        "dtype",
        "dtype_policy",
        "from_config",
        "get_build_config",
        "get_config",
        "get_weights",
        "input",
        "input_dtype",
        "input_spec",
        "load_own_variables",
        "losses",
        "metrics",
        "metrics_variables",
        "name",
        "non_trainable_variables",
        "non_trainable_weights",
        "output",
        "path",
        "quantization_mode",
        "quantize",
        "quantized_build",
        "quantized_call",
        "rematerialized_call",
        "save_own_variables",
        "set_weights",
        "shared_axes",
        "stateless_call",
        "supports_jit",
        "supports_masking",
        "symbolic_call",
        "trainable",
        "trainable_variables",
        "trainable_weights",
        "variable_dtype",
        "variables",
        "weights",
    ]
)
