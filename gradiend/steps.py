"""One training step: the loss of one row, its gradients written out by the chain rule, and a fused Adam step.

A step is bound by memory: it reads row, weights and Adam's moments. So no autograd graph is made over vectors of
the space, no row is copied, and what is computed goes to buffers that are allocated once.
"""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.adamw import adamw

from gradiend.model import ACTIVATIONS, GradiendModel
from gradiend.settings import Train

Loss = Callable[[Tensor, Tensor, float], float]
Weights = Sequence[tuple[Tensor, Tensor]]  # pairs of a parameter and the buffer of its gradient

OPTIMISERS = {"adam": adam, "adamw": adamw}
BLOCK = 2**18  # entries: large enough for the calls not to count, small enough for the cache


class Step:
    """One step on a row: factual gradient, alternative gradient (`[input_dim]` each) and label.

    It changes the weights of the model by one optimiser step on that row, and returns the row's loss before the
    step. Where the loss is not finite it changes nothing.
    """

    def __init__(self, model: GradiendModel, settings: Train, learning_rate: float) -> None:
        self._loss_of, weights = OBJECTIVES[model.config.supervised](model)
        self.optimiser = Optimiser(weights, settings, learning_rate)

    def __call__(self, factual: Tensor, alternative: Tensor, label: float) -> float:
        loss = self._loss_of(factual, alternative, label)
        if math.isfinite(loss):
            self.optimiser.step()
        return loss


class Optimiser:
    """Adam or AdamW, fused, with a constant learning rate.

    torch's functional form: `torch.optim.Adam` is the same kernel, but making one imports torch's compiler, which
    takes longer (1.5 s) than many a training.
    """

    def __init__(self, weights: Weights, settings: Train, learning_rate: float) -> None:
        self._function = OPTIMISERS[settings.optim]
        self._parameters = [parameter for parameter, _ in weights]
        self._gradients = [gradient for _, gradient in weights]
        self._means = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._squares = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._steps = [torch.zeros((), device=parameter.device) for parameter in self._parameters]
        self._learning_rate, self._settings = learning_rate, settings

    @property
    def state(self) -> dict[str, Tensor]:
        """Adam's moments and numbers of steps: the very tensors, so that copying into them puts a state back."""
        kinds = {"mean": self._means, "square": self._squares, "step": self._steps}
        return {f"{kind}.{i}": tensor for kind, tensors in kinds.items() for i, tensor in enumerate(tensors)}

    def step(self) -> None:
        """Change the parameters by one step on what the gradient buffers hold."""
        self._function(
            self._parameters,
            self._gradients,
            self._means,
            self._squares,
            [],
            self._steps,
            fused=True,
            amsgrad=False,
            maximize=False,
            beta1=0.9,
            beta2=0.999,
            lr=self._learning_rate,
            weight_decay=self._settings.weight_decay,
            eps=self._settings.adam_epsilon,
        )


class EncoderPass:
    """The encoder on one row, forward and backward."""

    def __init__(self, model: GradiendModel) -> None:
        self._weight, self._bias = model.encoder.weight.detach(), model.encoder.bias.detach()
        self._activation, self._source = model.config.activation_encoder, model.config.source
        self._weight_gradient, self._bias_gradient = torch.empty_like(self._weight), torch.empty_like(self._bias)
        self._row, self._slope = self._weight, self._bias

    @property
    def weights(self) -> Weights:
        """The encoder's parameters and their gradients."""
        return [(self._weight, self._weight_gradient), (self._bias, self._bias_gradient)]

    def forward(self, factual: Tensor, alternative: Tensor) -> Tensor:
        """The latents `[latent_dim]` of a row."""
        self._row = _gradient(factual, alternative, self._source, self._weight_gradient[0])
        latents, self._slope = value_and_slope(self._activation, F.linear(self._row, self._weight, self._bias))
        return latents

    def backward(self, by_latent: Tensor) -> None:
        """Set the gradients of the weights from that of the loss by the latents, `[latent_dim]`."""
        by_sum = by_latent.to(self._slope.device) * self._slope
        self._bias_gradient.copy_(by_sum)
        torch.mul(self._row, by_sum[1:, None], out=self._weight_gradient[1:])
        torch.mul(self._row, by_sum[0], out=self._weight_gradient[0])  # last: a diff lies in this very buffer


