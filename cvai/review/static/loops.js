/** @file Loops: frames fetched part by part, contours, and the lines that the analysis draws on them. */

import { getBytes } from "./api.js";
import { Editor } from "./editor.js";
import { LabelVolume, unpackLabels } from "./labels.js";
import { Viewer } from "./viewer.js";
import { _ } from "./words.js";

/** @typedef {[number, number]} Place x and y in pixels */
/** @typedef {Record<string, Place[][]>} Lines by the name of a line of the overlay */
/** @typedef {{title: string, key: string, lines: {name: string, colour: string, width: number}[]}} Overlay */
/** @typedef {import("./cine.js").Cine & {view: string, title: string, part_frames: number, beats: {ed: number, es: number}[], lines: Lines[], courses: Place[][], traces: Record<string, number[]>, chosen_from: [string, string] | null}} Loop */

/** @typedef {{view: string, beats: {ed: number, es: number}[], traces: Record<string, number[]>, lines: Record<number, Lines>}} Redrawn see Redrawn in cvai/analyses/shown.py */

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
  /**
   * @param {string} base address of the study's API
   * @param {Loop} cine
   * @param {ArrayBuffer} packed its labels
   * @param {{layers: import("./layers.js").Layer[], overlay: Overlay | null}} page
   */
  constructor(base, cine, packed, { layers, overlay }) {
    this.cine = cine;
    this.overlay = overlay;
    this.frames = new Frames(`${base}/loops/${cine.view}`, cine);
    this.stage = newStage(cine);
    const canvas = /** @type {HTMLCanvasElement} */ (this.stage.querySelector("canvas"));
    const model = unpackLabels(packed, cine.n_phases * cine.rows * cine.columns);
    this.labels = new LabelVolume(model.slice(), cine);
    this.editor = new Editor(this.labels, model, cine.beats);
    this.traces = cine.traces;
    /** @type {Record<number, Lines>} of frames on which the server has drawn others than on the model's contours */
    this.redrawn = {};
    /** @type {Set<number>} frames whose lines are of contours that are there no more */
    this.outdated = new Set();
    this.editor.addEventListener("frame", (event) => {
      const { t, z } = /** @type {CustomEvent} */ (event).detail;
      this.viewer.forget(t, z);
      this.outdated.add(t);
    });
    this.viewer = new Viewer(canvas, this.frames, this.labels, layers);
    /** @type {((context: CanvasRenderingContext2D, scale: number) => void) | null} marks, on top of all */
    this.mark = null;
    this.viewer.over = (context, scale) => {
      this.#drawOverlay(context, scale);
      this.mark?.(context, scale);
    };
    this.showOverlay = true;
  }

  /** @param {string} name @param {string} text of a corner of the image */
  say(name, text) {
    const place = this.stage.querySelector(`[data-corner="${name}"]`);
    if (place) place.textContent = text;
  }

  /** @param {Redrawn | undefined} measured of the contours as they are; undefined where they are the model's */
  redraw(measured) {
    this.redrawn = measured?.lines ?? {};
    this.traces = measured?.traces ?? this.cine.traces;
    this.outdated.clear();
    this.viewer.draw();
  }

  /** @param {number} t @param {Lines} lines of its contours as they are being drawn */
  sketch(t, lines) {
    this.redrawn[t] = lines;
    this.outdated.delete(t);
    this.viewer.draw();
  }

  /** @param {"ed" | "es"} phase @returns {number} its next frame, that of the first beat after the last one */
  next(phase) {
    const frames = this.editor.beats.map((beat) => beat[phase]);
    return frames.find((t) => t > this.viewer.t) ?? frames[0] ?? this.viewer.t;
  }

  /** @returns {string} what the frame shown is, in words */
  get phaseName() {
    const { t } = this.viewer;
    if (this.editor.beats.some(({ ed }) => ed === t)) return ` · ${_("end-diastole")}`;
    return this.editor.beats.some(({ es }) => es === t) ? ` · ${_("end-systole")}` : "";
  }

  /** @param {CanvasRenderingContext2D} context @param {number} scale */
  #drawOverlay(context, scale) {
    if (!this.showOverlay || !this.overlay) return;
    const { t } = this.viewer;
    if (this.outdated.has(t)) return;
    const ratio = window.devicePixelRatio || 1, drawn = this.redrawn[t] ?? this.cine.lines[t] ?? {};
    for (const { name, colour, width } of this.overlay.lines) {
      context.lineWidth = (width * ratio) / scale;
      context.strokeStyle = colour;
      context.stroke(pathOf(drawn[name] ?? []));
    }
  }
}

/** @param {Loop} loop @returns {HTMLElement} where it is shown, behind those of the loops before it */
function newStage({ view, title }) {
  const template = /** @type {HTMLTemplateElement} */ (document.getElementById("stage-of-a-loop"));
  const made = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
  const stage = /** @type {HTMLElement} */ (made.firstElementChild);
  stage.dataset.view = view;
  const place = /** @type {HTMLElement} */ (stage.querySelector('[data-corner="title"]'));
  place.textContent = title;
  const label = _("{title}: loop with contours. Left and right arrow keys change the frame.", { title });
  stage.querySelector("canvas")?.setAttribute("aria-label", label);
  document.getElementById("loading")?.before(stage);
  return stage;
}

/** @param {Place[][]} lines @returns {Path2D} */
function pathOf(lines) {
  const path = new Path2D();
  for (const line of lines) line.forEach((place, i) => (i ? path.lineTo(...place) : path.moveTo(...place)));
  return path;
}
