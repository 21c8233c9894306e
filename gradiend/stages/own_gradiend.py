"""The GRADIEND that a stage evaluates: it must be one of the settings by which it is evaluated."""

from pathlib import Path

from gradiend.errors import GradiendError
from gradiend.model import GradiendModel
from gradiend.settings import EvaluateDecoder, EvaluateEncoder


def own_gradiend(folder: Path, settings: EvaluateEncoder | EvaluateDecoder) -> GradiendModel:
    """The GRADIEND in a folder. Raises `GradiendError` where it was trained for other classes or gradients."""
    gradiend = GradiendModel.from_pretrained(folder)
    config = gradiend.config
    found = [" and ".join(config.target_classes), f"source '{config.source}'"]
    wanted = [" and ".join(settings.target_classes), f"source '{settings.source}'"]
    if isinstance(settings, EvaluateDecoder):
        found.append(f"target '{config.target}'")
        wanted.append(f"target '{settings.target}'")
    if found != wanted:
        raise GradiendError(
            f"{folder / 'config.json'}: is a GRADIEND of {', '.join(found)}, the settings say {', '.join(wanted)}; "
            f"give the settings that it was trained with, or delete '{folder}' and run again"
        )
    return gradiend
