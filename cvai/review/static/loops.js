/** @file Ultrasound loops: frames fetched part by part, contours, and the discs a ventricle was measured by. */

import { getBytes } from "./api.js";
import { CAVITY, LabelVolume, unpackLabels } from "./labels.js";
import { Viewer } from "./viewer.js";

/** @typedef {[number, number]} Place x and y in pixels */
/** @typedef {{axis: Place[], chords: Place[][]}} Discs */
/** @typedef {import("./cine.js").Cine & {view: string, part_frames: number, calibrated: boolean, beats: {ed: number, es: number}[], discs: (Discs | null)[]}} Loop */

const DISC_COLOUR = "#f0e442", AXIS_COLOUR = "#ffffff";

/** Frames of a loop, as far as they have come. */
class Frames {
  /** @param {string} base address of the loop @param {Loop} cine */
  constructor(base, cine) {
    this.base = base;
    this.cine = cine;
    /** @type {(Uint8Array | null)[]} */
    this.parts = new Array(Math.ceil(cine.n_phases / cine.part_frames)).fill(null);
  }

  /** @param {number} t @returns {Uint8Array | null} null while it is on its way */
  frame(t) {
    const { rows, columns, part_frames } = this.cine;
    const at = (t % part_frames) * rows * columns;
    return this.parts[Math.floor(t / part_frames)]?.subarray(at, at + rows * columns) ?? null;
  }

  /** @returns {boolean} whether every frame is there */
  get complete() {
    return !this.parts.includes(null);
  }

  /**
   * Fetch every part, beginning with the one that holds ``first``.
   * @param {number} first
   * @param {() => void} arrived
   */
  async load(first, arrived) {
    const n = this.parts.length, begin = Math.floor(first / this.cine.part_frames);
    for (let i = 0; i < n; i++) {
      const part = (begin + i) % n;
      this.parts[part] = new Uint8Array(await getBytes(`${this.base}/frames/${part}`));
      arrived();
    }
  }
}

/** One loop on its own canvas. */
export class LoopView {
  /** @param {string} base address of the study's API @param {Loop} cine @param {ArrayBuffer} packed its labels */
  constructor(base, cine, packed) {
    this.cine = cine;
    this.frames = new Frames(`${base}/loops/${cine.view}`, cine);
    this.stage = /** @type {HTMLElement} */ (document.querySelector(`[data-view="${cine.view}"]`));
    const canvas = /** @type {HTMLCanvasElement} */ (this.stage.querySelector("canvas"));
    this.labels = new LabelVolume(unpackLabels(packed, cine.n_phases * cine.rows * cine.columns), cine);
    this.viewer = new Viewer(canvas, this.frames, this.labels);
    this.viewer.over = (context, scale) => this.#drawDiscs(context, scale);
    this.showDiscs = true;
  }

  /** @param {string} name @param {string} text of a corner of the image */
  say(name, text) {
    const place = this.stage.querySelector(`[data-corner="${name}"]`);
    if (place) place.textContent = text;
  }

  /** @returns {number[]} area of the left ventricle in every frame, in cm2, or in percent of its largest */
  get areas() {
    const { calibrated, spacing_x_mm, spacing_y_mm, n_phases } = this.cine;
    const pixels = Array.from({ length: n_phases }, (_, t) => this.labels.pixels(t, 0, CAVITY));
    const unit = calibrated ? (spacing_x_mm * spacing_y_mm) / 100 : 100 / Math.max(1, ...pixels);
    return pixels.map((n) => n * unit);
  }

  /** @param {"ed" | "es"} phase @returns {number} its next frame, that of the first beat after the last one */
  next(phase) {
    const frames = this.cine.beats.map((beat) => beat[phase]);
    return frames.find((t) => t > this.viewer.t) ?? frames[0] ?? this.viewer.t;
  }

  /** @returns {string} what the frame shown is, in words */
  get phaseName() {
    const { t } = this.viewer;
    if (this.cine.beats.some(({ ed }) => ed === t)) return " · end-diastole";
    return this.cine.beats.some(({ es }) => es === t) ? " · end-systole" : "";
  }

  /** @param {CanvasRenderingContext2D} context @param {number} scale */
  #drawDiscs(context, scale) {
    const discs = this.cine.discs[this.viewer.t];
    if (!this.showDiscs || !discs) return;
    const ratio = window.devicePixelRatio || 1;
    context.lineWidth = (0.8 * ratio) / scale;
    context.strokeStyle = DISC_COLOUR;
    context.stroke(lines(discs.chords));
    context.lineWidth = (1.3 * ratio) / scale;
    context.strokeStyle = AXIS_COLOUR;
    context.stroke(lines([discs.axis]));
  }
}

/** @param {Place[][]} pairs @returns {Path2D} */
function lines(pairs) {
  const path = new Path2D();
  for (const [from, to] of pairs) {
    path.moveTo(...from);
    path.lineTo(...to);
  }
  return path;
}
