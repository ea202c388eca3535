"""Comparison of vector–Jacobian products: formulas over an axis, and of several inputs."""
