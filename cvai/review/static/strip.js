/** @file All slices of the phase shown, in the order the analysis gives; a click goes there. */

import { _ } from "./words.js";

const SIDE = 72;

export class Strip {
  /**
   * @param {HTMLElement} host
   * @param {import("./side_by_side.js").SideBySide} sides
   * @param {import("./editor.js").Editor} editor
   * @param {(z: number) => void} go
   */
  constructor(host, sides, editor, go) {
    this.sides = sides;
    this.editor = editor;
    const { n_slices, last_slice_first } = this.viewer.cine;
    this.order = Array.from({ length: n_slices }, (_, i) => (last_slice_first ? n_slices - 1 - i : i));
    /** @type {Map<number, {cell: HTMLElement, canvas: HTMLCanvasElement}>} */
    this.cells = new Map();
    host.replaceChildren(...this.order.map((z) => this.#cell(z, go)));
  }

  /** @returns {import("./viewer.js").Viewer} whose phase is shown */
  get viewer() {
    return this.sides.current.viewer;
  }

  /** @param {number} z @param {(z: number) => void} go */
  #cell(z, go) {
    const cell = document.createElement("button");
    cell.type = "button";
    cell.tabIndex = -1;
    cell.setAttribute("role", "option");
    cell.setAttribute("aria-label", _("Slice {number}", { number: z + 1 }));
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = SIDE * (window.devicePixelRatio || 1);
    const name = document.createElement("span");
    name.textContent = String(z + 1);
    cell.append(canvas, name);
    cell.addEventListener("click", () => go(z));
    this.cells.set(z, { cell, canvas });
    return cell;
  }

  /** @param {number} [only] this slice alone */
  show(only) {
    const { viewer } = this;
    for (const [z, { cell, canvas }] of this.cells) {
      if (only !== undefined && z !== only) continue;
      viewer.thumbnail(canvas, viewer.t, z);
      const here = z === viewer.z;
      cell.setAttribute("aria-selected", String(here));
      cell.classList.toggle("corrected", this.#corrected(z));
      if (here && only === undefined) cell.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  }

  /** @param {number} z @returns {boolean} whether any phase of the slice was corrected */
  #corrected(z) {
    const { n_phases } = this.viewer.cine;
    for (let t = 0; t < n_phases; t++) if (this.editor.differs(t, z)) return true;
    return false;
  }

  /** @param {number} z @param {number} by slices further on @returns {number} */
  beside(z, by) {
    const at = this.order.indexOf(z) + by;
    return this.order[Math.min(this.order.length - 1, Math.max(0, at))];
  }
}

