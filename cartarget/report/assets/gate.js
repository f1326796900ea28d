// Gates as text: which antigens one names, which of them block, and when it fires. Pure.

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
 * Read a gate: its `symbols` in the order in which they stand, its `blockers`, its `shape` (null if some way to be hit
 * senses nothing), and `hits`, which says whether it fires on an observation that carries antigens as a list of yes and
 * no in that order says. Null if the text is no gate.
 */
export function readGate(text) {
  const tokens = tokensOf(text);
  if (!tokens?.length) return null;
  const symbols = [];
  let at = 0, broken = false;
  const factor = (negated) => {
    const token = tokens[at];
    at += 1;
    if (token === "~") return factor(!negated);
    if (token === "(") {
      const inner = chain("|", negated);
      if (tokens[at] !== ")") broken = true;
      at += 1;
      return inner;
    }
    if (token?.symbol === undefined) { broken = true; return { place: 0, negated }; }
    if (!symbols.includes(token.symbol)) symbols.push(token.symbol);
    return { place: symbols.indexOf(token.symbol), negated };
  };
  const chain = (operator, negated) => {
    const part = () => (operator === "|" ? chain("&", negated) : factor(negated));
    const parts = [part()];
    while (tokens[at] === operator) { at += 1; parts.push(part()); }
    return parts.length === 1 ? parts[0] : { isAny: (operator === "|") !== negated, parts };
  };
  const tree = chain("|", false);
  if (broken || at < tokens.length) return null;
  return { symbols, blockers: new Set(literalsOf(tree).filter((one) => one.negated).map((one) => symbols[one.place])), shape: shapeOf(tree), hits: (has) => fires(tree, has) };
}

const literalsOf = (tree) => (tree.parts ? tree.parts.flatMap(literalsOf) : [tree]);

function fires(tree, has) {
  if (!tree.parts) return has[tree.place] !== tree.negated;
  return tree.isAny ? tree.parts.some((one) => fires(one, has)) : tree.parts.every((one) => fires(one, has));
}

/** The ways to be hit: antigens that a cell must have and must lack, as places among the gate's symbols. */
function expanded(tree) {
  if (!tree.parts) return [tree.negated ? { plain: [], blockers: [tree.place] } : { plain: [tree.place], blockers: [] }];
  const parts = tree.parts.map(expanded);
  const merge = (x, y) => [...new Set([...x, ...y])].sort((a, b) => a - b);
  const both = (xs, ys) => xs.flatMap((x) => ys.map((y) => ({ plain: merge(x.plain, y.plain), blockers: merge(x.blockers, y.blockers) })));
  return tree.isAny ? parts.flat() : parts.reduce(both);
}

/** What the judge asks of a gate: its tree, and the conjunctions of which it is an OR; null if one of them senses nothing. */
function shapeOf(tree) {
  const within = (x, y) => x.every((one) => y.includes(one));
  const found = expanded(tree).filter(({ plain, blockers }) => !plain.some((one) => blockers.includes(one)));
  const parts = found.filter((own, i) => !found.some((one, j) => within(one.plain, own.plain) && within(one.blockers, own.blockers)
    && (j < i || !(within(own.plain, one.plain) && within(own.blockers, one.blockers)))));
  if (!parts.length || parts.some(({ plain }) => !plain.length)) return null;
  const literals = literalsOf(tree);
  return { tree, parts, text: JSON.stringify(tree), sensed: [...new Set(literals.filter((one) => !one.negated).map((one) => one.place))], hasBlocker: literals.some((one) => one.negated) };
}

/** Shapes of one and two antigens, as the arrays of the evidence number them; −1 stands for one antigen alone. */
export const SHAPES_OF_TWO = ["A | B", "A & B", "A & ~B"].map((text) => readGate(text).shape);
export const ALONE = readGate("A").shape;

/** What a gate gains on: the antigens that it senses, if it has more than one. */
export const membersOf = ({ shape, rows }) => (rows.length > 1 ? shape.sensed.map((place) => rows[place]) : []);

/** The antigens that a gate's text names; none if it is no gate. */
export const symbolsOf = (text) => readGate(text)?.symbols ?? [];

/** Every way to carry n antigens, from all of them to none. */
export const combinations = (n) => Array.from({ length: 2 ** n }, (_, line) => Array.from({ length: n }, (__, i) => ((line >> (n - 1 - i)) & 1) === 0));

const quoted = (symbol) => (PLAIN.test(symbol) && !["AND", "OR", "NOT"].includes(symbol.toUpperCase()) ? symbol : `\`${symbol.replaceAll("`", "``")}\``);

/** The text of a gate of two antigens, as the run would write it. */
export function gateText(a, operator, b) {
  if (operator === "& ~") return `${quoted(a)} & ~${quoted(b)}`;
  const [first, second] = [quoted(a), quoted(b)].sort((x, y) => (x < y ? -1 : 1));
  return `${first} ${operator} ${second}`;
}
