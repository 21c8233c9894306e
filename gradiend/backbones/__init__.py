"""Base models: texts with a slot in, logits at the slot out. The only package that knows tokenizers."""
