"""Emit: a schedule printed as one stand-alone Python module for TensorFlow and Keras."""

from symact.emit.module import emit

__all__ = ["emit"]
