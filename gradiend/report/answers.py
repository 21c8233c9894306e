"""The answers at the top of a report: a question, a verdict, and the sentences that bear it out."""

from dataclasses import dataclass, field, replace

from gradiend.report import controls, highlights
from gradiend.report.highlights import Highlight
from gradiend.report.inputs import Inputs, Json
from gradiend.report.numbers import (
    arrow,
    change,
    count,
    interval,
    known,
    number,
    p_value,
    percent,
    probability,
    score,
    signed,
)
from gradiend.report.outcomes import BALANCE, Outcome, base_lms, kept_share, outcomes, value_of

YES, PARTLY, NO, UNSURE = "yes", "partly", "no", "unsure"
CLEAR = 0.5  # the whole interval above it: the classes are clearly separated
LIKELY = 0.05  # p-values up to it count
NEAR_ZERO = 0.25  # neutral text and other classes should lie nearer to 0 than this
NO_REASON = "no reason is given"


@dataclass(frozen=True)
class Answer:
    """A question, `verdict` (yes, partly, no, unsure) and the same in a few words, sentences, and numbers."""

    question: str
    verdict: str
    words: str
    sentences: list[str] = field(default_factory=list)
    highlights: list[Highlight] = field(default_factory=list)


def alarm(inputs: Inputs) -> str | None:
    """What must not be overlooked: no seed has converged."""
    report = inputs.seed_report
    if report["convergent_count"]:
        return None
    best = next(run for run in report["runs"] if run["seed"] == inputs.selected)
    value, tried = known(best["convergence_metric_value"]), len(report["seeds_tried"])
    who = f"None of the {tried} seeds tried meets" if tried > 1 else "The only seed tried does not meet"
    metric = report["convergence_metric"]
    reached = f"reaches {metric} {number(value)}" if value is not None else f"has no {metric} at all"
    return (
        f"{who} the condition {inputs.condition}. Seed {inputs.selected}, the best there is, {reached}. "
        "Everything below is about that seed: do not rely on it."
    )


def answers(inputs: Inputs) -> list[Answer]:
    """The questions a reader comes with, answered in this order."""
    found = [
        replace(separation(inputs), highlights=highlights.of_separation(inputs)),
        replace(rewriting(inputs), highlights=highlights.of_rewriting(inputs)),
        replace(stability(inputs), highlights=highlights.of_stability(inputs)),
        replace(training_gain(inputs), highlights=highlights.of_training_gain(inputs)),
    ]
    return found if inputs.seed_report["convergent_count"] else [_doubted(one) for one in found]


def _doubted(answer: Answer) -> Answer:
    """Nothing good is said for sure about a seed that has not converged."""
    if answer.verdict not in (YES, PARTLY):
        return answer
    return replace(answer, verdict=UNSURE, words=f"{answer.words}; not converged")


def separation(inputs: Inputs) -> Answer:
    """Does the encoder separate the classes on test?"""
    first, second = inputs.target_classes
    question, block = f"Does the encoder separate {first} from {second}?", inputs.metrics["test"]
    if known(block["correlation"]) is None:
        return Answer(question, UNSURE, "It cannot be said", [_reason(block["reason"]), *_beside(inputs)])
    verdict, words = _separation_verdict(inputs)
    measured = (
        f"On test (n = {count(block['n'])} rows) encoded value and label correlate with {score(block['correlation'])}, "
        f"95 % interval {interval(block['correlation_interval'])}, {p_value(block['p_value'])} by permutation."
    )
    return Answer(question, verdict, words, [measured, *_sign_sentences(inputs), *_beside(inputs)])


def training_gain(inputs: Inputs) -> Answer:
    """What did training add to the untrained mean-difference direction?"""
    question, block = "What did training add?", inputs.metrics["test"]
    made = [outcome for outcome in outcomes(inputs.decoder, inputs.target_classes) if outcome.made]
    own, base = known(block["correlation"]), known(block["baselines"]["mean_difference"])
    low = None if own is None else _bounds(inputs)[0]
    of_encoder = [_encoder_gain(inputs, own, base), *controls.sentences(inputs, low), *_embeddings(inputs)]
    sentences = [*of_encoder, *map(_decoder_gain, made)]
    if own is None or base is None:
        return Answer(question, UNSURE, "It cannot be said", sentences)
    gains = {"encoder": base < _bounds(inputs)[0]} | ({"rewrite": all(map(_beats, made))} if made else {})
    words = [f"{'a' if better else 'no'} better {what}" for what, better in gains.items()]
    joint = " and " if len(set(gains.values())) == 1 else ", but "
    verdict = YES if all(gains.values()) else PARTLY if any(gains.values()) else NO
    return Answer(question, verdict, _capital(joint.join(words)), sentences)


