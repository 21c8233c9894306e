"""Links of one run: relative symbolic links from its folder to what runs of equal settings share."""

import os
from pathlib import Path

from gradiend.errors import GradiendError
from gradiend.files import make_folder, read_json, write_json
from gradiend.stages import command


def run(*, links: Path, out: Path) -> str:
    """Make the links of the JSON file `links`, {path: what it points to}, and write them to `out`.

    A link may point to what is not made yet. An old link is replaced; anything else in its place is an error.
    """
    wanted = {Path(path): Path(target) for path, target in _read(links).items()}
    for path, target in wanted.items():
        _link(path, target)
    write_json(out, {str(path): os.readlink(path) for path in wanted})
    return f"{len(wanted)} links -> {out}"


def _read(links: Path) -> dict[str, str]:
    found = read_json(links)
    if not all(isinstance(target, str) for target in found.values()):
        raise GradiendError(
            f"{links}: should be an object of texts, {{path: what it points to}}; delete it and run again"
        )
    return found


def _link(path: Path, target: Path) -> None:
    make_folder(path.parent)
    if path.exists() and not path.is_symlink():
        raise GradiendError(
            f"{path}: is no link, but what several runs share is to be linked there: move it away, "
            "or give the experiment another experiment_dir"
        )
    # of the real folder: a link's `..` is that of the folder it lies in
    relative = os.path.relpath(os.path.realpath(target.parent), os.path.realpath(path.parent))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(os.path.join(relative, target.name))
    os.replace(temporary, path)


if __name__ == "__main__":
    raise SystemExit(command.main(run))
