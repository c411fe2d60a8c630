/** @file What a reader changes on several loops, as one: a draft, a decision, the numbers. */

import { encodeRuns } from "./labels.js";

/** @typedef {import("./loops.js").LoopView} LoopView */
/** @typedef {import("./editor.js").Phases} Phases */
/** @typedef {import("./editor.js").FrameEdit & {view: string}} LoopEdit */
/** @typedef {import("./editor.js").Scores} Scores */
/** @typedef {{beats: Record<string, Phases[]>, frames: LoopEdit[], chosen?: Scores}} LoopChanges */

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
    const { phases, chosen } = this.first;
    return {
      ...phases,
      ...(Object.keys(chosen).length ? { chosen } : {}),
      beats: Object.fromEntries(this.views.map(({ cine, editor }) => [cine.view, editor.beats])),
      frames: this.views.flatMap(({ cine: { view }, editor }) => editor.frames.map((frame) => ({ ...frame, view }))),
    };
  }

  /** @returns {import("./editor.js").Editor} which keeps the scores of all loops */
  get first() {
    return this.views[0].editor;
  }

  /** @returns {Scores} that a reader has given */
  get chosen() {
    return this.first.chosen;
  }

  /** @param {Record<string, number | null>} scores see ``Editor.choose`` */
  choose(scores) {
    this.first.choose(scores);
  }

  /** @param {Record<string, number | null>} scores see ``Editor.hold`` */
  hold(scores) {
    this.first.hold(scores);
  }

  /** @param {Scores} before see ``Editor.settle`` */
  settle(before) {
    this.first.settle(before);
  }

  /** @returns {Phases & LoopChanges} all beats, and the frames that a preview of these contours needs */
  get sketch() {
    const frames = this.views.flatMap(({ cine: { view }, editor, outdated }) => {
      const measured = new Set(editor.beats.flatMap(({ ed, es }) => [ed, es]));
      const needed = [...editor.touched].filter((t) => outdated.has(t) || measured.has(t));
      return needed.map((t) => ({ t, z: 0, runs: encodeRuns(editor.labels.frame(t, 0)), view }));
    });
    return { ...this.changes, frames };
  }

  /** @param {LoopChanges} changes take up what was changed before */
  restore({ beats, frames, chosen }) {
    this.first.chosen = chosen ?? {};
    for (const { cine, editor } of this.views) {
      editor.restoreBeats(beats[cine.view] ?? editor.beats, frames.filter(({ view }) => view === cine.view));
    }
  }
}
