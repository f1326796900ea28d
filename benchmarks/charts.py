"""SVG of our own, or Vega? 20,000 points of the therapeutic window, drawn and drawn again by either in Chromium.

    pip install vl-convert-python     # holds Vega's runtime; the project itself does not need it
    python benchmarks/charts.py

The smallest of five drawings counts. The last line says whether Vega draws at all under the report's policy, which lets
no text be run as code.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

ASSETS = Path(__file__).parents[1] / "cartarget" / "report" / "assets"
OURS = ("dom", "charts")
N_POINTS = 20_000
KINDS = ("within caps", "origin only", "unknown", "over cap")
OUR_PAGE = (
    f"const kinds = {json.dumps(KINDS)};"
    + """
const width = 720, height = 480, box = { left: 58, right: 694, top: 22, bottom: 424 };
const x = (value) => box.left + value * (box.right - box.left);
const y = (value) => box.bottom - value * (box.bottom - box.top);
window.drawn = (points) => {
  points.forEach((point) => { point.x = x(point.across); point.y = y(point.coverage); });
  document.body.replaceChildren(svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height },
    axes({ x, y, box, xTicks: [0, 0.5, 1], yTicks: [0, 0.5, 1], xTitle: "Liability", yTitle: "Coverage" }),
    kinds.map((kind) => marks(kind, points.filter((point) => point.kind === kind)))));
};
"""
)
VEGA_PAGE = (
    f"const kinds = {json.dumps(KINDS)};"
    + """
const axis = (scale, orient, title) => ({ scale, orient, title, grid: true });
const spec = { width: 636, height: 402, data: [{ name: "table", values: [] }],
  scales: [{ name: "x", range: "width", domain: [0, 1] }, { name: "y", range: "height", domain: [0, 1] },
    { name: "shape", type: "ordinal", domain: kinds, range: ["circle", "diamond", "square", "triangle-up"] }],
  axes: [axis("x", "bottom", "Liability"), axis("y", "left", "Coverage")],
  marks: [{ type: "symbol", from: { data: "table" }, encode: { update: { x: { scale: "x", field: "across" },
    y: { scale: "y", field: "coverage" }, shape: { scale: "shape", field: "kind" }, size: { value: 30 } } } }] };
let view = null;
window.drawn = async (points) => {
  view ??= (await vegaEmbed(document.body, spec, { mode: "vega", renderer: window.renderer, actions: false })).view;
  await view.data("table", points).runAsync();
};
"""
)
CLOCK = """async ([points, others]) => {
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  const once = async (list) => {
    const start = performance.now();
    await window.drawn(list.map((one) => ({ ...one })));
    await frame();
    return performance.now() - start;
  };
  const first = await once(points), again = [];
  for (let i = 0; i < 5; i += 1) again.push(await once(i % 2 ? points : others));
  return [first, Math.min(...again)];
}"""
POLICY = "default-src 'none'; script-src 'unsafe-inline'"


def our_script() -> str:
    """The report's own drawing code, as it is inlined."""
    texts = [(ASSETS / f"{name}.js").read_text(encoding="utf-8") for name in OURS]
    return "".join(
        re.sub(r"^import [^;]*;\n|^export (?=function|const)", "", text, flags=re.MULTILINE) for text in texts
    )


def points(seed: int) -> list[dict[str, Any]]:
    """Made-up gates."""
    rng = np.random.default_rng(seed)
    across, coverage, kinds = rng.random(N_POINTS), rng.random(N_POINTS), rng.choice(KINDS, N_POINTS)
    return [{"across": a, "coverage": c, "kind": str(k)} for a, c, k in zip(across, coverage, kinds, strict=True)]


def main() -> int:
    """Measure and print."""
    from playwright.sync_api import sync_playwright

    if not find_spec("vl_convert"):
        print("Vega's runtime is absent: pip install vl-convert-python")
        return 0
    import vl_convert

    vega = vl_convert.javascript_bundle()
    ours = our_script()
    scripts = {"our SVG": ours + OUR_PAGE, "Vega, SVG": vega + VEGA_PAGE, "Vega, canvas": vega + VEGA_PAGE}
    print(f"{N_POINTS:,} points; Vega's runtime from vl-convert-python {vl_convert.__version__}")
    print(f"{'':14}{'script, kB':>12}{'gzipped':>10}{'first, ms':>11}{'again, ms':>11}")
    data = [points(0), points(1)]
    flags = ["--no-sandbox", "--disable-gpu"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
        for name, script in scripts.items():
            page = browser.new_page()
            page.add_script_tag(content=f"window.renderer = {json.dumps('canvas' if 'canvas' in name else 'svg')};")
            page.add_script_tag(content=script, type="module")
            page.wait_for_function("Boolean(window.drawn)")
            first, again = page.evaluate(CLOCK, data)
            size, packed = len(script.encode()), len(gzip.compress(script.encode()))
            print(f"{name:14}{size / 1000:12.0f}{packed / 1000:10.0f}{first:11.0f}{again:11.0f}")
            page.close()
        print(f"Under a policy without 'unsafe-eval', Vega {judged(browser, vega)}.")
        browser.close()
    return 0


def judged(browser: Any, vega: str) -> str:
    """What Vega does on a page that may not turn text into code."""
    from playwright.sync_api import Error

    script = (vega + VEGA_PAGE).replace("</", "<\\/")
    page = browser.new_page()
    with tempfile.TemporaryDirectory() as folder:
        html = Path(folder) / "vega.html"
        head = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        html.write_text(f'{head}<body><script type="module">{script}</script>', encoding="utf-8")
        page.goto(html.as_uri())
        try:
            page.wait_for_function("Boolean(window.drawn)", timeout=10_000)
            page.evaluate("drawn([{ across: 0.5, coverage: 0.5, kind: 'within caps' }])")
        except Error as error:
            return f"does not draw ({str(error).splitlines()[0][:120]})"
    return "draws"


if __name__ == "__main__":
    sys.exit(main())
