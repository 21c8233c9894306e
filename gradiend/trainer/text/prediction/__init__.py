"""Language models that predict the token at one slot."""