def rewriting(inputs: Inputs) -> Answer:
    """What does the rewrite do on test?"""
    question = "What does rewriting the model do?"
    found = outcomes(inputs.decoder, inputs.target_classes)
    if inputs.decoder["base"] is None or not found:
        reasons = sorted({_reason(outcome.choice["reason"]) for outcome in found}) or [_reason(None)]
        return Answer(question, UNSURE, "Nothing was rewritten", reasons)
    sentences = [
        sentence for outcome in found for sentence in _rewriting_sentences(outcome, inputs.lms_ratio, inputs.lms_unit)
    ]
    works = [_works(outcome, inputs.lms_ratio) for outcome in found]
    if all(works):
        return Answer(question, YES, "What was wanted, on test too", sentences)
    some = any(outcome.made for outcome in found)
    return Answer(question, *((PARTLY, "A part of what was wanted") if some else (NO, "Nothing was chosen")), sentences)


def stability(inputs: Inputs) -> Answer:
    """Is the result stable over seeds?"""
    report, question = inputs.seed_report, "Is the result stable over seeds?"
    tried, converged = len(report["runs"]), report["convergent_count"]
    sentences = [f"{converged} of {tried} {'seed' if tried == 1 else 'seeds'} tried converged ({inputs.condition})."]
    sentences += _spread(inputs) if tried > 1 else []
    if report["early_stop_reason"]:
        sentences.append(f"Trying stopped early: {report['early_stop_reason']}.")
    if tried == 1:
        sentences.append("A single seed says nothing about others: raise min_convergent_seeds to know.")
        return Answer(question, NO if not converged else UNSURE, "Only one seed was tried", sentences)
    if converged == tried:
        return Answer(question, YES, f"{converged} of {tried} seeds converged", sentences)
    return Answer(question, PARTLY if converged else NO, f"{converged} of {tried} seeds converged", sentences)


def _spread(inputs: Inputs) -> list[str]:
    """How far apart the seeds' values lie."""
    metric, show = inputs.seed_report["convergence_metric"], number if inputs.by_loss else score
    found = (known(run["convergence_metric_value"]) for run in inputs.seed_report["runs"])
    values = sorted(value for value in found if value is not None)
    if not values:
        return [f"None of them has a {metric}."]
    low, high = show(values[0]), show(values[-1])
    where = "" if inputs.by_loss else " on validation"
    return [
        f"The {metric}{where} goes from {low} to {high}." if low != high else f"The {metric}{where} is {low} for all."
    ]


def _bounds(inputs: Inputs) -> tuple[float, float]:
    """The interval of the correlation on test as the decoder sees it: positive is right."""
    block = inputs.metrics["test"]
    bounds = block["correlation_interval"] or [block["correlation"]] * 2
    low, high = sorted(inputs.sign * float(bound) for bound in bounds)
    return low, high


def _separation_verdict(inputs: Inputs) -> tuple[str, str]:
    low, p = _bounds(inputs)[0], known(inputs.metrics["test"]["p_value"])
    if low > CLEAR:
        return YES, "Yes, clearly"
    return (PARTLY, "Yes, but weakly") if low > 0 and p is not None and p <= LIKELY else (NO, "No")


def _sign_sentences(inputs: Inputs) -> list[str]:
    accuracy = known(inputs.metrics["test"]["balanced_accuracy"])
    sentences = []
    if inputs.sign < 0:
        sentences.append("The sign is reversed, as it was on validation: normalize_gradiend is off.")
    if accuracy is not None:
        sentences.append(
            f"The sign alone is right for {percent(accuracy)} of the rows (balanced over the two classes)."
        )
    return sentences


def _beside(inputs: Inputs) -> list[str]:
    """Neutral text and other classes, which should lie near 0."""
    blocks = {name: own for name, own in inputs.metrics["test"]["classes"].items() if name not in inputs.target_classes}
    neutral = inputs.metrics["neutral"]
    sentences = (
        [_range(blocks)] if len(blocks) > 2 else [_near_zero(f"The class {name}", own) for name, own in blocks.items()]
    )
    sentences += [_near_zero("Neutral text", own) for own in neutral["classes"].values()]
    return sentences if neutral["classes"] else [*sentences, _reason(neutral["reason"])]


def _near_zero(who: str, own: Json) -> str:
    mean = known(own["mean"])
    if mean is None:
        return f"{who} (n = {count(own['n'])}) has no mean encoded value."
    spread = f"standard deviation {score(own['std'])}"
    return f"{who} (n = {count(own['n'])}) encodes to {score(mean)} on average ({spread}): {_verdict_on(mean)}."


