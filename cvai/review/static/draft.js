/** @file Changes kept on the server as they are made, and what other readers do to the same study. */

import { getJson, sendJson } from "./api.js";
import { _ } from "./words.js";

const SAVE_AFTER_MS = 700;
const LOOK_EVERY_MS = 5000;

/**
 * @typedef {object} Changed what a reader has made of an analysis
 * @property {number} revision counts changes
 * @property {boolean} changed whether anything differs from the model
 * @property {boolean} phasesMoved
 * @property {{ed: number, es: number, frames: import("./editor.js").FrameEdit[], chosen?: import("./editor.js").Scores}} changes see ChangesBody in cvai/review/measured.py
 */

export class Draft {
  /**
   * @param {string} base address of the study's API
   * @param {Changed} editor
   * @param {(text: string, wrong?: boolean) => void} say
   * @param {(revision: number) => Promise<void>} saved told after every save, which revision of the editor was saved
   */
  constructor(base, editor, say, saved) {
    this.base = base;
    this.editor = editor;
    this.say = say;
    this.saved = saved;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.waiting = false;
    /** @type {Promise<void>} the save under way, or the last one */
    this.saving = Promise.resolve();
    /** @type {Promise<void>} the same of what is told after it */
    this.telling = Promise.resolve();
    addEventListener("pagehide", () => this.waiting && this.#save(true));
  }

  /** Something has changed: save it soon. */
  touch() {
    this.waiting = true;
    this.say(_("Saving…"));
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#next(), SAVE_AFTER_MS);
  }

  /** Save what waits, now. */
  async flush() {
    clearTimeout(this.timer);
    await this.#next();
    await this.telling;
  }

  /** Save what waits once the save under way has ended: of two at once the older could be kept. */
  #next() {
    this.saving = this.saving.then(() => (this.waiting ? this.#save() : undefined));
    return this.saving;
  }

  /** @param {boolean} [leaving] */
  async #save(leaving = false) {
    this.waiting = false;
    const { revision } = this.editor;
    try {
      const sent = this.editor.changed;
      const { saved } = await sendJson(sent ? "PUT" : "DELETE", `${this.base}/draft`, sent ? this.editor.changes : {}, leaving);
      if (!this.waiting) this.say(saved ? _("Draft saved {time}", { time: saved }) : "");
      if (!leaving) this.telling = this.saved(revision);
    } catch (problem) {
      this.waiting = true;
      this.timer = setTimeout(() => this.#next(), LOOK_EVERY_MS);
      this.say(_("Not saved: {problem}", { problem: problem instanceof Error ? problem.message : String(problem) }), true);
    }
  }
}

/**
 * Ask every few seconds what else happens to the study.
 * @param {string} base
 * @param {(shared: any) => void} tell
 */
export function watch(base, tell) {
  const look = () => getJson(`${base}/shared`).then(tell, () => undefined);
  setInterval(look, LOOK_EVERY_MS);
}

/** @param {{looking: string[], drafting: string[]}} others @returns {string} in words, empty when there is nobody */
export function othersInWords({ looking, drafting }) {
  const both = drafting.filter((name) => looking.includes(name));
  if (both.length) return _("{names} is changing this study right now. Talk to each other: the first to sign decides.", { names: both.join(", ") });
  if (drafting.length) return _("{names} has an unsigned draft of this study.", { names: drafting.join(", ") });
  if (looking.length) return _("{names} is looking at this study too.", { names: looking.join(", ") });
  return "";
}
