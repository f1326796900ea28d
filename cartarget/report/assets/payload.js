// The payload: gzip behind base64; a JSON header, then typed arrays. Nothing here touches the page.

const ARRAYS = { i1: Int8Array, u1: Uint8Array, i2: Int16Array, i4: Int32Array, u4: Uint32Array, f4: Float32Array };
export const MISSING = -32768;

/** Decode the payload's text into {header, arrays}. */
export async function decode(text) {
  const letters = atob(text.trim());
  const packed = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i += 1) packed[i] = letters.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const raw = await new Response(stream).arrayBuffer();
  const size = new DataView(raw).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(raw, 4, size)));
  const arrays = {};
  for (const [name, [type, offset, length]] of Object.entries(header.arrays)) {
    arrays[name] = new ARRAYS[type](raw, 4 + size + offset, length);
  }
  return { header, arrays };
}

const READERS = {
  text: (array, column) => (i) => (array[i] < 0 ? null : column.words[array[i]]),
  flag: (array) => (i) => (array[i] < 0 ? null : array[i] === 1),
  count: (array) => (i) => (array[i] < 0 ? null : array[i]),
  fraction: (array) => (i) => (array[i] === MISSING ? null : array[i] / 10000),
  number: (array) => (i) => (Number.isNaN(array[i]) ? null : array[i]),
};

/**
 * A table: its columns in order, each with `get(row)`; missing is null. `own.argued` may put other columns, functions
 * of the row, before the run's own, which `told` still gives.
 */
export function table(block, name) {
  const { n, columns } = block.header[name];
  const own = { argued: null };
  const list = columns.map((column) => {
    const read = READERS[column.kind === "category" ? "text" : column.kind](block.arrays[`${name}.${column.name}`], column);
    return { ...column, told: read, get: (i) => (own.argued !== null && column.name in own.argued ? own.argued[column.name](i) : read(i)) };
  });
  const by = Object.fromEntries(list.map((column) => [column.name, column]));
  const key = by[name === "antigens" ? "symbol" : "gate"];
  const rowOf = new Map(Array.from({ length: n }, (_, i) => [key.get(i), i]));
  return { name, n, columns: list, by, key, rowOf, own, value: (i, column) => by[column]?.get(i) ?? null, told: (i, column) => by[column]?.told(i) ?? null };
}

/** Exposure rows of one gate: every place, with what is known there. A place without a row is not measured. */
export function exposure(block) {
  const { gates, places } = block.header.exposure;
  const { arrays } = block;
  const place = new Map(gates.map((gate, i) => [gate, i]));
  const fraction = (name, at) => {
    const value = arrays[`exposure.${name}`][at];
    return value === MISSING ? null : value / 1000;
  };
  const count = (name, at) => {
    const value = arrays[`exposure.${name}`][at];
    return value < 0 ? null : value;
  };
  const level = (at) => {
    const value = arrays["exposure.level"][at];
    return value === MISSING ? null : Math.sign(value) * (2 ** (Math.abs(value) / 256) - 1);
  };
  const roundOf = (value) => (value === null ? null : Math.round(value));
  return (gate) => {
    const column = place.get(gate);
    if (column === undefined) return [];
    return places.map((at, i) => {
      const cell = i * gates.length + column;
      const flags = arrays["exposure.flags"][cell];
      return {
        ...at,
        is_present: flags > 0,
        is_measured: (flags & 2) > 0,
        is_thin: (flags & 4) > 0,
        fraction: fraction("fraction", cell),
        lower: fraction("fraction_lower", cell) ?? 0,
        upper: fraction("fraction_upper", cell) ?? 1,
        naive: fraction("fraction_naive", cell),
        trans: fraction("fraction_trans", cell),
        power: fraction("power", cell),
        people: count("people_over_cap", cell),
        decided: (flags & 8) > 0 ? "cells" : at.evidence,
        level: at.evidence === "protein" ? roundOf(level(cell)) : level(cell),
        n_observations: count("n_observations", cell),
        n_donors: count("n_donors", cell),
        n_positive: count("n_positive", cell),
      };
    });
  };
}
