/** @file Window, level, zoom and place of an image, by mouse, pen, touch and keyboard. */

/** @typedef {import("./viewer.js").Viewer} Viewer */
/** @typedef {import("./outlines.js").Point} Point */

const NEAREST = 12, FARTHEST = 0.5;

export class Look {
  /** @param {Viewer} viewer @param {() => void} changed told after every change */
  constructor(viewer, changed) {
    this.viewer = viewer;
    this.changed = changed;
    /** @type {Map<number, Point>} where every button or finger is that is down */
    this.down = new Map();
    /** @type {{window: [number, number], centre: Point, zoom: number, middle: Point, apart: number, moving: boolean} | null} */
    this.from = null;
  }

  /** @param {PointerEvent} event */
  begin(event) {
    this.down.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.#start(event.button !== 0 || event.shiftKey);
  }

  /** @param {PointerEvent} event one button changes the window or the place, two fingers zoom and place */
  move(event) {
    if (!this.from || !this.down.has(event.pointerId)) return;
    this.down.set(event.pointerId, { x: event.clientX, y: event.clientY });
    const now = this.#middle();
    const by = { x: now.x - this.from.middle.x, y: now.y - this.from.middle.y };
    if (this.down.size > 1) this.#zoomTo(this.from.zoom * (this.#apart() / this.from.apart));
    if (this.from.moving || this.down.size > 1) this.#place(by);
    else this.#window(by);
    this.changed();
  }

  /** @param {PointerEvent} event */
  end(event) {
    this.down.delete(event.pointerId);
    this.from = null;
    if (this.down.size) this.#start(true);
  }

  /** @param {number} factor */
  zoomBy(factor) {
    this.#zoomTo(this.viewer.zoom * factor);
    this.viewer.draw();
    this.changed();
  }

  /** As the study was opened. */
  reset() {
    this.viewer.fit();
    this.viewer.setWindow(this.viewer.cine.window);
    this.changed();
  }

  /** @param {boolean} moving */
  #start(moving) {
    const { window, centre, zoom } = this.viewer;
    this.from = { window, centre, zoom, middle: this.#middle(), apart: this.#apart(), moving };
  }

  /** @returns {Point} */
  #middle() {
    const points = [...this.down.values()];
    const mean = (/** @type {"x" | "y"} */ axis) => points.reduce((sum, p) => sum + p[axis], 0) / points.length;
    return { x: mean("x"), y: mean("y") };
  }

  /** @returns {number} between the first two fingers */
  #apart() {
    const [a, b] = [...this.down.values()];
    return b ? Math.max(1, Math.hypot(a.x - b.x, a.y - b.y)) : 1;
  }

  /** @param {number} zoom */
  #zoomTo(zoom) {
    this.viewer.zoom = Math.min(NEAREST, Math.max(FARTHEST, zoom));
  }

  /** @param {Point} by */
  #place(by) {
    const { viewer, from } = this;
    if (!from) return;
    const ratio = window.devicePixelRatio || 1;
    viewer.centre = { x: from.centre.x - (by.x * ratio) / viewer.scale.x, y: from.centre.y - (by.y * ratio) / viewer.scale.y };
    viewer.draw();
  }

  /** @param {Point} by */
  #window(by) {
    if (!this.from) return;
    const [low, high] = this.from.window;
    const width = Math.max((high - low) * Math.exp(by.x / 250), 1e-3);
    const level = (low + high) / 2 + (by.y * (high - low)) / 300;
    this.viewer.setWindow([level - width / 2, level + width / 2]);
  }
}
