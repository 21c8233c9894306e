"""Run with the paper's own package: writes GRADIENDs in its format, reads ours, and notes what both compute."""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from gradiend import create_model_with_gradiend
from gradiend.trainer.text.prediction.model_with_gradiend import TextPredictionModelWithGradiend

TEXTS = [("the old nurse came home today and [MASK] was happy .", "she"), ("the king said [MASK] .", "he")]
RATE, FACTOR = 0.5, -1.0


def note(model: TextPredictionModelWithGradiend, path: Path) -> None:
    """Random rows, what they and some texts are encoded to, and a rewritten base model."""
    rows = torch.randn(5, model.gradiend.input_dim)
    texts = torch.tensor([model.encode(text, label, return_float=True) for text, label in TEXTS])
    weights = model.rewrite_base_model(RATE, FACTOR).named_parameters()
    found = {"rows": rows, "encoded": model.gradiend.encoder(rows), "texts": texts, **dict(weights)}
    save_file({name: tensor.detach().clone().contiguous() for name, tensor in found.items()}, path)


def main(folder: Path, ours: Path) -> None:
    """One GRADIEND over whole parameters, one that keeps most of them (masks), one that keeps few (indices)."""
    torch.manual_seed(0)
    for name, topk in (("whole", None), ("masks", 0.9), ("indices", 0.05)):
        model = create_model_with_gradiend(
            str(folder / "model"), model_class=TextPredictionModelWithGradiend, device="cpu", source="alternative"
        )
        if topk is not None:
            model.prune_gradiend(topk=topk, part="decoder-weight")
        model.feature_class_encoding_direction = {"they": 0, "male": -1, "female": 1}
        model.save_pretrained(str(folder / name))
        note(model, folder / f"{name}.safetensors")
    note(TextPredictionModelWithGradiend.from_pretrained(str(ours), device="cpu"), folder / "ours.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
