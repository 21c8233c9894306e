"""Gradients of a base model as rows of a parameter space: computing, storing and reading them."""
