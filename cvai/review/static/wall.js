/** @file The wall by segment: scores that a reader gives, and bullseyes that follow the phase that is shown. */

/** @typedef {Record<string, number[] | null>} Curves by their names in result.json */

export class Wall {
  /**
   * @param {HTMLElement} host what the server has drawn of the wall
   * @param {import("./editor.js").Editor} editor
   * @param {boolean} mayChange
   */
  constructor(host, editor, mayChange) {
    this.host = host;
    this.mayChange = mayChange;
    host.addEventListener("change", ({ target }) => {
      if (!(target instanceof HTMLSelectElement) || !target.dataset.score) return;
      editor.choose(target.dataset.score, target.value === "" ? null : Number(target.value));
    });
    this.#enable();
  }

  /** @param {string} html of the contours and scores as they stand */
  show(html) {
    const { host } = this;
    const focused = document.activeElement instanceof HTMLSelectElement ? document.activeElement.dataset.score : "";
    const open = [...host.querySelectorAll("details")].map((details) => details.open);
    host.innerHTML = html;
    host.querySelectorAll("details").forEach((details, i) => (details.open = open[i] ?? false));
    this.#enable();
    if (focused) /** @type {HTMLElement | null} */ (host.querySelector(`[data-score="${focused}"]`))?.focus();
  }

  /** @param {number} t phase that is shown @param {Curves} curves */
  moveTo(t, curves) {
    for (const figure of this.host.querySelectorAll("[data-plays]")) {
      if (figure instanceof HTMLElement) play(figure, t, curves);
    }
  }

  #enable() {
    this.host.querySelectorAll("select").forEach((select) => (select.disabled = !this.mayChange));
  }
}

/** @param {HTMLElement} figure a bullseye @param {number} t @param {Curves} curves */
function play(figure, t, curves) {
  const scale = (figure.dataset.plays ?? "").split(" ");
  const [low, high, darkFrom] = [figure.dataset.low, figure.dataset.high, figure.dataset.darkFrom].map(Number);
  let known = false;
  for (const segment of figure.querySelectorAll("[data-curve]")) {
    const value = curves[segment.getAttribute("data-curve") ?? ""]?.[t];
    if (value === undefined) continue;
    known = true;
    const share = Math.min(1, Math.max(0, (value - low) / (high - low)));
    segment.querySelector("path")?.setAttribute("fill", scale[Math.round(share * (scale.length - 1))]);
    const number = segment.querySelector("text");
    if (!number) continue;
    number.textContent = String(Math.round(value));
    number.setAttribute("class", share > darkFrom ? "on-dark" : "on-light");
  }
  figure.hidden = !known;
}
