"""The language-modelling score: which tokens are scored, and how."""

import numpy as np
import pytest
import torch
from families import family
from tiny import NEUTRAL_TEXTS, tiny_masked_lm, tiny_neutral

from gradiend.errors import GradiendError
from gradiend.lms import Accuracy, Likelihood, NeutralText


def neutral(
    texts: list[str] = NEUTRAL_TEXTS, skip: tuple[int, ...] = (), seed: int = 0, batch_size: int = 3
) -> NeutralText:
    base = tiny_masked_lm()
    return NeutralText(
        base, list(range(10, 10 + len(texts))), texts, skip=[skip] * len(texts), seed=seed, batch_size=batch_size
    )


def test_only_real_tokens_are_scored_and_each_at_most_once() -> None:
    table, base = neutral().table, tiny_masked_lm()
    assert not table.duplicated(["text_id", "position"]).any()
    assert not set(table["token_id"]) & set(base.tokenizer.all_special_ids)
    for text_id, position, token in table[["text_id", "position", "token_id"]].itertuples(index=False):
        assert base.tokenizer(NEUTRAL_TEXTS[text_id - 10])["input_ids"][position] == token


def test_a_pattern_masks_fifteen_percent_of_a_texts_real_tokens() -> None:
    table, base = neutral().table, tiny_masked_lm()
    for (text_id, _), group in table.groupby(["text_id", "pattern"]):
        real = len(base.tokenizer(NEUTRAL_TEXTS[text_id - 10])["input_ids"]) - 2
        assert len(group) == max(1, round(0.15 * real))


def test_target_tokens_are_never_scored() -> None:
    base = tiny_masked_lm()
    skip = base.target_ids("the") + base.target_ids("dog")
    assert not set(neutral(skip=skip).table["token_id"]) & set(skip)


def test_positions_depend_on_the_seed_and_the_text_alone() -> None:
    def positions(text: NeutralText) -> set[tuple[int, ...]]:
        return set(text.table.itertuples(index=False, name=None))

    assert positions(neutral()) == positions(neutral(batch_size=1))
    assert positions(neutral()) != positions(neutral(seed=1))
    first = neutral().table.query("text_id == 10 and pattern == 0")["position"]
    alone = neutral(NEUTRAL_TEXTS[:1]).table.query("text_id == 10 and pattern == 0")["position"]
    assert first.tolist() == alone.tolist()


def test_scores_equal_a_count_by_hand_with_the_full_model() -> None:
    base = tiny_masked_lm()
    text = NeutralText(
        base, range(len(NEUTRAL_TEXTS)), NEUTRAL_TEXTS, skip=[()] * len(NEUTRAL_TEXTS), seed=0, batch_size=2
    )
    got = [text.score(step) for step in range(len(text))]
    scores = sum(got[1:], got[0])
    right, entropies = [], []
    for (text_id, _), group in text.table.groupby(["text_id", "pattern"], sort=False):
        ids = torch.tensor([base.tokenizer(NEUTRAL_TEXTS[text_id])["input_ids"]])
        positions = torch.tensor(group["position"].tolist())
        ids[0, positions] = base.tokenizer.mask_token_id
        with torch.no_grad():
            logits = base.model(input_ids=ids).logits[0, positions]
        right += (logits.argmax(-1).numpy() == group["token_id"].to_numpy()).tolist()
        entropies += (-logits.log_softmax(-1).gather(1, torch.tensor(group["token_id"].tolist())[:, None])).tolist()
    assert scores.correct.tolist() == [float(r) for r in right]
    np.testing.assert_allclose(scores.cross_entropy, np.ravel(entropies), rtol=1e-4)
    assert scores.lms == np.mean(right)


def test_steps_hold_a_thousand_tokens_and_stop_at_ten_thousand() -> None:
    text = neutral([NEUTRAL_TEXTS[i % 4] for i in range(7000)], batch_size=512)
    assert 9_900 <= len(text.table) <= 10_100
    assert 9 <= len(text) <= 10
    assert text.table["pattern"].max() == 0  # enough texts: one pattern of each


