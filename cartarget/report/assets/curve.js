// The therapeutic window over thresholds: what is reached and what is hurt, as the threshold moves.

import { svg, fractionText } from "./dom.js";

const CURVE = { width: 440, height: 170, left: 34, right: 96, top: 12, bottom: 34 };

/** Heights of two labels on one edge, none below `lowest`, moved apart where they would touch. */
export function labelsApart([first, second], lowest, gap = 15) {
  const middle = (first + second) / 2, half = Math.max(Math.abs(first - second), gap) / 2, sign = first <= second ? -1 : 1;
  const up = Math.max(middle + half - lowest, 0);
  return [middle + sign * half - up, middle - sign * half - up];
}

/** Coverage and liability against the threshold, on a log axis. `points`: `at`, `text`, `coverage`, `liability` (null: unknown), `isOwn`. */
export function thresholdCurve(points, unit) {
  const { width, height, left, right, top, bottom } = CURVE;
  const logs = points.map(({ at }) => Math.log2(at)), low = Math.min(...logs), span = Math.max(...logs) - low || 1;
  const x = (i) => left + ((logs[i] - low) / span) * (width - left - right), y = (value) => height - bottom - value * (height - top - bottom);
  const line = (name) => {
    const told = points.map((point, i) => ({ i, value: point[name] })).filter(({ value }) => value !== null);
    return svg("g", { class: `curve-${name}` }, svg("polyline", { points: told.map(({ i, value }) => `${x(i).toFixed(1)},${y(value).toFixed(1)}`).join(" ") }),
      told.map(({ i, value }) => svg("circle", { cx: x(i), cy: y(value), r: 3.5 }, svg("title", {}, `${name} ${fractionText(value)} from ${points[i].text}`))));
  };
  const last = points.at(-1), heights = labelsApart([y(last.coverage), y(last.liability ?? 0)], y(0)), own = points.findIndex(({ isOwn }) => isOwn);
  const label = (name, place) => last[name] !== null && svg("text", { class: `tick curve-label-${name}`, x: width - right + 10, y: place + 4 }, `${name} ${fractionText(last[name])}`);
  const words = points.map(({ text, coverage, liability }) => `from ${text}: coverage ${fractionText(coverage)}, liability ${liability === null ? "unknown" : fractionText(liability)}`).join("; ");
  return svg("svg", { class: "curve", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": words },
    [0, 0.5, 1].map((value) => [svg("line", { class: "grid", x1: left, x2: width - right, y1: y(value), y2: y(value) }),
      svg("text", { class: "tick", x: left - 6, y: y(value) + 4, "text-anchor": "end" }, String(value))]),
    own >= 0 && svg("line", { class: "threshold", x1: x(own), x2: x(own), y1: top, y2: height - bottom }),
    points.map(({ at }, i) => svg("text", { class: i === own ? "tick strong" : "tick", x: x(i), y: height - bottom + 16, "text-anchor": "middle" }, String(at))),
    svg("text", { class: "tick", x: left, y: height - 3 }, `positive from (${unit})`),
    line("coverage"), line("liability"), label("coverage", heights[0]), label("liability", heights[1]));
}
