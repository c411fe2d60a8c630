/** @file Cines of planes that cut through the stack: its slices drawn on them as lines, its contours as points. */

import { getBytes } from "./api.js";
import { outlinesOf } from "./layers.js";
import { Look } from "./look.js";
import { LabelVolume } from "./labels.js";
import { Viewer } from "./viewer.js";
import { _ } from "./words.js";

/** @typedef {import("./outlines.js").Point} Point */
/** @typedef {{distance_mm: number[], to_pixel: number[][]}} Meeting where a slice meets the plane, see Crossing in cvai/domain/crossing.py */
/** @typedef {import("./cine.js").Cine & {title: string, phases: number[], slices: Meeting[]}} CrossingCine see cvai/review/viewers/crossings.py */

/** Pixels of the screen that a pointer may move in a click. */
const CLICK = 4;

/** @param {Meeting} meeting @param {Point} p @returns {number} distance of a pixel of the slice from the plane, in mm */
function distance({ distance_mm: [dx, dy, d] }, { x, y }) {
  return dx * x + dy * y + d;
}

/** @param {Meeting} meeting @param {Point} p @returns {Point} pixel of the plane */
function placed({ to_pixel: [[xx, xy, x0], [yx, yy, y0]] }, { x, y }) {
  return { x: xx * x + xy * y + x0, y: yx * x + yy * y + y0 };
}

/** @param {Meeting} meeting @param {Point[]} outline closed @returns {Point[]} where it goes through the plane, as pixels of the plane */
export function crossings(meeting, outline) {
  return outline.flatMap((a, i) => {
    const b = outline[(i + 1) % outline.length];
    const from = distance(meeting, a), to = distance(meeting, b);
    if (from < 0 === to < 0) return [];
    const share = from / (from - to);
    return [placed(meeting, { x: a.x + share * (b.x - a.x), y: a.y + share * (b.y - a.y) })];
  });
}

/** All of them beside a stack. */
export class Crossings {
  /**
   * @param {HTMLElement} host hidden at first
   * @param {HTMLElement | null} toggler button that shows and hides them, hidden where there are none
   * @param {string} base address of the study's API
   * @param {CrossingCine[]} cines
   * @param {import("./side_by_side.js").SideBySide} sides
   * @param {import("./editor.js").Editor} editor
   * @param {(z: number) => void} go show a slice
   */
  constructor(host, toggler, base, cines, sides, editor, go) {
    this.host = host;
    this.toggler = toggler;
    this.base = base;
    this.sides = sides;
    this.outlines = new Outlines(editor, sides.current.viewer.layers);
    this.planes = cines.map((cine) => new Plane(cine, this.outlines, () => sides.current.viewer, go));
    host.replaceChildren(...this.planes.map(({ stage }) => stage));
    if (toggler) toggler.hidden = !cines.length;
    toggler?.addEventListener("click", () => this.toggle());
    if (cines.length) this.toggle();
  }

  toggle() {
    if (!this.planes.length) return;
    this.host.hidden = !this.host.hidden;
    this.toggler?.setAttribute("aria-pressed", String(!this.host.hidden));
    this.draw();
  }

  draw() {
    if (!this.host.hidden) for (const plane of this.planes) plane.draw();
  }

  /** Fetch the frames of all, one after the other. */
  async load() {
    for (const [i, plane] of this.planes.entries()) {
      plane.frames = new Uint16Array(await getBytes(`${this.base}/crossings/${i}`));
      this.draw();
    }
  }
}

/** Outlines of every layer of a frame, kept until the frame changes. */
class Outlines {
  /** @param {import("./editor.js").Editor} editor @param {import("./layers.js").Layer[]} layers */
  constructor(editor, layers) {
    this.labels = editor.labels;
    this.layers = layers;
    /** @type {Map<string, {layer: import("./layers.js").Layer, outlines: Point[][]}[]>} */
    this.known = new Map();
    editor.addEventListener("frame", (event) => {
      const { t, z } = /** @type {CustomEvent} */ (event).detail;
      this.known.delete(`${t} ${z}`);
    });
  }

  /** @param {number} t @param {number} z @param {Uint8Array | undefined} undecided drawn in the place of what its frame has */
  of(t, z, undecided) {
    if (undecided) return this.#traced(undecided);
    let found = this.known.get(`${t} ${z}`);
    if (!found) {
      found = this.#traced(this.labels.frame(t, z));
      this.known.set(`${t} ${z}`, found);
    }
    return found;
  }

  /** @param {Uint8Array} frame */
  #traced(frame) {
    return this.layers.map((layer) => ({ layer, outlines: outlinesOf(frame, layer, this.labels.grid) }));
  }
}

