/** @file What a reader changes: tools on the canvas, every step undoable, and what differs from the model. */

import { belongs, outlinesOf, withChange, withLayer } from "./layers.js";
import { decodeRuns, encodeRuns } from "./labels.js";
import { fill, isClosed, nearest, nearestOutline, pull, withArc } from "./outlines.js";

/** @typedef {import("./outlines.js").Point} Point */
/** @typedef {import("./layers.js").Layer} Layer */
/** @typedef {"look" | "pull" | "draw" | "add" | "erase"} Tool */
/** @typedef {{ed: number, es: number}} Phases */
/** @typedef {[number, number]} Origin phase and slice whose correction was carried on to a frame */
/** @typedef {{t: number, z: number, runs: number[], carried_from?: Origin | null}} FrameEdit */
/** @typedef {{t: number, z: number, before: Uint8Array, after: Uint8Array, from: {before: Origin | null, after: Origin | null}}} Change of a frame */
/** @typedef {Record<string, number>} Scores that a reader gave instead of the proposals, by name of the measurement */
/** @typedef {{frames: Change[]} | {before: Phases[], after: Phases[]} | {scores: true, before: Scores, after: Scores}} Step */

/** Image pixels from a contour within which the hand takes it, and of brush and pull; more in images of more than USUAL pixels. */
const GRIP = 12;
const REACHES = { least: 2, first: 6, most: 40, step: 1.25 };
const USUAL = 256;

export class Editor extends EventTarget {
  /**
   * @param {import("./labels.js").LabelVolume} labels as they stand, changed in place
   * @param {Uint8Array} model labels the model drew, never changed
   * @param {Phases[]} found beats the model found; one of a stack
   */
  constructor(labels, model, found) {
    super();
    this.labels = labels;
    this.model = model;
    this.found = found;
    this.beats = found;
    /** @type {Scores} */
    this.chosen = {};
    /** Counts changes, so that it is known which ones the server has measured. */
    this.revision = 0;
    /** @type {Set<number>} frames that were ever touched */
    this.touched = new Set();
    /** @type {Map<number, Origin>} frames whose correction was carried on to them */
    this.carried = new Map();
    /** @type {Step[]} */
    this.done = [];
    /** @type {Step[]} */
    this.undone = [];
    this.magnified = Math.max(1, Math.max(labels.grid.rows, labels.grid.columns) / USUAL);
    this.reach = REACHES.first * this.magnified;
    /** @type {{t: number, z: number, layer: Layer, tool: Tool, from: Point, base: Uint8Array, outlines: Point[][], path: Point[], swept: Uint8Array} | null} */
    this.drag = null;
  }

  /** @returns {Phases} the first beat */
  get phases() {
    return this.beats[0];
  }

  /**
   * Take up what was changed before, without a step to undo it.
   * @param {{ed: number, es: number, frames: FrameEdit[], chosen?: Scores}} changes
   */
  restore({ ed, es, frames, chosen }) {
    this.chosen = chosen ?? {};
    this.restoreBeats([{ ed, es }], frames);
  }

  /** @param {Phases[]} beats @param {FrameEdit[]} frames as ``restore`` */
  restoreBeats(beats, frames) {
    this.beats = beats;
    for (const { t, z, runs, carried_from } of frames) this.#set(t, z, decodeRuns(runs, this.labels.size), carried_from);
    this.#changed();
  }

  /** @returns {{ed: number, es: number, frames: FrameEdit[], chosen?: Scores}} everything that differs from the model */
  get changes() {
    const { phases, frames, chosen } = this;
    return Object.keys(chosen).length ? { ...phases, frames, chosen } : { ...phases, frames };
  }

  /** @returns {FrameEdit[]} frames that differ from the model's */
  get frames() {
    const { n_slices } = this.labels.grid;
    const frames = [...this.touched].sort((a, b) => a - b).map((key) => {
      const t = Math.floor(key / n_slices), z = key % n_slices;
      const runs = this.differs(t, z) ? encodeRuns(this.labels.frame(t, z)) : null;
      return runs && { t, z, runs, carried_from: this.carried.get(key) ?? null };
    });
    return frames.filter((frame) => frame !== null);
  }

  /** @param {number} t @param {number} z @returns {boolean} whether a frame differs from the model's */
  differs(t, z) {
    const key = t * this.labels.grid.n_slices + z;
    if (!this.touched.has(key)) return false;
    const at = key * this.labels.size;
    return this.labels.frame(t, z).some((label, i) => label !== this.model[at + i]);
  }

  /** @returns {boolean} whether anything differs from the model */
  get changed() {
    return this.phasesMoved || this.frames.length > 0 || Object.keys(this.chosen).length > 0;
  }

