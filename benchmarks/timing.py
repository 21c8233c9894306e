"""Times and tables: every way is timed in turn, several rounds, and the best of each is kept."""

import time
from collections.abc import Callable, Mapping, Sequence

import torch


def seconds(way: Callable[[], object], device: str = "cpu") -> float:
    """CPU time of this process; on a GPU the clock's, until its work is done."""
    if device == "cpu":
        start = time.process_time()
        way()
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    way()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def best_of(
    ways: Mapping[str, Callable[[], object]], rounds: int, device: str = "cpu", *, repeats: int = 1
) -> dict[str, float]:
    """Seconds of each way, the best of some rounds, in each of which every way is timed `repeats` times in a row."""
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, way in ways.items():
            taken = seconds(lambda way=way: [way() for _ in range(repeats)], device)
            best[name] = min(best[name], taken / repeats)
    return best


def heading(*columns: str) -> None:
    """The first two lines of a table in Markdown."""
    print("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns), flush=True)


def line(cells: Sequence[object]) -> None:
    """One more line of the table; numbers with three digits."""
    print("| " + " | ".join(f"{c:.3g}" if isinstance(c, float) else str(c) for c in cells) + " |", flush=True)
