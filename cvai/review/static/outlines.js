/**
 * @file Masks to outlines and back. Pixel centres have whole coordinates; a pixel is inside an outline when its
 * centre is (even-odd rule, edges closed below and to the left). An outline traced from a mask gives that mask.
 */

/** @typedef {{x: number, y: number}} Point */
/** @typedef {Point[]} Outline closed, last point joins the first */

/** Edges of a cell of four pixel centres: top, right, bottom, left; which are joined, by the corners inside. */
const TOP = 0, RIGHT = 1, BOTTOM = 2, LEFT = 3;
/** @type {number[][][]} from, to with the inside on the right; by bits 1 top left, 2 top right, 4 bottom right, 8 bottom left */
const JOINS = [
  [], [[TOP, LEFT]], [[RIGHT, TOP]], [[RIGHT, LEFT]], [[BOTTOM, RIGHT]], [[TOP, LEFT], [BOTTOM, RIGHT]],
  [[BOTTOM, TOP]], [[BOTTOM, LEFT]], [[LEFT, BOTTOM]], [[TOP, BOTTOM]], [[RIGHT, TOP], [LEFT, BOTTOM]],
  [[RIGHT, BOTTOM]], [[LEFT, RIGHT]], [[TOP, RIGHT]], [[LEFT, TOP]], [],
];

/**
 * @param {(x: number, y: number) => boolean} inside whether a pixel belongs to the mask; false out of the image
 * @param {{top: number, bottom: number, left: number, right: number}} box first and last row and column of the mask
 * @returns {Outline[]} halfway between centres inside and outside
 */
export function trace(inside, { top, bottom, left, right }) {
  /** @type {Map<number, {to: number, point: Point}>} */
  const links = new Map();
  const width = right + 3;
  for (let y = top - 1; y <= bottom; y++) {
    for (let x = left - 1; x <= right; x++) {
      const corners =
        (inside(x, y) ? 1 : 0) | (inside(x + 1, y) ? 2 : 0) | (inside(x + 1, y + 1) ? 4 : 0) | (inside(x, y + 1) ? 8 : 0);
      for (const [from, to] of JOINS[corners]) {
        links.set(edgeOf(from, x, y, width), { to: edgeOf(to, x, y, width), point: midpoint(from, x, y) });
      }
    }
  }
  return follow(links);
}

/** @param {number} side @param {number} x @param {number} y @param {number} width @returns {number} the edge's own number */
function edgeOf(side, x, y, width) {
  const column = x + 1 + (side === RIGHT ? 1 : 0), row = y + 1 + (side === BOTTOM ? 1 : 0);
  return 2 * (row * width + column) + (side === LEFT || side === RIGHT ? 1 : 0);
}

/** @param {number} side @param {number} x @param {number} y @returns {Point} */
function midpoint(side, x, y) {
  if (side === TOP || side === BOTTOM) return { x: x + 0.5, y: side === TOP ? y : y + 1 };
  return { x: side === LEFT ? x : x + 1, y: y + 0.5 };
}

/** @param {Map<number, {to: number, point: Point}>} links @returns {Outline[]} */
function follow(links) {
  const outlines = [];
  while (links.size) {
    const outline = [];
    let [edge] = links.keys();
    for (let link = links.get(edge); link; link = links.get(edge)) {
      outline.push(link.point);
      links.delete(edge);
      edge = link.to;
    }
    outlines.push(outline);
  }
  return outlines;
}

/**
 * Round the steps of pixels off without shrinking the outline (Taubin, SIGGRAPH 1995).
 * @param {Outline} outline
 * @param {number} [passes]
 * @returns {Outline}
 */
export function smooth(outline, passes = 8) {
  let points = outline;
  for (let i = 0; i < passes; i++) {
    points = relax(points, 0.5);
    points = relax(points, -0.53);
  }
  return points;
}

/** @param {Outline} points @param {number} weight @returns {Outline} */
function relax(points, weight) {
  const n = points.length;
  return points.map((p, i) => {
    const a = points[(i + n - 1) % n], b = points[(i + 1) % n];
    return { x: p.x + weight * ((a.x + b.x) / 2 - p.x), y: p.y + weight * ((a.y + b.y) / 2 - p.y) };
  });
}

/**
 * @param {Outline[]} outlines
 * @param {number} rows
 * @param {number} columns
 * @returns {Uint8Array} 1 where a pixel's centre lies inside an odd number of them
 */
