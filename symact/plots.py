"""Plots."""


def png(comparison: object) -> bytes:
    return b""