def _range(blocks: Json) -> str:
    """Many other classes in one sentence."""
    means = {name: mean for name, own in blocks.items() if (mean := known(own["mean"])) is not None}
    if not means:
        return f"The {len(blocks)} other classes have no mean encoded value."
    low, high = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
    rows = count(sum(blocks[name]["n"] for name in means))
    ends = f"from {score(means[low])} ({low}) to {score(means[high])} ({high})"
    farthest = max(means.values(), key=abs)
    return f"The means of the {len(means)} other classes go {ends}, n = {rows} in all: {_verdict_on(farthest)}."


def _verdict_on(mean: float) -> str:
    return "near 0, as it should be" if abs(mean) <= NEAR_ZERO else "it should be near 0"


def _encoder_gain(inputs: Inputs, own: float | None, base: float | None) -> str:
    if base is None:
        return "Encoder: there is no score of the mean-difference direction to compare with."
    said = (
        f"Encoder: the mean-difference direction of the training rows, untrained, scores {score(base)} on the same rows"
    )
    if own is None:
        return f"{said}; the GRADIEND has no score."
    low, high = _bounds(inputs)
    gain = change(inputs.sign * own - base)
    if base < low:
        return f"{said}, below the GRADIEND's interval: training added {gain}."
    inside = "inside the GRADIEND's interval" if base <= high else "above the GRADIEND's interval"
    return f"{said}, {inside} (difference {gain}): no gain can be shown."


def _embeddings(inputs: Inputs) -> list[str]:
    block = inputs.metrics["test"]
    value = known(block["baselines"]["without_embeddings"])
    if value is not None:
        return [f"Encoder: without the entries of the embeddings the GRADIEND scores {score(value)}."]
    if known(block["correlation"]) is None:
        return []
    return [f"Encoder: without the entries of the embeddings there is no score ({block['reason'] or NO_REASON})."]


def _beats(outcome: Outcome) -> bool:
    own, base = outcome.gain(outcome.choice, "test"), outcome.gain(outcome.baseline, "test")
    return own is not None and own > 0 and (base is None or own > base)


def _decoder_gain(outcome: Outcome) -> str:
    base, without = (value_of(one, "test", outcome.key) for one in (outcome.baseline, outcome.without_embeddings))
    said = f"To {outcome.name}: {outcome.what} becomes {probability(outcome.after('test'))}"
    if base is None:
        reason = (outcome.baseline or {}).get("reason") or NO_REASON
        return f"{said}; along the mean-difference direction nothing was chosen ({reason}){_without(without)}."
    return f"{said}, along the mean-difference direction {probability(base)}{_without(without)}."


def _without(value: float | None) -> str:
    return "" if value is None else f", without the entries of the embeddings {probability(value)}"


def _works(outcome: Outcome, ratio: float | None) -> bool:
    gain, share = outcome.gain(outcome.choice, "test"), kept_share(outcome.choice["test"])
    return gain is not None and gain > 0 and (ratio is None or share is None or share >= ratio)


def _rewriting_sentences(outcome: Outcome, ratio: float | None, unit: str) -> list[str]:
    if not outcome.made:
        return [f"To {outcome.name}: nothing was chosen. {_reason(outcome.choice['reason'])}"]
    numbers, choice = outcome.choice["test"] or {}, outcome.choice
    shift = arrow(probability(outcome.before("test")), probability(outcome.after("test")))
    where = "" if outcome.direction == BALANCE else " examples"
    rate, factor = number(choice["learning_rate"]), signed(choice["feature_factor"])
    found = (
        f"To {outcome.name}: {outcome.what}{where} {shift} on test (n = {count(numbers.get('n'))}, all classes), "
        f"at learning rate {rate} and feature factor {factor}, chosen on validation."
    )
    return [f"{found} {_lms_sentence(outcome, ratio, unit)}"]


def _lms_sentence(outcome: Outcome, ratio: float | None, unit: str) -> str:
    numbers, share = outcome.choice["test"] or {}, kept_share(outcome.choice["test"])
    lms = arrow(score(base_lms(numbers)), score(numbers.get("lms")))
    paired = (
        f"paired difference {signed(numbers.get('lms_difference'), 2)} ± {number(numbers.get('lms_difference_se'), 2)}"
    )
    said = f"The LMS goes {lms} ({count(numbers.get('lms_tokens'))} {unit}, {paired})"
    if share is None:
        return f"{said}."
    below = ratio is not None and share < ratio
    return f"{said}: {percent(share, 4)} of the base model's{', less than was asked for' if below else ''}."


def _reason(reason: str | None) -> str:
    """A reason as a sentence; the name of an argument keeps its small letter."""
    text = (reason or NO_REASON).rstrip(".")
    return f"{text if '_' in text.split()[0] else _capital(text)}."


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
