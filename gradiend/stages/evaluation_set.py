"""The examples and neutral texts on which a decoder is evaluated, capped as the settings say."""

from collections.abc import Collection, Mapping

import pandas as pd

from gradiend.backbones.language_model import LanguageModel
from gradiend.caps import capped, require_each_class
from gradiend.decoding import SplitEvaluator
from gradiend.errors import GradiendError
from gradiend.lms import STEP_TOKENS, NeutralText
from gradiend.measurements import Measurements
from gradiend.probabilities import ClassProbabilities
from gradiend.rewriting import Rewriter
from gradiend.settings import EvaluateDecoder

SPLITS = ("validation", "test")
FEW_EXAMPLES = 10
LABELS_KEPT = (
    "a classifier has no language-modelling head: its LMS is the share of neutral texts whose label stays the same"
)


class EvaluationSet:
    """What every decoder of a run is evaluated on; `forms` are each class's surface forms in the data.

    `positions` lists every scored position of both splits, in the order in which they are scored; `notes` says
    what a reader of the LMS must know; `counts` has the number of examples by split and class.
    """

    def __init__(
        self,
        settings: EvaluateDecoder,
        base: LanguageModel,
        examples: pd.DataFrame,
        neutral: pd.DataFrame,
        forms: Mapping[str, Collection[str]],
        batch_size: int,
    ) -> None:
        self._settings, self._base, self._examples, self._batch_size = settings, base, examples, batch_size
        self._forms = forms
        self.notes = [LABELS_KEPT] if base.objective == "sequence_classification" else []
        self.counts: dict[str, dict[str, int]] = {}
        self._texts = {split: self._neutral(split, neutral) for split in SPLITS}
        self.positions = pd.concat([text.table for text in self._texts.values()], ignore_index=True)

    def evaluator(self, split: str, rewriter: Rewriter, measurements: Measurements) -> SplitEvaluator:
        """Measures the candidates that `rewriter` makes on the examples and neutral texts of a split."""
        settings = self._settings
        own = self._examples[self._examples["split"] == split]
        if settings.max_examples is not None:
            classes = own.set_index("id")["factual_class"]
            require_each_class(classes, settings.max_examples, "decoder_eval_max_size_training_like")
            own = own.iloc[capped(classes, settings.max_examples, balanced=True, seed=settings.seed)]
        probabilities = ClassProbabilities(self._base, own, self._forms, settings.target_classes, self._batch_size)
        counts = probabilities.examples["factual_class"].value_counts()
        self.counts[split] = {str(name): int(count) for name, count in counts.items()}
        for name in settings.target_classes:
            if name not in self.counts[split]:
                raise GradiendError(
                    f"{split}: no example of class '{name}' is left that the base model can read with every word of "
                    "the classes at its slot: give shorter texts, or set data.too_long: cut"
                )
        fewest = min(self.counts[split][name] for name in settings.target_classes)
        if fewest < FEW_EXAMPLES:
            self.notes.append(f"{split}: only {fewest} examples of a target class decide its probabilities")
        read = (rewriter, probabilities, self._texts[split], settings.target_classes, settings.lms_ratio)
        return SplitEvaluator(*read, measurements, split)

    def _neutral(self, split: str, neutral: pd.DataFrame) -> NeutralText:
        """The split's neutral texts; where there are none, its examples with the factual token filled in."""
        own = neutral[neutral["split"] == split]
        texts = own["text"]
        if own.empty:
            own = self._examples[self._examples["split"] == split]
            texts = self._filled_in(own)
            self.notes.append(f"{split}: no neutral texts; the LMS is that of the examples, their targets not scored")
        limit, seed = self._settings.max_neutral, self._settings.seed
        order = capped(texts.set_axis(own["id"]).astype(str), limit, balanced=False, seed=seed)
        text = NeutralText(
            self._base,
            own["id"].iloc[order].tolist(),
            texts.iloc[order].tolist(),
            skip=[self._target_ids()] * len(order),
            seed=seed,
            batch_size=self._batch_size,
        )
        if len(text.table) < STEP_TOKENS:
            self.notes.append(
                f"{split}: only {len(text.table)} {self._base.unit} decide the LMS: give more neutral texts"
            )
        return text

    def _filled_in(self, examples: pd.DataFrame) -> pd.Series:
        placeholder = self._base.placeholder
        pairs = zip(examples["masked"], examples["factual"], strict=True)
        return pd.Series([masked.replace(placeholder, factual) for masked, factual in pairs], dtype=str)

    def _target_ids(self) -> list[int]:
        """The token ids of all surface forms: no target is ever scored."""
        forms = {form for own in self._forms.values() for form in own}
        return sorted({i for form in forms for i in self._base.target_ids(form)})
