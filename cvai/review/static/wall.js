/** @file The wall by segment: bullseyes that follow the phase that is shown. */

/** @typedef {Record<string, number[] | null>} Curves by their names in result.json */

export class Wall {
  /** @param {HTMLElement} host what the server has drawn of the wall */
  constructor(host) {
    this.host = host;
  }

  /** @param {string} html of the contours as they stand */
  show(html) {
    const { host } = this;
    const open = [...host.querySelectorAll("details")].map((details) => details.open);
    host.innerHTML = html;
    host.querySelectorAll("details").forEach((details, i) => (details.open = open[i] ?? false));
  }

  /** @param {number} t phase that is shown @param {Curves} curves */
  moveTo(t, curves) {
    for (const figure of this.host.querySelectorAll("[data-plays]")) {
      if (figure instanceof HTMLElement) play(figure, t, curves);
    }
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
