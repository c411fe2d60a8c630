/** @file Labels of a cine, the numbers they give, and their run lengths. */

export const CAVITY = 1;
export const WALL = 2;
export const RIGHT = 3;
const N_LABELS = 4;

/** Density of myocardium in g/mL; as MYOCARDIAL_DENSITY_G_PER_ML in cvai/domain/volumes.py. */
const DENSITY_G_PER_ML = 1.05;

/**
 * @typedef {object} Grid what the server tells of the cine
 * @property {number} n_phases
 * @property {number} n_slices
 * @property {number} rows
 * @property {number} columns
 * @property {number} voxel_volume_ml
 * @property {number | null} heart_rate_bpm
 */

/** One label a voxel and phase, (t, z, y, x), and how many of each stand in every frame. */
export class LabelVolume {
  /** @param {Uint8Array} data @param {Grid} grid */
  constructor(data, grid) {
    this.grid = grid;
    this.size = grid.rows * grid.columns;
    this.data = data;
    this.counts = new Uint32Array(grid.n_phases * grid.n_slices * N_LABELS);
    for (let i = 0; i < grid.n_phases * grid.n_slices; i++) this.#count(i);
  }

  /** @param {number} t @param {number} z @returns {Uint8Array} the frame itself, not a copy */
  frame(t, z) {
    const i = t * this.grid.n_slices + z;
    return this.data.subarray(i * this.size, (i + 1) * this.size);
  }

  /** @param {number} t @param {number} z @param {Uint8Array} labels */
  setFrame(t, z, labels) {
    this.frame(t, z).set(labels);
    this.#count(t * this.grid.n_slices + z);
  }

  /** @param {number} t @param {number} z @param {number} label @returns {number} how many pixels of a frame it has */
  pixels(t, z, label) {
    return this.counts[(t * this.grid.n_slices + z) * N_LABELS + label];
  }

  /** @param {number} t @param {number} label @returns {number} volume of a structure in a phase, in mL */
  volumeMl(t, label) {
    let voxels = 0;
    for (let z = 0; z < this.grid.n_slices; z++) voxels += this.pixels(t, z, label);
    return voxels * this.grid.voxel_volume_ml;
  }

  /** @param {number} label @returns {number[]} volume of a structure in every phase, in mL */
  curveMl(label) {
    return Array.from({ length: this.grid.n_phases }, (_, t) => this.volumeMl(t, label));
  }

  /** @param {number} i */
  #count(i) {
    const counts = this.counts.subarray(i * N_LABELS, (i + 1) * N_LABELS).fill(0);
    for (let p = i * this.size; p < (i + 1) * this.size; p++) counts[this.data[p]]++;
  }
}

/**
 * The same numbers as measure_sax in cvai/domain/function.py, under the same names.
 * @param {LabelVolume} labels
 * @param {number} ed
 * @param {number} es
 * @returns {Record<string, number>}
 */
export function measure(labels, ed, es) {
  const left = ventricle("lv", labels.volumeMl(ed, CAVITY), labels.volumeMl(es, CAVITY), labels.grid);
  const right = ventricle("rv", labels.volumeMl(ed, RIGHT), labels.volumeMl(es, RIGHT), labels.grid);
  return { ...left, lv_mass: labels.volumeMl(ed, WALL) * DENSITY_G_PER_ML, ...right };
}

/** @param {string} side @param {number} edv @param {number} esv @param {Grid} grid */
function ventricle(side, edv, esv, grid) {
  /** @type {Record<string, number>} */
  const values = { [`${side}_edv`]: edv, [`${side}_esv`]: esv, [`${side}_sv`]: edv - esv };
  if (edv > 0) values[`${side}_ef`] = (100 * (edv - esv)) / edv;
  if (grid.heart_rate_bpm) values[`${side}_co`] = ((edv - esv) * grid.heart_rate_bpm) / 1000;
  return values;
}

/** @param {Uint8Array} labels @returns {number[]} length, label, length, label, ... */
export function encodeRuns(labels) {
  const runs = [];
  for (let start = 0, i = 1; i <= labels.length; i++) {
    if (i === labels.length || labels[i] !== labels[start]) {
      runs.push(i - start, labels[start]);
      start = i;
    }
  }
  return runs;
}

/** @param {number[]} runs @param {number} size @returns {Uint8Array} */
export function decodeRuns(runs, size) {
  const labels = new Uint8Array(size);
  for (let i = 0, at = 0; i < runs.length; i += 2) {
    labels.fill(runs[i + 1], at, at + runs[i]);
    at += runs[i];
  }
  return labels;
}

/** @param {ArrayBuffer} packed n, n lengths, n labels; see CinePack @param {number} size @returns {Uint8Array} */
export function unpackLabels(packed, size) {
  const n = new DataView(packed).getUint32(0, true);
  const lengths = new Uint32Array(packed, 4, n);
  const values = new Uint8Array(packed, 4 + 4 * n, n);
  const labels = new Uint8Array(size);
  for (let i = 0, at = 0; i < n; i++) {
    labels.fill(values[i], at, at + lengths[i]);
    at += lengths[i];
  }
  return labels;
}
