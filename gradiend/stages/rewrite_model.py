"""Base model, GRADIEND and the choices -> rewritten models as plain Hugging Face model folders."""

import sys
from pathlib import Path
from typing import Any

from gradiend import __version__
from gradiend.backbones.language_model import LanguageModel
from gradiend.backbones.loading import load_base_model
from gradiend.errors import GradiendError
from gradiend.files import file_name, read_json, remove, replacing, write_json
from gradiend.model import GradiendModel
from gradiend.rewriting import Rewriter
from gradiend.settings import RewriteModel
from gradiend.stages.command import main

MARK = "gradiend.json"  # in every folder that is written here


def run(*, settings: RewriteModel, model: Path, decoder: Path, out: Path) -> str:
    """Write `out` (summary.json) and, beside it, a folder for every choice that was made."""
    gradiend = GradiendModel.from_pretrained(model)
    found = read_json(decoder)
    choices = {name: found[name] for name in (*gradiend.config.target_classes, "balance") if name in found}
    _remove_earlier(out)
    chosen = any(choice["learning_rate"] is not None for own in choices.values() for choice in own.values())
    base = load_base_model(settings.base_model, device="cpu") if chosen else None
    summary: dict[str, dict[str, Any]] = {}
    for name, own in choices.items():
        for direction, choice in own.items():
            folder = _folder(name, direction)
            written = base is not None and choice["learning_rate"] is not None
            if base is not None and written:
                _write(base, gradiend, choice, out.parent / folder)
            summary.setdefault(name, {})[direction] = {
                "folder": str(folder) if written else None,
                "learning_rate": choice["learning_rate"],
                "feature_factor": choice["feature_factor"],
                "reason": choice["reason"],
            }
    write_json(out, summary)
    folders = [str(c["folder"]) for own in summary.values() for c in own.values() if c["folder"]]
    return f"rewrite_model: {len(folders)} written: {', '.join(folders)}" if folders else "rewrite_model: none chosen"


def _remove_earlier(out: Path) -> None:
    """Remove the summary, so that nothing looks finished, then the folders that an earlier run wrote, and no others."""
    remove(out)
    for above in (out.parent, out.parent / "weaken"):
        for partial in list(above.glob(".*.partial")):
            remove(partial)
        for folder in [mark.parent for mark in above.glob("*/" + MARK)]:
            remove(folder.rename(above / f".{folder.name}.partial"))  # half removed it would look foreign


def _folder(name: str, direction: str) -> Path:
    if direction == "balance":
        return Path("balance")
    return Path(file_name(name)) if direction == "strengthen" else Path(direction, file_name(name))


def _write(base: LanguageModel, gradiend: GradiendModel, choice: dict[str, Any], folder: Path) -> None:
    if folder.exists():
        raise GradiendError(f"{folder}: is in the way, and was not written by rewrite_model: move it away")
    rewriter = Rewriter(base.parameters(), gradiend.space)
    with replacing(folder) as temporary:
        with rewriter.rewritten(gradiend.update(choice["feature_factor"]), choice["learning_rate"]):
            base.save_pretrained(temporary)
        write_json(
            temporary / MARK,
            {
                "version": __version__,
                "learning_rate": choice["learning_rate"],
                "feature_factor": choice["feature_factor"],
                "made_by": gradiend.config.made_by,
            },
        )


if __name__ == "__main__":
    sys.exit(main(run))
