"""Emit: a schedule printed as one stand-alone Python module for TensorFlow and Keras."""

from symact.emit.axis import emit_axis
from symact.emit.module import emit

__all__ = ["emit", "emit_axis"]