class DecoderPass:
    """The decoder on one row, forward and backward at once, in blocks that stay in the processor's cache."""

    def __init__(self, model: GradiendModel) -> None:
        self._weight = model.decoder.weight.detach()
        self._bias = model.decoder.bias.detach() if model.config.bias_decoder else None
        self._activation, self._target = model.config.activation_decoder, model.config.target
        self._weight_gradient = torch.empty_like(self._weight)
        self._residual = self._weight.new_empty(len(self._weight))  # in the end the gradient of the bias
        size = BLOCK if self._weight.device.type == "cpu" else len(self._weight)
        self._blocks = [slice(start, start + size) for start in range(0, len(self._weight), size)]

    @property
    def weights(self) -> Weights:
        """The decoder's parameters and their gradients."""
        bias = [] if self._bias is None else [(self._bias, self._residual)]
        return [(self._weight, self._weight_gradient), *bias]

    def run(self, latents: Tensor, factual: Tensor, alternative: Tensor) -> tuple[float, Tensor]:
        """Mean squared error of the decoded latents `[latent_dim]` against the target row, and its gradient by them.

        Sets the gradients of the weights.
        """
        latents, size = latents.to(self._weight.device), len(self._weight)
        squares, by_latent = 0.0, torch.zeros_like(latents)
        for block in self._blocks:
            weight, gradient, residual = self._weight[block], self._weight_gradient[block], self._residual[block]
            slope = self._decode(block, latents)
            scratch = gradient.view(-1)[: len(residual)]
            residual -= _gradient(factual[block], alternative[block], self._target, scratch)
            squares += torch.dot(residual, residual).item()
            residual *= slope * (2 / size)  # now the gradient of the loss by what enters the activation
            by_latent += torch.tensordot(residual, weight, 1)  # much faster than mv with few columns
            torch.outer(residual, latents, out=gradient)
        return squares / size, by_latent

    def _decode(self, block: slice, latents: Tensor) -> Tensor | float:
        """Write a block of the output to `_residual`; the slope of the activation there."""
        weight, output = self._weight[block], self._residual[block]
        if self._bias is None:
            torch.mv(weight, latents, out=output)
        else:
            torch.addmv(self._bias[block], weight, latents, out=output)
        if self._activation == "id":
            return 1.0
        value, slope = value_and_slope(self._activation, output)
        output.copy_(value)
        return slope


def value_and_slope(activation: str, x: Tensor) -> tuple[Tensor, Tensor]:
    """An activation and its derivative, elementwise, both of the shape of `x`."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        value = ACTIVATIONS[activation](x)
        (slope,) = torch.autograd.grad(value.sum(), x)
    return value.detach(), slope


def _gradient(factual: Tensor, alternative: Tensor, which: str, buffer: Tensor) -> Tensor:
    """The gradient that `which` names, on the buffer's device: the row itself, or the diff in the buffer."""
    if which == "diff":
        return torch.sub(factual.to(buffer.device), alternative.to(buffer.device), out=buffer)
    return (factual if which == "factual" else alternative).to(buffer.device)


def _autoencoder(model: GradiendModel) -> tuple[Loss, Weights]:
    """Paper, section 3: the decoder's output against the target row."""
    encoder, decoder = EncoderPass(model), DecoderPass(model)

    def loss_of(factual: Tensor, alternative: Tensor, label: float) -> float:
        latents = encoder.forward(factual, alternative)
        loss, by_latent = decoder.run(latents, factual, alternative)
        encoder.backward(by_latent)
        return loss

    return loss_of, [*encoder.weights, *decoder.weights]


def _encoder_alone(model: GradiendModel) -> tuple[Loss, Weights]:
    """Every latent against the label."""
    encoder = EncoderPass(model)

    def loss_of(factual: Tensor, alternative: Tensor, label: float) -> float:
        errors = encoder.forward(factual, alternative) - label
        encoder.backward(errors * (2 / len(errors)))
        return errors.square().mean().item()

    return loss_of, encoder.weights


def _decoder_alone(model: GradiendModel) -> tuple[Loss, Weights]:
    """The decoder's output for the label, in every latent, against the target row."""
    decoder = DecoderPass(model)

    def loss_of(factual: Tensor, alternative: Tensor, label: float) -> float:
        loss, _ = decoder.run(torch.full((model.config.latent_dim,), label), factual, alternative)
        return loss

    return loss_of, decoder.weights


OBJECTIVES: dict[str | None, Callable[[GradiendModel], tuple[Loss, Weights]]] = {
    None: _autoencoder,
    "encoder": _encoder_alone,
    "decoder": _decoder_alone,
}
