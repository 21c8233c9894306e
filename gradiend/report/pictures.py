"""All figures of a report."""

from gradiend.report.inputs import Inputs
from gradiend.report.outcomes import outcomes
from gradiend.report.picture import Picture
from gradiend.report.pictures_decoder import decoder_grid, probability_shift
from gradiend.report.pictures_encoder import encoded_values, encoded_words
from gradiend.report.pictures_training import convergence, seeds
from gradiend.report.pictures_weights import kept_entries, update_shares
from gradiend.report.tuning import tuning_curve


def of_encoder(inputs: Inputs) -> list[Picture]:
    """What gradients are encoded to."""
    return [encoded_values(inputs), encoded_words(inputs)]


def of_decoder(inputs: Inputs) -> list[Picture]:
    """What the rewrites do, and from which candidates they were chosen."""
    found = outcomes(inputs.decoder, inputs.target_classes)
    shifts = [probability_shift(inputs, outcome) for outcome in found if outcome.made]
    return [*shifts, *(decoder_grid(inputs, outcome) for outcome in found)]


def of_weights(inputs: Inputs) -> list[Picture]:
    """Where the feature sits."""
    return [update_shares(inputs), kept_entries(inputs)]


def of_training(inputs: Inputs) -> list[Picture]:
    """How the training went."""
    tuned = [] if inputs.tuning is None else [tuning_curve(inputs.tuning, inputs.seed_report)]
    return [seeds(inputs), convergence(inputs), *tuned]
