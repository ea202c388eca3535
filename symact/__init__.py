"""symact: a symbolic-to-Keras compiler."""
