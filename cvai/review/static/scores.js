/** @file Scores that a reader gives instead of what was measured. */

export class Scores {
  /**
   * @param {HTMLElement} host what the server lists of them
   * @param {{choose: (scores: Record<string, number | null>) => void}} edits
   * @param {boolean} mayChange
   */
  constructor(host, edits, mayChange) {
    this.host = host;
    this.mayChange = mayChange;
    host.addEventListener("change", ({ target }) => {
      if (!(target instanceof HTMLSelectElement) || !target.dataset.score) return;
      edits.choose({ [target.dataset.score]: target.value === "" ? null : Number(target.value) });
    });
    this.#enable();
  }

  /** @param {string} html of the scores as they stand */
  show(html) {
    const focused = document.activeElement instanceof HTMLSelectElement ? document.activeElement.dataset.score : "";
    this.host.innerHTML = html;
    this.#enable();
    if (focused) /** @type {HTMLElement | null} */ (this.host.querySelector(`[data-score="${focused}"]`))?.focus();
  }

  #enable() {
    this.host.querySelectorAll("select, button").forEach((control) => control.toggleAttribute("disabled", !this.mayChange));
  }
}

/** @param {{choose: (scores: Record<string, number | null>) => void}} edits @param {boolean} mayChange @returns {Scores | null} of the page, where it lists any */
export function scoresOf(edits, mayChange) {
  const host = document.getElementById("scores-shown");
  return host && new Scores(host, edits, mayChange);
}
