// Gates as text: which antigens one names, which of them block, and when it fires. Pure.

import { ANY, BOTH, NOT } from "./judge.js";

const TOKEN = /\s*(?:([&|~()])|`((?:[^`]|``)+)`|([\w.\-/:@+*]+))/y;
const PLAIN = /^[\w.\-/:@+*]+$/;

function tokensOf(text) {
  const tokens = [];
  const rest = text.trimEnd();
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < rest.length) {
    const found = TOKEN.exec(rest);
    if (!found) return null;
    tokens.push(found[1] ?? { symbol: found[2]?.replaceAll("``", "`") ?? found[3] });
  }
  return tokens;
}

/**
 * Read a gate: its `symbols` in the order in which they stand, its `blockers`, and `hits`, which says whether it fires on
 * an observation that carries antigens as a list of yes and no in that order says. Null if the text is no gate.
 */
export function readGate(text) {
  const tokens = tokensOf(text);
  if (!tokens?.length) return null;
  const symbols = [], blockers = new Set();
  let at = 0, broken = false;
  const factor = (negated) => {
    const token = tokens[at];
    at += 1;
    if (token === "~") { const inner = factor(!negated); return (has) => !inner(has); }
    if (token === "(") {
      const inner = chain("|", negated);
      if (tokens[at] !== ")") broken = true;
      at += 1;
      return inner;
    }
    if (token?.symbol === undefined) { broken = true; return () => false; }
    if (!symbols.includes(token.symbol)) symbols.push(token.symbol);
    if (negated) blockers.add(token.symbol);
    const place = symbols.indexOf(token.symbol);
    return (has) => has[place];
  };
  const chain = (operator, negated) => {
    const part = () => (operator === "|" ? chain("&", negated) : factor(negated));
    const parts = [part()];
    while (tokens[at] === operator) { at += 1; parts.push(part()); }
    if (parts.length === 1) return parts[0];
    return operator === "|" ? (has) => parts.some((one) => one(has)) : (has) => parts.every((one) => one(has));
  };
  const hits = chain("|", false);
  return broken || at < tokens.length ? null : { symbols, blockers, hits };
}

/** The antigens that a gate's text names; none if it is no gate. */
export const symbolsOf = (text) => readGate(text)?.symbols ?? [];

/** Every way to carry n antigens, from all of them to none. */
export const combinations = (n) => Array.from({ length: 2 ** n }, (_, line) => Array.from({ length: n }, (__, i) => ((line >> (n - 1 - i)) & 1) === 0));

/** A gate of one or two antigens as the judge knows them: [first, second, shape]; null for any other. */
export function shapeOf({ symbols, hits }) {
  const fires = combinations(symbols.length).map((has) => (hits(has) ? "1" : "0")).join("");
  const [a, b = a] = symbols;
  return { 10: [a, a, ANY], 1110: [a, b, ANY], 1000: [a, b, BOTH], "0100": [a, b, NOT], "0010": [b, a, NOT] }[fires] ?? null;
}

const quoted = (symbol) => (PLAIN.test(symbol) && !["AND", "OR", "NOT"].includes(symbol) ? symbol : `\`${symbol.replaceAll("`", "``")}\``);

/** The text of a gate of two antigens, as the run would write it. */
export function gateText(a, operator, b) {
  if (operator === "& ~") return `${quoted(a)} & ~${quoted(b)}`;
  const [first, second] = [quoted(a), quoted(b)].sort((x, y) => (x < y ? -1 : 1));
  return `${first} ${operator} ${second}`;
}
