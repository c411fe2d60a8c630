/** @file The contours a reader sees, as layers over the labels of one frame; which there are, the analysis says. */

import { fill, smooth, trace } from "./outlines.js";

/**
 * @typedef {object} Layer see Layer in cvai/analyses/page.py
 * @property {string} name
 * @property {string} title
 * @property {string} colour
 * @property {number[]} labels of the pixels within it; what is drawn gets the first
 * @property {number[]} spares labels that it does not take pixels from
 * @property {number | null} leaves label of the pixels that it withdraws from; null for that of the nearest pixel outside
 * @property {boolean} editable
 */

/** @param {number} label @param {Layer} layer @returns {boolean} whether a pixel of this label lies in the layer */
export function belongs(label, layer) {
  return layer.labels.includes(label);
}

/** In the place of a label that is not known yet. */
const OPEN = /** @type {number} */ (255);

/**
 * @param {Uint8Array} labels of a frame
 * @param {Layer} layer
 * @param {(i: number) => boolean} wanted whether pixel i is to lie in the layer
 * @param {number} columns
 * @returns {Uint8Array} the frame with this layer as wanted, and the others as far as it leaves them
 */
export function withLayer(labels, layer, wanted, columns) {
  const changed = labels.map((label, i) => {
    if (belongs(label, layer) === wanted(i)) return label;
    if (!wanted(i)) return layer.leaves ?? OPEN;
    return layer.spares.includes(label) ? label : layer.labels[0];
  });
  if (layer.leaves === null) spreadInto(changed, layer, columns);
  return changed;
}

/** @param {Uint8Array} labels whose open pixels take the label of the nearest pixel outside the layer @param {Layer} layer @param {number} columns */
function spreadInto(labels, layer, columns) {
  let open = [...labels.keys()].filter((i) => labels[i] === OPEN);
  while (open.length) {
    /** @type {number[]} */
    const found = open.map((i) => [i - 1, i + 1, i - columns, i + columns]
      .map((beside) => labels[beside])
      .find((label) => label !== undefined && label !== OPEN && !belongs(label, layer)) ?? OPEN);
    if (found.every((label) => label === OPEN)) found.fill(0);
    open.forEach((i, n) => (labels[i] = found[n]));
    open = open.filter((i) => labels[i] === OPEN);
  }
}

/**
 * @param {Uint8Array} labels of a frame
 * @param {Layer} layer
 * @param {import("./labels.js").Grid} grid
 * @returns {import("./outlines.js").Outline[]} smooth outlines of a layer
 */
export function outlinesOf(labels, layer, grid) {
  const { rows, columns } = grid;
  const inside = (/** @type {number} */ x, /** @type {number} */ y) =>
    x >= 0 && y >= 0 && x < columns && y < rows && belongs(labels[y * columns + x], layer);
  return trace(inside, boxOf(labels, layer, columns)).map((outline) => smooth(outline));
}

/**
 * @param {Uint8Array} labels
 * @param {Layer} layer
 * @param {number} columns
 * @returns {{top: number, bottom: number, left: number, right: number}} upside down where the layer is empty
 */
function boxOf(labels, layer, columns) {
  const box = { top: Infinity, bottom: -1, left: Infinity, right: -1 };
  for (let i = 0; i < labels.length; i++) {
    if (labels[i] === 0 || !belongs(labels[i], layer)) continue;
    const x = i % columns, y = (i - x) / columns;
    if (y < box.top) box.top = y;
    box.bottom = y;
    if (x < box.left) box.left = x;
    if (x > box.right) box.right = x;
  }
  return box;
}

/**
 * Give a layer the change between two outlines: pixels that both or neither hold stay as they are, so that
 * dragging one side of a contour cannot move a pixel of the other.
 * @param {Uint8Array} labels
 * @param {Layer} layer
 * @param {import("./outlines.js").Outline[]} before
 * @param {import("./outlines.js").Outline[]} after
 * @param {import("./labels.js").Grid} grid
 * @returns {Uint8Array}
 */
export function withChange(labels, layer, before, after, grid) {
  const was = fill(before, grid.rows, grid.columns);
  const is = fill(after, grid.rows, grid.columns);
  return withLayer(labels, layer, (i) => (was[i] === is[i] ? belongs(labels[i], layer) : is[i] === 1), grid.columns);
}