@pytest.mark.parametrize("texts", [400, 800, 1100])
def test_tokens_beyond_the_last_full_step_are_scored_in_it(texts: int) -> None:
    text = neutral([NEUTRAL_TEXTS[i % 4] for i in range(texts)], batch_size=256)
    scored = [len(text.score(step)) for step in range(len(text))]
    assert sum(scored) == len(text.table) and min(scored) >= 1_000


def test_few_texts_are_masked_in_several_disjoint_patterns() -> None:
    assert neutral().table["pattern"].max() >= 3


def test_the_paired_difference_has_the_error_of_the_differences_not_of_the_scores() -> None:
    base = Accuracy(np.array([1.0, 0.0, 1.0, 1.0]), np.zeros(4))
    candidate = Accuracy(np.array([1.0, 0.0, 0.0]), np.zeros(3))
    difference, error = candidate.against(base, 0.5)
    by_hand = np.array([0.5, 0.0, -0.5])
    assert difference == by_hand.mean()
    assert error == pytest.approx(by_hand.std(ddof=1) / 3**0.5)


def test_texts_without_a_real_token_are_an_error() -> None:
    with pytest.raises(GradiendError, match="no token that could be scored"):
        neutral([""])


def test_the_neutral_examples_of_the_tests_can_be_scored() -> None:
    assert len(neutral(tiny_neutral()["text"].tolist()).table) > 0


def causal_text(batch_size: int = 2) -> tuple[NeutralText, Likelihood]:
    base = family("GPT-2")
    texts = [text[: 30 + 6 * i] for i, text in enumerate(NEUTRAL_TEXTS)]
    text = NeutralText(base, range(len(texts)), texts, skip=[()] * len(texts), seed=0, batch_size=batch_size)
    (scores,) = (text.score(step) for step in range(len(text)))
    assert isinstance(scores, Likelihood)
    return text, scores


def test_a_causal_model_is_scored_by_the_likelihood_of_every_token_but_the_first() -> None:
    base, (text, scores) = family("GPT-2"), causal_text()
    by_text = dict(list(text.table.groupby("text_id", sort=False)))
    losses = []
    for text_id, table in by_text.items():
        ids = torch.tensor([base.tokenizer(NEUTRAL_TEXTS[text_id][: 30 + 6 * text_id])["input_ids"]])
        assert table["position"].tolist() == list(range(1, ids.shape[1]))
        assert table["token_id"].tolist() == ids[0, 1:].tolist()
        with torch.no_grad():
            losses.append(float(base.model(input_ids=ids, labels=ids).loss) * len(table))  # Hugging Face's own shift
    mean = sum(losses) / len(text.table)
    assert scores.lms == pytest.approx(1 / (1 + mean), rel=1e-5)
    assert scores.perplexity == pytest.approx(np.exp(mean), rel=1e-4)


def test_the_likelihood_does_not_depend_on_the_batch_size() -> None:
    assert causal_text(1)[1].lms == pytest.approx(causal_text(4)[1].lms, rel=1e-6)


def test_the_error_of_a_likelihoods_difference_is_what_resampling_the_tokens_gives() -> None:
    generator = np.random.default_rng(0)
    losses = generator.gamma(2.0, 1.5, 2000)
    base = Likelihood(np.zeros(2000), losses)
    candidate = Likelihood(np.zeros(2000), losses + generator.normal(0.1, 0.3, 2000))
    difference, error = candidate.against(base, 0.99)
    draws = generator.integers(0, 2000, (2000, 2000))
    resampled = [1 / (1 + candidate.cross_entropy[d].mean()) - 0.99 / (1 + losses[d].mean()) for d in draws]
    assert difference == pytest.approx(candidate.lms - 0.99 * base.lms)
    assert error == pytest.approx(np.std(resampled), rel=0.1)
