/** @file The canvas: one frame with its contours, window and level, zoom and place. */

import { greyTable, paint } from "./cine.js";
import { outlinesOf } from "./layers.js";

/** @typedef {import("./outlines.js").Point} Point */
/** @typedef {import("./layers.js").Layer} Layer */
/** @typedef {{cine: import("./cine.js").Cine, frame: (t: number, z: number) => Uint16Array | Uint8Array | null}} Source of frames */

/** Room around the heart when a study is opened, as a multiple of its size. */
const ROOM = 1.8;

export class Viewer {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {Source} pixels
   * @param {import("./labels.js").LabelVolume} labels
   * @param {Layer[]} layers the first one on top, and chosen
   */
  constructor(canvas, pixels, labels, layers) {
    this.canvas = canvas;
    this.pixels = pixels;
    this.labels = labels;
    this.layers = layers;
    this.cine = pixels.cine;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
    this.image = new ImageData(this.cine.columns, this.cine.rows);
    this.sheet = new OffscreenCanvas(this.cine.columns, this.cine.rows);
    this.ink = /** @type {OffscreenCanvasRenderingContext2D} */ (this.sheet.getContext("2d", { alpha: false }));
    /** @type {Map<number, {layer: Layer, path: Path2D}[]>} by frame, the one on top last */
    this.paths = new Map();
    this.showContours = true;
    /** @type {Map<number, Uint8Array>} labels that are not accepted yet, by frame; drawn dashed */
    this.undecided = new Map();
    /** @type {((context: CanvasRenderingContext2D, scale: number) => void) | null} more to be drawn on the image */
    this.over = null;
    this.layer = layers[0];
    this.t = 0;
    this.z = 0;
    /** @type {[number, number]} */
    this.window = this.cine.window;
    this.table = greyTable(this.cine, this.window);
    /** @type {{at: Point, radius: number} | null} */
    this.brush = null;
    /** @type {Point[] | null} */
    this.stroke = null;
    this.zoom = 1;
    this.centre = { x: 0, y: 0 };
    this.widest = { width: 1, height: 1 };
    this.fit();
    new ResizeObserver(() => this.resize()).observe(canvas);
  }

  /** Show the heart with room around it, or all of the image where there is none. */
  fit() {
    const { rows, columns, spacing_x_mm, spacing_y_mm, heart } = this.cine;
    const [top, bottom, left, right] = heart ?? [0, rows - 1, 0, columns - 1];
    this.centre = { x: (left + right) / 2, y: (top + bottom) / 2 };
    const room = heart ? ROOM : 1;
    const height = Math.min(room * (bottom - top + 1), rows) * spacing_y_mm;
    const width = Math.min(room * (right - left + 1), columns) * spacing_x_mm;
    this.widest = { width, height };
    this.zoom = 1;
  }

  /** @returns {{x: number, y: number}} canvas pixels an image pixel takes */
  get scale() {
    const mm = this.zoom * Math.min(this.canvas.width / this.widest.width, this.canvas.height / this.widest.height);
    return { x: mm * this.cine.spacing_x_mm, y: mm * this.cine.spacing_y_mm };
  }

  resize() {
    const ratio = window.devicePixelRatio || 1;
    const box = this.canvas.getBoundingClientRect();
    this.canvas.width = Math.max(1, Math.round(box.width * ratio));
    this.canvas.height = Math.max(1, Math.round(box.height * ratio));
    this.draw();
  }

  /** @param {[number, number]} limits lowest and highest intensity shown */
  setWindow(limits) {
    this.window = limits;
    this.table = greyTable(this.cine, limits);
    this.draw();
  }

