"""All tables, one after the other:

    python benchmarks [--device cuda]

takes about 15 minutes on one core. `jobs.py` and `importance.py` run whole experiments: commands of their own.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import torch

HERE = Path(__file__).parent
TABLES = [
    ["rows.py", "--size", "BERT-base"],
    ["rows.py", "--size", "GPT-2 small"],
    ["rows.py", "--size", "tiny BERT"],
    ["rows.py", "--size", "BERT-base", "--kept", "0.01", "--examples", "1", "8", "32"],
    ["rows.py", "--size", "BERT-base", "--kept", "0.01", "--tokens", "12", "48", "96"],
    ["steps.py"],
    ["candidates.py", "--size", "BERT-base"],
    ["candidates.py", "--size", "GPT-2 small", "--kept", "0.01"],
    ["candidates.py", "--size", "tiny BERT", "--kept", "0.01"],
]
ON_CPU = [["memory.py"]]


def main() -> None:
    """Run every command and print its table under it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    print(f"torch {torch.__version__}, {processor(given.device)}\n", flush=True)
    tables = [[*words, "--device", given.device] for words in TABLES] if given.device != "cpu" else TABLES + ON_CPU
    for words in tables:
        print(f"`python benchmarks/{' '.join(words)}`\n", flush=True)
        subprocess.run([sys.executable, "-W", "ignore", HERE / words[0], *words[1:]], check=True)
        print(flush=True)


def processor(device: str) -> str:
    """What the figures are of."""
    if device != "cpu":
        return torch.cuda.get_device_name()
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}, one thread"


if __name__ == "__main__":
    main()
