"""Whole runs as a user starts them: wall time, processor time and peak memory of the demo and of the rectal run.

The rectal run needs the folder of public atlases that config/examples/rectal.yaml reads; without it, it is left out.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cartarget.config import load_config

ROOT = Path(__file__).resolve().parents[1]
RECTAL = ROOT / "config" / "examples" / "rectal.yaml"


def whole_run(*arguments: str) -> tuple[float, float, float]:
    """Seconds on the wall and of processors, and peak memory in MB, of one run in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("resources", "config"):
            (Path(folder) / name).symlink_to(ROOT / name)
        start = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, "-m", "cartarget.cli", *arguments],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        if status:
            raise SystemExit(f"cartarget {' '.join(arguments)} failed")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    """Print one line a run, and the time of `import scanpy` in the same minute, as a yardstick for the machine."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-W", "ignore", "-c", "import scanpy"], check=True)
    yardstick = time.perf_counter() - start
    print(f"yardstick: `import scanpy` {yardstick:.1f} s; {os.cpu_count()} cores")
    runs = {"demo": ("demo",)}
    config = load_config(RECTAL)
    data = (ROOT / config.data_dir).resolve()
    if data.is_dir():
        text = RECTAL.read_text(encoding="utf-8").replace(f"data_dir: {config.data_dir}", f"data_dir: {data}")
        with tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False) as copy:
            copy.write(text)
        runs["rectal"] = ("run", copy.name)
    for name, arguments in runs.items():
        wall, cpu, memory = whole_run(*arguments)
        print(
            f"{name}: {wall:.1f} s wall, {cpu:.1f} s processor, {memory:.0f} MB peak, {wall / yardstick:.1f} yardsticks"
        )


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
