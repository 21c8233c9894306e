"""The demo: a small English corpus with pronoun agreement and a small masked language model trained on it.

Nothing is downloaded. :mod:`gradiend.demo.corpus` writes the texts, :mod:`gradiend.demo.language_model` trains
the model on them and measures how well it tells *he* from *she*.
"""
