"""A base model that predicts the token at one slot, together with its GRADIEND."""

from gradiend.trainer.model_with_gradiend import ModelWithGradiend


class TextPredictionModelWithGradiend(ModelWithGradiend):
    """A `ModelWithGradiend` whose gradients are those of a token at a text's slot: the kind that there is."""
