/** @file End-diastole and end-systole of one slice side by side: two images of one cine, corrected by one editor. */

/** @typedef {import("./input.js").View & {stage: HTMLElement}} Side an image and the element that holds it */

export class SideBySide {
  /** @param {Side[]} views end-diastole on the first, end-systole on the second; the first one alone is shown at first */
  constructor(views) {
    this.views = views;
    this.current = views[0];
    this.isShown = false;
    /** @type {{withdraw: () => void} | null} a change that is proposed: one at a time */
    this.proposed = null;
  }

  /** @param {{withdraw: () => void}} proposal in the place of what was proposed before */
  propose(proposal) {
    if (this.proposed !== proposal) this.proposed?.withdraw();
    this.proposed = proposal;
  }

  /** @param {{t: number, z: number, labels: Uint8Array}[]} frames drawn dashed in the place of what they have */
  setUndecided(frames) {
    this.leaveUndecided();
    for (const { viewer } of this.views) for (const { t, z, labels } of frames) viewer.setUndecided(t, z, labels);
  }

  leaveUndecided() {
    for (const { viewer } of this.views) viewer.leaveUndecided();
  }

  /** @param {import("./editor.js").Phases} phases @returns {boolean} whether both are shown from now on */
  toggle({ ed, es }) {
    const isSystole = this.current.viewer.t === es;
    this.isShown = !this.isShown;
    const [first, second] = this.views;
    second.stage.hidden = !this.isShown;
    this.current = first;
    if (this.isShown) {
      this.lookLike(first.viewer);
      first.viewer.t = ed;
      second.viewer.t = es;
      if (isSystole) this.current = second;
    }
    this.#mark();
    return this.isShown;
  }

  /** @param {import("./input.js").View} view @returns {boolean} whether another one leads now */
  lead(view) {
    const next = this.views.find(({ viewer }) => viewer === view.viewer);
    if (!next || next === this.current) return false;
    this.current = next;
    this.#mark();
    return true;
  }

  /** @param {"ed" | "es"} phase @returns {Side} where a phase is shown */
  sideOf(phase) {
    return this.isShown ? this.views[phase === "ed" ? 0 : 1] : this.current;
  }

  /** @param {number} z slice of both */
  setSlice(z) {
    for (const { viewer } of this.views) viewer.z = z;
  }

  /** @param {import("./viewer.js").Viewer} viewer give the other one its window, zoom and place */
  lookLike(viewer) {
    if (!this.isShown) return;
    for (const { viewer: other } of this.views) {
      if (other === viewer) continue;
      other.zoom = viewer.zoom;
      other.centre = viewer.centre;
      other.setWindow(viewer.window);
    }
  }

  draw() {
    for (const { viewer, stage } of this.views) if (!stage.hidden) viewer.draw();
  }

  #mark() {
    for (const view of this.views) view.stage.classList.toggle("leading", this.isShown && view === this.current);
  }
}
