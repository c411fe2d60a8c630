/** @file Pixels of a stack of slices, fetched slice by slice, the ones looked at first. */

import { getBytes } from "./api.js";

/** @typedef {import("./labels.js").Grid & {slope: number, intercept: number, window: [number, number], times_ms: number[] | null, last_slice_first: boolean, heart: number[] | null, edges: Record<string, string>}} Cine */

/** Stored pixels of every frame, as far as they have come. */
export class Pixels {
  /** @param {string} base address of the study's API @param {Cine} cine */
  constructor(base, cine) {
    this.base = base;
    this.cine = cine;
    /** @type {(Uint16Array | null)[]} */
    this.slices = new Array(cine.n_slices).fill(null);
  }

  /** @param {number} t @param {number} z @returns {Uint16Array | null} null while it is on its way */
  frame(t, z) {
    const size = this.cine.rows * this.cine.columns;
    return this.slices[z]?.subarray(t * size, (t + 1) * size) ?? null;
  }

  /** @returns {number} slices that have come */
  get ready() {
    return this.slices.filter(Boolean).length;
  }

  /**
   * Fetch every slice, the nearest to ``first`` first, two at a time.
   * @param {number} first
   * @param {(z: number) => void} arrived
   */
  async load(first, arrived) {
    const order = this.slices.map((_, z) => z).sort((a, b) => Math.abs(a - first) - Math.abs(b - first));
    await this.fetch(/** @type {number} */ (order.shift()), arrived);
    const next = async () => {
      for (let z = order.shift(); z !== undefined; z = order.shift()) await this.fetch(z, arrived);
    };
    await Promise.all([next(), next()]);
  }

  /** @param {number} z @param {(z: number) => void} [arrived] fetch one slice */
  async fetch(z, arrived = () => {}) {
    this.slices[z] = new Uint16Array(await getBytes(`${this.base}/pixels/${z}`));
    arrived(z);
  }
}

/**
 * Grey of every stored value.
 * @param {Cine} cine
 * @param {[number, number]} window lowest and highest intensity shown
 * @returns {Uint8ClampedArray}
 */
export function greyTable(cine, [low, high]) {
  const table = new Uint8ClampedArray(65536);
  const scale = 255 / Math.max(high - low, 1e-6);
  for (let v = 0; v < table.length; v++) table[v] = (v * cine.slope + cine.intercept - low) * scale;
  return table;
}

/**
 * Paint a frame in grey into an image of its own size.
 * @param {Uint16Array | Uint8Array} frame
 * @param {Uint8ClampedArray} table
 * @param {ImageData} image
 */
export function paint(frame, table, image) {
  const out = new Uint32Array(image.data.buffer);
  for (let i = 0; i < frame.length; i++) {
    const grey = table[frame[i]];
    out[i] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
  }
}