/** One cine on a canvas of its own. */
class Plane {
  /**
   * @param {CrossingCine} cine @param {Outlines} outlines @param {() => Viewer} shown image of the stack
   * @param {(z: number) => void} go
   */
  constructor(cine, outlines, shown, go) {
    this.cine = cine;
    this.outlines = outlines;
    this.shown = shown;
    this.go = go;
    /** @type {Uint16Array | null} */
    this.frames = null;
    this.stage = document.createElement("div");
    this.stage.className = "stage";
    const canvas = document.createElement("canvas");
    canvas.tabIndex = -1;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", _("{title}, with the slices of the stack as lines. A click goes to a slice.", { title: cine.title }));
    const title = document.createElement("div");
    title.className = "corner top-left";
    title.textContent = cine.title;
    this.stage.append(canvas, title);
    const grid = { ...cine, n_slices: 1, heart: this.#heart() };
    const frame = (/** @type {number} */ t) => this.frames?.subarray(t * cine.rows * cine.columns, (t + 1) * cine.rows * cine.columns) ?? null;
    const empty = new LabelVolume(new Uint8Array(cine.n_phases * cine.rows * cine.columns), grid);
    this.viewer = new Viewer(canvas, { cine: grid, frame }, empty, []);
    this.viewer.over = (context, scale) => this.#drawStack(context, scale);
    this.#listen(canvas);
  }

  draw() {
    this.viewer.t = this.cine.phases[this.shown().t];
    this.viewer.draw();
  }

  /** @returns {number[] | null} first and last row and column of what the contours of the phase shown take; null without any */
  #heart() {
    const { t } = this.shown();
    const points = this.cine.slices.flatMap((_, z) => this.#pointsOf(t, z).flatMap(({ points }) => points));
    if (!points.length) return null;
    const xs = points.map(({ x }) => x), ys = points.map(({ y }) => y);
    return [Math.min(...ys), Math.max(...ys), Math.min(...xs), Math.max(...xs)];
  }

  /** @param {number} t @param {number} z */
  #pointsOf(t, z) {
    const meeting = this.cine.slices[z];
    return this.outlines.of(t, z, this.shown().undecidedAt(t, z)).map(({ layer, outlines }) => ({
      layer,
      points: outlines.flatMap((outline) => crossings(meeting, outline)),
    }));
  }

  /** @param {number} z @returns {Point[]} both ends of a slice */
  #lineOf(z) {
    const { rows, columns } = this.shown().cine;
    const last = { x: columns - 1, y: rows - 1 };
    return crossings(this.cine.slices[z], [{ x: 0, y: 0 }, { x: last.x, y: 0 }, last, { x: 0, y: last.y }]);
  }

  /** @param {CanvasRenderingContext2D} context @param {number} scale */
  #drawStack(context, scale) {
    const { t, z, showContours } = this.shown();
    const ratio = window.devicePixelRatio || 1;
    this.cine.slices.forEach((_, other) => {
      const [from, to] = this.#lineOf(other);
      if (!from || !to) return;
      context.lineWidth = ((other === z ? 1.6 : 1) * ratio) / scale;
      context.strokeStyle = other === z ? "#fff" : "rgb(255 255 255 / .28)";
      context.beginPath();
      context.moveTo(from.x, from.y);
      context.lineTo(to.x, to.y);
      context.stroke();
    });
    if (!showContours) return;
    this.cine.slices.forEach((_, other) => {
      const radius = ((other === z ? 3.6 : 1.8) * ratio) / scale;
      for (const { layer, points } of this.#pointsOf(t, other)) {
        context.fillStyle = layer.colour;
        for (const { x, y } of points) {
          context.beginPath();
          context.arc(x, y, radius, 0, 2 * Math.PI);
          context.fill();
        }
      }
    });
  }

  /** @param {HTMLCanvasElement} canvas */
  #listen(canvas) {
    const look = new Look(this.viewer, () => {});
    /** @type {Point | null} */
    let from = null;
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      from = { x: event.clientX, y: event.clientY };
      look.begin(event);
    });
    canvas.addEventListener("pointermove", (event) => look.move(event));
    canvas.addEventListener("pointerup", (event) => {
      look.end(event);
      if (from && Math.hypot(event.clientX - from.x, event.clientY - from.y) <= CLICK) this.go(this.#nearestSlice(this.viewer.at(event)));
      from = null;
    });
    canvas.addEventListener("pointercancel", (event) => look.end(event));
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      look.zoomBy(Math.exp(-event.deltaY / 400));
    }, { passive: false });
  }

  /** @param {Point} at @returns {number} slice whose line is nearest */
  #nearestSlice(at) {
    const away = this.cine.slices.map((_, z) => {
      const [from, to] = this.#lineOf(z);
      if (!from || !to) return Infinity;
      const along = { x: to.x - from.x, y: to.y - from.y };
      return Math.abs(along.x * (at.y - from.y) - along.y * (at.x - from.x)) / Math.hypot(along.x, along.y);
    });
    return away.indexOf(Math.min(...away));
  }
}
