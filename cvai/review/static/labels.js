/** @file Labels of a stack or loop, the numbers they give, and their run lengths. */

const N_LABELS = 256;

/** @typedef {{chambers: {prefix: string, label: number}[], masses: {name: string, label: number, g_per_ml: number}[]}} Live see Live in cvai/analyses/page.py */

/**
 * @typedef {object} Grid what the server tells of the images
 * @property {number} n_phases
 * @property {number} n_slices
 * @property {number} rows
 * @property {number} columns
 * @property {number} [voxel_volume_ml] of a stack
 * @property {number} spacing_x_mm
 * @property {number} spacing_y_mm
 * @property {boolean} calibrated whether pixels have a size
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

  /**
   * @template Result
   * @param {{t: number, z: number, labels: Uint8Array}[]} frames @param {() => Result} act
   * @returns {Result} what ``act`` says of all labels with these in some frames, which stay as they are
   */
  with(frames, act) {
    const before = frames.map(({ t, z }) => ({ t, z, labels: this.frame(t, z).slice() }));
    for (const { t, z, labels } of frames) this.setFrame(t, z, labels);
    const result = act();
    for (const { t, z, labels } of before) this.setFrame(t, z, labels);
    return result;
  }

  /** @param {number} t @param {number} z @param {number} label @returns {number} how many pixels of a frame it has */
  pixels(t, z, label) {
    return this.counts[(t * this.grid.n_slices + z) * N_LABELS + label];
  }

  /** @param {number} t @param {number} label @returns {number} how many pixels of all slices of a phase have it */
  voxels(t, label) {
    let voxels = 0;
    for (let z = 0; z < this.grid.n_slices; z++) voxels += this.pixels(t, z, label);
    return voxels;
  }

  /** @param {number} t @param {number} label @returns {number} volume of a structure in a phase, in mL */
  volumeMl(t, label) {
    return this.voxels(t, label) * (this.grid.voxel_volume_ml ?? 0);
  }

  /**
   * @param {number} label @param {"volume" | "area"} quantity @param {boolean} gaps whether a phase without the structure has none
   * @returns {number[]} of a structure in every phase, in the unit of ``unitOf``; NaN where there is none
   */
  curve(label, quantity, gaps) {
    const voxels = Array.from({ length: this.grid.n_phases }, (_, t) => this.voxels(t, label));
    const { calibrated, spacing_x_mm, spacing_y_mm, voxel_volume_ml } = this.grid;
    const cm2 = calibrated ? (spacing_x_mm * spacing_y_mm) / 100 : 100 / Math.max(1, ...voxels);
    const each = quantity === "volume" ? voxel_volume_ml ?? 0 : cm2;
    return voxels.map((n) => (n || !gaps ? n * each : NaN));
  }

  /** @param {number} i */
  #count(i) {
    const counts = this.counts.subarray(i * N_LABELS, (i + 1) * N_LABELS).fill(0);
    for (let p = i * this.size; p < (i + 1) * this.size; p++) counts[this.data[p]]++;
  }
}

/** @param {Grid} grid @param {"volume" | "area"} quantity @returns {string} unit of a curve */
export function unitOf(grid, quantity) {
  if (quantity === "volume") return "mL";
  return grid.calibrated ? "cm²" : "%";
}

/**
 * A preview of what the server measures, under the same names; see measure_sax in cvai/domain.
 * @param {LabelVolume} labels
 * @param {number} ed
 * @param {number} es
 * @param {Live | null} live
 * @returns {Record<string, number>}
 */
export function measure(labels, ed, es, live) {
  /** @type {Record<string, number>} */
  const values = {};
  for (const { prefix, label } of live?.chambers ?? []) {
    Object.assign(values, chamber(prefix, labels.volumeMl(ed, label), labels.volumeMl(es, label), labels.grid));
  }
  for (const { name, label, g_per_ml } of live?.masses ?? []) {
    const ml = labels.volumeMl(ed, label);
    if (ml > 0) values[name] = ml * g_per_ml;
  }
  return values;
}

/** @param {string} prefix @param {number} edv @param {number} esv @param {Grid} grid */
function chamber(prefix, edv, esv, grid) {
  /** @type {Record<string, number>} */
  const values = {};
  if (edv > 0) values[`${prefix}_edv`] = edv;
  if (esv > 0) values[`${prefix}_esv`] = esv;
  if (esv === 0 || edv < esv) return values;
  values[`${prefix}_sv`] = edv - esv;
  values[`${prefix}_ef`] = (100 * (edv - esv)) / edv;
  if (grid.heart_rate_bpm) values[`${prefix}_co`] = ((edv - esv) * grid.heart_rate_bpm) / 1000;
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

/**
 * @param {LabelVolume} labels @param {import("./layers.js").Layer} layer @param {number} t
 * @returns {number} slice in the middle of a layer
 */
export function middleSlice(labels, layer, t) {
  const { n_slices } = labels.grid;
  const slices = Array.from({ length: n_slices }, (_, z) => z).filter((z) => labels.pixels(t, z, layer.labels[0]) > 0);
  return slices.length ? slices[Math.floor(slices.length / 2)] : Math.floor(n_slices / 2);
}
