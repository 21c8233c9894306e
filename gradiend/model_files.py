"""Which local files a base model is read from. Imports nothing heavy: the workflow asks while it plans."""

from difflib import get_close_matches
from pathlib import Path

from gradiend.errors import GradiendError, nearest
from gradiend.files import folder_files

DEMO_MODELS = {"demo": "", "demo-causal": "-causal"}  # name in a config: what is added to the names of its files
ALIKE = 0.8  # how alike a name must be to that of a demo model to be a typing mistake (1: the same)


def model_files(name: str, revision: str | None) -> list[Path]:
    """The files of a base model folder; none for the demo and a Hugging Face id.

    Raises `GradiendError` where a path names no folder, or a folder is given with a revision.
    """
    require_folder(name)
    if name in DEMO_MODELS or not Path(name).is_dir():
        return []
    if revision is not None:
        raise GradiendError(
            f"model.revision: '{revision}': '{name}' is a local folder, which has no revisions: leave it out"
        )
    return folder_files(Path(name))


def require_folder(name: str) -> None:
    """Raise `GradiendError` where a path names no folder, or a name is nearly that of a demo model.

    A Hugging Face id has at most one slash.
    """
    demo = get_close_matches(name.casefold(), DEMO_MODELS, n=1, cutoff=ALIKE)
    if demo and name not in DEMO_MODELS and not Path(name).is_dir():
        raise GradiendError(f"model: '{name}': no such folder, and no known model (did you mean '{demo[0]}'?)")
    if (name.startswith((".", "/", "~")) or name.count("/") > 1) and not Path(name).is_dir():
        text = "no such folder, and not a Hugging Face id (name or owner/name)"
        raise GradiendError(f"model: '{name}': {text}{folder_hint(name)}")


def folder_hint(name: str) -> str:
    """`" (did you mean 'x'?)"` for a folder with a name near to `name`, which is none; nothing where there is none."""
    path = Path(name)
    if path.is_dir():
        return ""
    beside = [one.name for one in path.parent.iterdir() if one.is_dir()] if path.parent.is_dir() else []
    near = nearest(path.name, sorted(beside))
    return f" (did you mean '{name[: -len(path.name)]}{near}'?)" if near else ""
