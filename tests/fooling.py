"""What `benchmarks/fooling.py` makes, for tests: one maker, the benchmark at full size and the tests at a small one."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_FILE = Path(__file__).resolve().parents[1] / "benchmarks" / "fooling.py"
_SPEC = importlib.util.spec_from_file_location("fooling", _FILE)
assert _SPEC is not None and _SPEC.loader is not None
fooling = importlib.util.module_from_spec(_SPEC)
sys.modules["fooling"] = fooling
_SPEC.loader.exec_module(fooling)