export function fill(outlines, rows, columns) {
  const mask = new Uint8Array(rows * columns);
  const crossings = rowsCrossed(outlines, rows);
  crossings.forEach((xs, y) => {
    xs.sort((a, b) => a - b);
    for (let i = 0; i + 1 < xs.length; i += 2) {
      const from = Math.max(0, Math.ceil(xs[i])), to = Math.min(columns, Math.ceil(xs[i + 1]));
      if (from < to) mask.fill(1, y * columns + from, y * columns + to);
    }
  });
  return mask;
}

/** @param {Outline[]} outlines @param {number} rows @returns {number[][]} where outlines cross the centres of each row */
function rowsCrossed(outlines, rows) {
  /** @type {number[][]} */
  const crossings = Array.from({ length: rows }, () => []);
  for (const outline of outlines) {
    outline.forEach((a, i) => {
      const b = outline[(i + 1) % outline.length];
      const [low, high] = a.y < b.y ? [a, b] : [b, a];
      for (let y = Math.max(0, Math.ceil(low.y)); y < Math.min(rows, high.y); y++) {
        crossings[y].push(low.x + ((y - low.y) / (high.y - low.y)) * (high.x - low.x));
      }
    });
  }
  return crossings;
}

/**
 * Drag an outline: what lies near the hand follows it, less the further away.
 * @param {Outline} outline
 * @param {Point} hand where it was taken
 * @param {Point} by how far the hand has moved
 * @param {number} reach distance at which a point follows half way
 * @returns {Outline}
 */
export function pull(outline, hand, by, reach) {
  const falloff = Math.LN2 / (reach * reach);
  return outline.map((p) => {
    const share = Math.exp(-falloff * ((p.x - hand.x) ** 2 + (p.y - hand.y) ** 2));
    return share < 0.003 ? p : { x: p.x + share * by.x, y: p.y + share * by.y };
  });
}

/** @param {Outline[]} outlines @param {Point} at @returns {{point: Point, distance: number} | null} */
export function nearest(outlines, at) {
  let best = null;
  for (const point of outlines.flat()) {
    const distance = Math.hypot(point.x - at.x, point.y - at.y);
    if (!best || distance < best.distance) best = { point, distance };
  }
  return best;
}

/** Gap between the ends of a stroke, as a share of its length, up to which it closes itself. */
const CLOSES = 0.2;

/** @param {Point} a @param {Point} b @returns {number} */
const apart = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);

/** @param {Point[]} stroke @returns {boolean} whether a drawn stroke is meant as a whole outline */
export function isClosed(stroke) {
  const length = stroke.slice(1).reduce((sum, point, i) => sum + apart(stroke[i], point), 0);
  return apart(stroke[0], stroke[stroke.length - 1]) <= CLOSES * length;
}

/** @param {Point[]} points @param {Point} at @returns {number} index of the nearest one */
function nearestIndex(points, at) {
  const away = points.map((point) => apart(point, at));
  return away.indexOf(Math.min(...away));
}

/** @param {Point[]} from @param {Point[]} to @returns {number} mean distance of points to the nearest of others */
function meanDistance(from, to) {
  return from.reduce((sum, point) => sum + apart(point, to[nearestIndex(to, point)]), 0) / (from.length || 1);
}

/** @param {Outline[]} outlines at least one @param {Point[]} stroke @returns {Outline} the one that a stroke runs along */
export function nearestOutline(outlines, stroke) {
  const away = outlines.map((outline) => meanDistance(stroke, outline));
  return outlines[away.indexOf(Math.min(...away))];
}

/**
 * Replace the arc of an outline that a stroke was drawn for: of the two arcs between the ends of the stroke, the
 * one that lies nearer to it.
 * @param {Outline} outline
 * @param {Point[]} stroke
 * @returns {Outline}
 */
export function withArc(outline, stroke) {
  const first = nearestIndex(outline, stroke[0]), last = nearestIndex(outline, stroke[stroke.length - 1]);
  const [low, high] = [Math.min(first, last), Math.max(first, last)];
  const inner = outline.slice(low, high + 1), outer = [...outline.slice(high), ...outline.slice(0, low + 1)];
  const along = first <= last ? stroke : [...stroke].reverse();
  if (meanDistance(inner, stroke) <= meanDistance(outer, stroke)) return [...outline.slice(0, low), ...along, ...outline.slice(high + 1)];
  return [...inner.slice(1, -1), ...[...along].reverse()];
}