  /** @param {MouseEvent} event @returns {Point} where on the image, in pixels */
  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const ratio = this.canvas.width / box.width;
    const { x, y } = this.scale;
    return {
      x: ((event.clientX - box.left) * ratio - this.canvas.width / 2) / x + this.centre.x,
      y: ((event.clientY - box.top) * ratio - this.canvas.height / 2) / y + this.centre.y,
    };
  }

  /** @param {[number, number]} place in CSS pixels of the canvas @returns {Point} where on the image, in pixels */
  imageOf([left, top]) {
    const box = this.canvas.getBoundingClientRect();
    return this.at(new MouseEvent("move", { clientX: box.left + left, clientY: box.top + top }));
  }

  /** @param {[number, number]} at x and y on the image, in pixels @returns {[number, number]} in CSS pixels of the canvas */
  placeOf([x, y]) {
    const ratio = this.canvas.width / this.canvas.getBoundingClientRect().width, { scale, centre, canvas } = this;
    return [((x - centre.x) * scale.x + canvas.width / 2) / ratio, ((y - centre.y) * scale.y + canvas.height / 2) / ratio];
  }

  /** @param {number} t @param {number} z the contours of this frame have changed */
  forget(t, z) {
    this.paths.delete(this.#keyOf(t, z));
  }

  /** @param {number} t @param {number} z @param {Uint8Array} labels that are not accepted yet */
  setUndecided(t, z, labels) {
    this.undecided.set(this.#keyOf(t, z), labels);
    this.forget(t, z);
  }

  leaveUndecided() {
    for (const key of this.undecided.keys()) this.paths.delete(key);
    this.undecided.clear();
  }

  /** @param {number} t @param {number} z @returns {Uint8Array | undefined} labels of a frame that are not accepted yet */
  undecidedAt(t, z) {
    return this.undecided.get(this.#keyOf(t, z));
  }

  /** @param {number} t @param {number} z @returns {number} */
  #keyOf(t, z) {
    return t * this.cine.n_slices + z;
  }

  draw() {
    const { context, canvas } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, canvas.width, canvas.height);
    const frame = this.pixels.frame(this.t, this.z);
    if (!frame) return;
    paint(frame, this.table, this.image);
    this.ink.putImageData(this.image, 0, 0);
    const { x, y } = this.scale;
    const left = canvas.width / 2 - this.centre.x * x, top = canvas.height / 2 - this.centre.y * y;
    context.imageSmoothingEnabled = true;
    context.drawImage(this.sheet, left - x / 2, top - y / 2, this.cine.columns * x, this.cine.rows * y);
    context.setTransform(x, 0, 0, y, left, top);
    if (this.showContours) this.#drawContours(x);
    this.over?.(context, x);
    this.#drawHand(x);
  }

  /** @param {number} scale */
  #drawContours(scale) {
    const ratio = window.devicePixelRatio || 1;
    this.context.setLineDash(this.undecidedAt(this.t, this.z) ? [6, 4].map((length) => (length * ratio) / scale) : []);
    for (const { layer, path } of this.#pathsOf(this.t, this.z)) {
      this.context.lineWidth = ((layer === this.layer ? 2.4 : 1.5) * ratio) / scale;
      this.context.strokeStyle = layer.colour;
      this.context.stroke(path);
    }
    this.context.setLineDash([]);
  }

  /** @param {number} scale */
  #drawHand(scale) {
    this.context.lineWidth = 1.5 / scale;
    this.context.strokeStyle = "#fff";
    if (this.brush) {
      this.context.beginPath();
      this.context.arc(this.brush.at.x, this.brush.at.y, this.brush.radius, 0, 2 * Math.PI);
      this.context.stroke();
    }
    if (this.stroke && this.stroke.length > 1) {
      this.context.strokeStyle = this.layer.colour;
      this.context.stroke(pathOf([this.stroke], false));
    }
  }

  /** @param {number} t @param {number} z @returns {{layer: Layer, path: Path2D}[]} */
  #pathsOf(t, z) {
    const key = this.#keyOf(t, z);
    let paths = this.paths.get(key);
    if (!paths) {
      const frame = this.undecidedAt(t, z) ?? this.labels.frame(t, z);
      paths = this.layers.map((layer) => ({ layer, path: pathOf(outlinesOf(frame, layer, this.cine)) })).reverse();
      this.paths.set(key, paths);
    }
    return paths;
  }

  /**
   * A small picture of a slice, for the strip.
   * @param {HTMLCanvasElement} canvas @param {number} t @param {number} z
   */
  thumbnail(canvas, t, z) {
    const frame = this.pixels.frame(t, z);
    const context = canvas.getContext("2d", { alpha: false });
    if (!frame || !context) return;
    paint(frame, this.table, this.image);
    this.ink.putImageData(this.image, 0, 0);
    const mm = Math.min(canvas.width / this.widest.width, canvas.height / this.widest.height) * 1.25;
    const x = mm * this.cine.spacing_x_mm, y = mm * this.cine.spacing_y_mm;
    const [, , left, right] = this.cine.heart ?? [0, 0, 0, this.cine.columns - 1];
    const [top, bottom] = this.cine.heart ?? [0, this.cine.rows - 1];
    context.setTransform(x, 0, 0, y, canvas.width / 2 - ((left + right) / 2) * x, canvas.height / 2 - ((top + bottom) / 2) * y);
    context.drawImage(this.sheet, -0.5, -0.5);
    if (!this.showContours) return;
    for (const { layer, path } of this.#pathsOf(t, z)) {
      context.lineWidth = 1.4 / x;
      context.strokeStyle = layer.colour;
      context.stroke(path);
    }
  }
}

/** @param {Point[][]} outlines @param {boolean} [closed] @returns {Path2D} */
function pathOf(outlines, closed = true) {
  const path = new Path2D();
  for (const outline of outlines) {
    outline.forEach((p, i) => (i ? path.lineTo(p.x, p.y) : path.moveTo(p.x, p.y)));
    if (closed) path.closePath();
  }
  return path;
}