  /** @returns {boolean} whether a beat is another than the model's */
  get phasesMoved() {
    return this.beats.some(({ ed, es }, i) => ed !== this.found[i].ed || es !== this.found[i].es);
  }

  /**
   * The hand goes down on a frame.
   * @param {number} t @param {number} z @param {Layer} layer @param {Tool} tool @param {Point} at
   * @returns {boolean} whether it took hold of something
   */
  begin(t, z, layer, tool, at) {
    if (tool === "look" || !layer.editable) return false;
    const base = this.labels.frame(t, z).slice();
    const outlines = outlinesOf(base, layer, this.labels.grid);
    const hold = nearest(outlines, at);
    if (tool === "pull" && (!hold || hold.distance > GRIP * this.magnified)) return false;
    this.drag = { t, z, layer, tool, from: at, base, outlines, path: [at], swept: new Uint8Array(base.length) };
    if (tool === "add" || tool === "erase") this.move(at);
    return true;
  }

  /** @param {Point} at the hand moves */
  move(at) {
    const drag = this.drag;
    if (!drag) return;
    drag.path.push(at);
    if (drag.tool === "draw") return;
    this.#set(drag.t, drag.z, drag.tool === "pull" ? this.#pulled(drag, at) : this.#brushed(drag));
    this.#changed();
  }

  /** The hand goes up. */
  end() {
    const drag = this.drag;
    this.drag = null;
    if (!drag) return;
    if (drag.tool === "draw" && drag.path.length > 4) this.#set(drag.t, drag.z, this.#drawn(drag));
    this.#remember(drag.t, drag.z, drag.base);
  }

  /** @param {number} t @param {number} z @param {Layer} layer take the contour out of a frame */
  drop(t, z, layer) {
    const own = { ...layer, labels: layer.labels.slice(0, 1) };
    if (layer.editable) this.#replace(t, z, (labels) => withLayer(labels, own, () => false, this.labels.grid.columns));
  }

  /** @param {number} t @param {number} z @param {number} from @param {Layer} layer give a frame another phase's contour */
  copy(t, z, from, layer) {
    const source = this.labels.frame(from, z);
    const wanted = (/** @type {number} */ i) => belongs(source[i], layer);
    if (layer.editable) this.#replace(t, z, (labels) => withLayer(labels, layer, wanted, this.labels.grid.columns));
  }

  /** @param {"ed" | "es"} phase of the beat that has the frame or is next to it @param {number} t */
  setPhase(phase, t) {
    const { beats } = this, last = beats.length - 1;
    const at = phase === "ed" ? beats.findIndex(({ es }) => es > t) : beats.findLastIndex(({ ed }) => ed < t);
    const which = at >= 0 ? at : phase === "ed" ? last : 0;
    const after = beats.map((beat, i) => (i === which ? { ...beat, [phase]: t } : beat));
    if (after[which].ed === after[which].es || beats[which][phase] === t) return;
    this.#push({ before: beats, after });
    this.beats = after;
    this.#changed();
  }

  /** @param {Record<string, number | null>} scores by name of the measurement; null for the proposal */
  choose(scores) {
    const before = this.chosen;
    this.hold(scores);
    this.settle(before);
  }

  /** @param {Record<string, number | null>} scores as the hand moves, without a step to undo them */
  hold(scores) {
    const all = Object.entries({ ...this.chosen, ...scores });
    this.chosen = Object.fromEntries(all.flatMap(([name, score]) => (score === null ? [] : [[name, score]])));
    this.#changed();
  }

  /** @param {Scores} before what was chosen before it was held otherwise, which is a step now */
  settle(before) {
    const after = this.chosen;
    if (after === before) return;
    this.#push({ scores: true, before, after });
    this.#changed();
  }

  undo() {
    this.#step(this.done, this.undone, "before");
  }

  redo() {
    this.#step(this.undone, this.done, "after");
  }

  /** @param {number} steps smaller (negative) or larger brush and pull */
  widen(steps) {
    const reach = this.reach * REACHES.step ** steps;
    this.reach = Math.min(REACHES.most * this.magnified, Math.max(REACHES.least, reach));
  }

