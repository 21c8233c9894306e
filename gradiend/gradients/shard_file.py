"""One shard of one split as it is written: a safetensors file in which every row has its place from the start."""

import json
import math
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from torch import Tensor

from gradiend.errors import GradiendError
from gradiend.files import make_folder
from gradiend.gradients.rows import SUMS, Rows, checksums
from gradiend.space import ParameterSpace


class ShardFile:
    """A file of `names`, each `[rows, input_dim]` float32, whose rows are written in any order, with their checksums.

    Its `label`, that of `label_of`, says of what rows it is.
    A file of the right size at `path` is the same one, begun earlier, and goes on. Whether it is complete the file does
    not say: until then it should have another name.
    """

    def __init__(
        self, path: Path, rows: int, names: Sequence[str], space: ParameterSpace, label: Mapping[str, str]
    ) -> None:
        shapes: dict[str, tuple[str, list[int]]] = {name: ("F32", [rows, space.input_dim]) for name in names}
        shapes |= {name + SUMS: ("I32", [rows]) for name in names}
        about = {"space": space.digest, "about": json.dumps(dict(space.about)), **label}
        header: dict[str, object] = {"__metadata__": about}
        starts, end = {}, 0
        for name, (kind, shape) in shapes.items():
            starts[name], end = end, end + 4 * math.prod(shape)
            header[name] = {"dtype": kind, "shape": shape, "data_offsets": [starts[name], end]}
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        make_folder(path.parent)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        self._row_bytes = 4 * space.input_dim
        self.names = tuple(names)
        self._offsets = {name: 8 + len(text) + start for name, start in starts.items()}
        whole = 8 + len(text) + end
        if os.fstat(self._file).st_size != whole:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, struct.pack("<Q", len(text)) + text, 0)
            os.ftruncate(self._file, whole)

    def write(self, name: str, position: int, row: Tensor) -> None:
        """Store one row `[input_dim]` and its checksum. Raises `GradiendError` if it is not finite."""
        row = row.detach().cpu().float().contiguous()
        if not row.sum().isfinite() and not row.isfinite().all():  # a sum takes a tenth of the time, but may overflow
            raise GradiendError(f"gradient row {position} ({name}) holds NaN or infinity: try torch_dtype float32")
        data = row.numpy()
        self._write(data.data.cast("B"), self._offsets[name] + position * self._row_bytes)
        self._write(checksums(data[None]).data.cast("B"), self._offsets[name + SUMS] + 4 * position)

    def _write(self, data: memoryview, offset: int) -> None:
        while data:
            written = os.pwrite(self._file, data, offset)
            data, offset = data[written:], offset + written

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._file)


def filled(file: ShardFile, rows: Rows, chunks: Sequence[Sequence[int]], positions: Sequence[int]) -> Iterator[int]:
    """Write the gradients of chunks of rows to their positions in the file; gives the length of each that is there."""
    for chunk in chunks:
        done = 0
        for gradients in rows.blocks(chunk):
            for name, block in zip(file.names, gradients, strict=False):
                for offset, row in enumerate(block):
                    file.write(name, int(positions[chunk[done + offset]]), row)
            done += len(gradients[0])
        yield len(chunk)
