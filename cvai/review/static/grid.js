/** @file Every slice at end-diastole and end-systole at once, in the order of the strip; a click goes there. */

import { _ } from "./words.js";

const NAMES = /** @type {const} */ ({ ed: _("end-diastole"), es: _("end-systole") });

/** @typedef {keyof typeof NAMES} Phase */
/** @typedef {{z: number, phase: Phase, button: HTMLElement, canvas: HTMLCanvasElement}} Cell */

export class PhaseGrid {
  /**
   * @param {HTMLElement} host hidden at first
   * @param {import("./side_by_side.js").SideBySide} sides
   * @param {import("./editor.js").Editor} editor
   * @param {number[]} order of the slices
   * @param {(t: number, z: number) => void} go
   */
  constructor(host, sides, editor, order, go) {
    this.host = host;
    this.sides = sides;
    this.editor = editor;
    this.go = go;
    /** @type {Cell[]} */
    this.cells = order.flatMap((z) => /** @type {Phase[]} */ (["ed", "es"]).map((phase) => this.#cell(z, phase)));
    host.replaceChildren(...order.map((z) => this.#column(z)));
    this.toggler = document.getElementById("show-grid");
    this.toggler?.addEventListener("click", () => this.toggle());
    new ResizeObserver(() => this.#fit()).observe(host);
  }

  /** @returns {boolean} */
  get isShown() {
    return !this.host.hidden;
  }

  toggle() {
    this.host.hidden = this.isShown;
    this.toggler?.setAttribute("aria-pressed", String(this.isShown));
    this.#fit();
  }

  /** @param {number} [only] this slice alone */
  show(only) {
    if (!this.isShown) return;
    const { viewer } = this.sides.current;
    for (const { z, phase, button, canvas } of this.cells) {
      if (only !== undefined && z !== only) continue;
      const t = this.editor.phases[phase];
      viewer.thumbnail(canvas, t, z);
      button.setAttribute("aria-current", String(z === viewer.z && t === viewer.t));
      button.classList.toggle("corrected", this.editor.differs(t, z));
    }
  }

  /** @param {number} z @returns {HTMLElement} both phases of a slice, one below the other */
  #column(z) {
    const column = document.createElement("div");
    column.append(...this.cells.filter((cell) => cell.z === z).map(({ button }) => button));
    return column;
  }

  /** @param {number} z @param {Phase} phase @returns {Cell} */
  #cell(z, phase) {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-label", `${_("Slice {number}", { number: z + 1 })}, ${NAMES[phase]}`);
    const canvas = document.createElement("canvas");
    const name = document.createElement("span");
    name.textContent = `${z + 1} ${phase.toUpperCase()}`;
    button.append(canvas, name);
    button.addEventListener("click", () => {
      this.toggle();
      this.go(this.editor.phases[phase], z);
    });
    return { z, phase, button, canvas };
  }

  /** Make the pictures as large as fits. */
  #fit() {
    if (!this.isShown) return;
    const side = largestSide(this.cells.length / 2, this.host.clientWidth, this.host.clientHeight);
    this.host.style.setProperty("--side", `${side}px`);
    for (const { canvas } of this.cells) canvas.width = canvas.height = Math.round(side * (window.devicePixelRatio || 1));
    this.show();
  }
}

const LEAST_SIDE = 64, GAP = 4;

/** @param {number} n columns of two squares @param {number} width @param {number} height @returns {number} of a square, so that all fit */
function largestSide(n, width, height) {
  const sides = Array.from({ length: n }, (_, i) => {
    const across = i + 1, down = Math.ceil(n / across);
    return Math.floor(Math.min(width / across, height / (2 * down))) - 2 * GAP;
  });
  return Math.max(LEAST_SIDE, ...sides);
}