  /** @param {NonNullable<Editor["drag"]>} drag @param {Point} at */
  #pulled(drag, at) {
    const by = { x: at.x - drag.from.x, y: at.y - drag.from.y };
    const after = drag.outlines.map((outline) => pull(outline, drag.from, by, this.reach));
    return withChange(drag.base, drag.layer, drag.outlines, after, this.labels.grid);
  }

  /** @param {NonNullable<Editor["drag"]>} drag @returns {Uint8Array} a closed stroke is the contour, an open one its nearest arc */
  #drawn({ base, layer, outlines, path }) {
    const { grid } = this.labels;
    if (outlines.length && !isClosed(path)) {
      const old = nearestOutline(outlines, path);
      return withChange(base, layer, [old], [withArc(old, path)], grid);
    }
    const mask = fill([path], grid.rows, grid.columns);
    return withLayer(base, layer, (i) => mask[i] === 1, grid.columns);
  }

  /** @param {NonNullable<Editor["drag"]>} drag */
  #brushed(drag) {
    const [from, to] = drag.path.slice(-2);
    const steps = Math.ceil(Math.hypot(to.x - from.x, to.y - from.y) / (this.reach / 2)) || 1;
    for (let i = 0; i <= steps; i++) {
      const share = i / steps;
      this.#stamp(drag.swept, { x: from.x + share * (to.x - from.x), y: from.y + share * (to.y - from.y) });
    }
    const add = drag.tool === "add";
    const wanted = (/** @type {number} */ i) => (drag.swept[i] ? add : belongs(drag.base[i], drag.layer));
    return withLayer(drag.base, drag.layer, wanted, this.labels.grid.columns);
  }

  /** @param {Uint8Array} swept @param {Point} at */
  #stamp(swept, at) {
    const { rows, columns } = this.labels.grid;
    const reach = this.reach;
    for (let y = Math.max(0, Math.ceil(at.y - reach)); y <= Math.min(rows - 1, at.y + reach); y++) {
      const half = Math.sqrt(reach * reach - (y - at.y) ** 2);
      for (let x = Math.max(0, Math.ceil(at.x - half)); x <= Math.min(columns - 1, at.x + half); x++) {
        swept[y * columns + x] = 1;
      }
    }
  }

  /** @param {number} t @param {number} z @param {Uint8Array} labels give a frame other labels */
  replace(t, z, labels) {
    this.#replace(t, z, () => labels);
  }

  /** @param {{t: number, z: number, labels: Uint8Array}[]} frames @param {Origin} origin of their correction; one step gives them other labels */
  replaceAll(frames, origin) {
    const changes = frames.map(({ t, z, labels }) => {
      const before = this.labels.frame(t, z).slice(), was = this.originOf(t, z);
      this.#set(t, z, labels, origin);
      return { t, z, before, after: labels, from: { before: was, after: origin } };
    });
    this.#push({ frames: changes });
    this.#changed();
  }

  /** @param {number} t @param {number} z @returns {Origin | null} where its correction was carried from; null for one by hand, or none */
  originOf(t, z) {
    return this.carried.get(t * this.labels.grid.n_slices + z) ?? null;
  }

  /** @param {number} t @param {number} z @param {(labels: Uint8Array) => Uint8Array} change */
  #replace(t, z, change) {
    const before = this.labels.frame(t, z).slice();
    this.#set(t, z, change(before));
    this.#remember(t, z, before);
  }

  /** @param {number} t @param {number} z @param {Uint8Array} before */
  #remember(t, z, before) {
    const after = this.labels.frame(t, z).slice();
    const from = { before: this.originOf(t, z), after: null };
    if (after.some((label, i) => label !== before[i])) {
      this.carried.delete(t * this.labels.grid.n_slices + z);
      this.#push({ frames: [{ t, z, before, after, from }] });
    }
    this.#changed();
  }

  /** @param {Step} step */
  #push(step) {
    this.done.push(step);
    this.undone = [];
  }

  /** @param {Step[]} from @param {Step[]} to @param {"before" | "after"} side */
  #step(from, to, side) {
    const step = from.pop();
    if (!step) return;
    to.push(step);
    if ("frames" in step) {
      for (const change of step.frames) this.#set(change.t, change.z, change[side], change.from[side]);
      this.dispatchEvent(new CustomEvent("went", { detail: step.frames[0] }));
    } else if ("scores" in step) this.chosen = step[side];
    else this.beats = step[side];
    this.#changed();
  }

  /** @param {number} t @param {number} z @param {Uint8Array} labels @param {Origin | null} [origin] undefined to leave it as it is */
  #set(t, z, labels, origin) {
    const key = t * this.labels.grid.n_slices + z;
    this.labels.setFrame(t, z, labels);
    this.touched.add(key);
    if (origin) this.carried.set(key, origin);
    else if (origin === null) this.carried.delete(key);
    this.dispatchEvent(new CustomEvent("frame", { detail: { t, z } }));
  }

  #changed() {
    this.revision++;
    this.dispatchEvent(new Event("change"));
  }
}
