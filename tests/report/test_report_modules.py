"""The page's JavaScript by itself, under node's test runner where node is there."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import cartarget.report

ASSETS = Path(cartarget.report.__file__).parent / "assets"
NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="node is absent: the page's modules are tested in the browser only")
def test_modules_in_node(tmp_path: Path) -> None:
    shutil.copytree(ASSETS, tmp_path / "assets")
    shutil.copy(Path(__file__).with_name("modules.test.mjs"), tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    result = subprocess.run(
        [str(NODE), "--test", str(tmp_path)], capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode == 0, result.stdout + result.stderr
    passed = re.search(r"pass (\d+)", result.stdout)
    assert passed is not None and int(passed.group(1)) >= 17, result.stdout
