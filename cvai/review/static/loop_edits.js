/** @file What a reader changes on several loops, as one: a draft, a decision, the numbers. */

/** @typedef {import("./loops.js").LoopView} LoopView */
/** @typedef {import("./editor.js").Phases} Phases */
/** @typedef {import("./editor.js").FrameEdit & {view: string}} LoopEdit */
/** @typedef {{beats: Record<string, Phases[]>, frames: LoopEdit[]}} LoopChanges */

/** Tells of every change of any view. */
export class LoopEdits extends EventTarget {
  /** @param {LoopView[]} views */
  constructor(views) {
    super();
    this.views = views;
    for (const { editor } of views) editor.addEventListener("change", () => this.dispatchEvent(new Event("change")));
  }

  /** @returns {number} counts changes */
  get revision() {
    return this.views.reduce((sum, { editor }) => sum + editor.revision, 0);
  }

  /** @returns {boolean} whether anything differs from the model */
  get changed() {
    return this.views.some(({ editor }) => editor.changed);
  }

  /** @returns {boolean} whether a beat is another than the model's */
  get phasesMoved() {
    return this.views.some(({ editor }) => editor.phasesMoved);
  }

  /** @returns {Phases & LoopChanges} all beats, and the frames that differ from the model's */
  get changes() {
    return {
      ...this.views[0].editor.phases,
      beats: Object.fromEntries(this.views.map(({ cine, editor }) => [cine.view, editor.beats])),
      frames: this.views.flatMap(({ cine: { view }, editor }) => editor.frames.map((frame) => ({ ...frame, view }))),
    };
  }

  /** @param {LoopChanges} changes take up what was changed before */
  restore({ beats, frames }) {
    for (const { cine, editor } of this.views) {
      editor.restoreBeats(beats[cine.view] ?? editor.beats, frames.filter(({ view }) => view === cine.view));
    }
  }
}
