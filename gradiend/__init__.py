"""GRADIEND feature learning: one feature of a language model as a direction in its weight space."""

__version__ = "0.1.0"
