"""The notebook, run from top to bottom as a reader would."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parent.parent / "examples" / "quickstart.ipynb"


def outputs_of(cell: Any) -> list[Any]:
    return [output for output in cell.get("outputs", []) if output["output_type"] in ("execute_result", "stream")]


def test_the_notebook_is_kept_without_outputs() -> None:
    for cell in nbformat.read(NOTEBOOK, 4).cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None


@pytest.mark.slow
def test_the_notebook_runs_offline_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    notebook = nbformat.read(NOTEBOOK, 4)
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    pictures = [cell for cell in notebook.cells if any("image/png" in out.get("data", {}) for out in outputs_of(cell))]
    assert len(pictures) == 3
    (values,) = [out for cell in notebook.cells if "model.encode(" in cell.source for out in outputs_of(cell)]
    she, he = eval(values["data"]["text/plain"].removeprefix("array"))
    assert she > 0.5 > -0.5 > he
    before, after = outputs_of(notebook.cells[-1])[-1]["text"].strip().splitlines()[-2:]
    chances = [eval(line.split(" ", 1)[1])["she"] for line in (before, after)]
    assert before.startswith("model ") and after.startswith("female ") and chances[0] < chances[1]
