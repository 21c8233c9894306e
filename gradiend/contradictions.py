"""Arguments that are right one by one and contradict each other, in words."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradiend.arguments import TrainingArguments


def contradictions(arguments: "TrainingArguments") -> Iterator[str]:
    """What is wrong with the arguments together, each with what would be right."""
    for part in (_of_supervised_modes, _of_pruning, _of_seeds, _of_head, _of_tuning, _of_caps, _of_decoder):
        yield from part(arguments)


def _of_pruning(arguments: "TrainingArguments") -> Iterator[str]:
    pre, post = arguments.pre_prune_config, arguments.post_prune_config
    if post is None:
        return
    if not arguments.bias_decoder and post.part in ("decoder-bias", "decoder-sum"):
        yield f"post_prune_config.part '{post.part}' needs a bias, and bias_decoder is false: use 'decoder-weight'"
    if pre is not None and isinstance(pre.topk, int) and isinstance(post.topk, int) and post.topk > pre.topk:
        yield (
            f"post_prune_config.topk {post.topk} is more than the {pre.topk} entries that pre_prune_config.topk keeps: "
            f"ask for at most {pre.topk}"
        )


def _of_decoder(arguments: "TrainingArguments") -> Iterator[str]:
    if arguments.decoder_eval_max_size_training_like == 1:
        yield "decoder_eval_max_size_training_like 1 leaves a target class without an example: ask for at least 2"


def _of_supervised_modes(arguments: "TrainingArguments") -> Iterator[str]:
    prune = arguments.post_prune_config
    if arguments.supervised_encoder and arguments.supervised_decoder:
        yield "supervised_encoder and supervised_decoder are both true: choose one"
    if arguments.supervised_decoder and arguments.convergent_metric == "correlation":
        yield "supervised_decoder trains no encoder whose correlation could converge: set convergent_metric: loss"
    if arguments.supervised_encoder and prune is not None and prune.part != "encoder-weight":
        yield f"post_prune_config.part '{prune.part}' is untrained with supervised_encoder: use 'encoder-weight'"
    if arguments.supervised_decoder and prune is not None and prune.part == "encoder-weight":
        yield "post_prune_config.part 'encoder-weight' is untrained with supervised_decoder: use 'decoder-weight'"


def _of_head(arguments: "TrainingArguments") -> Iterator[str]:
    if arguments.mlm_head is not None and arguments.prediction_objective != "clm_mlm_head":
        yield (
            f"mlm_head is for prediction_objective 'clm_mlm_head', not '{arguments.prediction_objective}': "
            "set that, or leave it out"
        )


def _of_tuning(arguments: "TrainingArguments") -> Iterator[str]:
    if arguments.learning_rate == "tune" and not arguments.use_cached_gradients:
        yield "learning_rate 'tune' trains many times on stored rows: set use_cached_gradients: true"


def _of_caps(arguments: "TrainingArguments") -> Iterator[str]:
    """A correlation needs three rows, which of two classes in equal numbers are four."""
    least = 4 if arguments.encoder_eval_balance else 3
    caps = {
        "encoder_eval_train_max_size": arguments.encoder_eval_train_max_size,
        "encoder_eval_max_size": arguments.encoder_eval_max_size,
        "seed_selection_eval_max_size": arguments.seed_selection_eval_max_size,
    }
    for name, cap in caps.items():
        if cap is not None and cap < least:
            yield f"{name} {cap} is too few rows for a correlation: give at least {least}, or leave it out"


def _of_seeds(arguments: "TrainingArguments") -> Iterator[str]:
    least, most = arguments.min_convergent_seeds, arguments.max_seeds
    if least is not None and least > most:
        yield f"min_convergent_seeds {least} is more than max_seeds {most}: ask for at most {most}"
    if arguments.convergent_metric == "correlation" and arguments.convergent_score_threshold > 1:
        threshold = f"convergent_score_threshold {arguments.convergent_score_threshold:g}"
        yield f"{threshold} is more than any correlation: ask for at most 1"
