/** @file A correction carried on to other phases or slices: a preview that is looked at, accepted or dropped. */

import { sendJson } from "./api.js";
import { decodeRuns } from "./labels.js";
import { rowOf } from "./proposal.js";
import { _ } from "./words.js";

/** @typedef {"phases" | "slices"} Along */
/** @typedef {{t: number, z: number, labels: Uint8Array}} Frame */
/** @typedef {{along: Along, t: number, z: number, frames: Frame[], reach: number}} Preview */

export class Carry {
  /**
   * @param {HTMLElement | null} host where a preview is described; null where nothing is carried on
   * @param {string} base address of the study's API
   * @param {import("./side_by_side.js").SideBySide} sides
   * @param {import("./editor.js").Editor} editor
   * @param {import("./proposal.js").Value[]} numbers shown as they are and as they would be
   * @param {() => Record<string, number>} count numbers of the contours as they are
   * @param {() => void} draw all images
   */
  constructor(host, base, sides, editor, numbers, count, draw) {
    this.host = host;
    this.base = base;
    this.sides = sides;
    this.editor = editor;
    this.numbers = numbers;
    this.count = count;
    this.draw = draw;
    /** @type {Preview | null} */
    this.preview = null;
    /** Counts requests: the answer to an older one is not shown. */
    this.asked = 0;
    if (!host) document.querySelectorAll("[data-carry]").forEach((button) => button.remove());
    for (const button of this.#buttons) button.addEventListener("click", () => this.#pressed(button.dataset.carry ?? ""));
    this.#part("accept")?.addEventListener("click", () => this.accept());
    this.#part("leave")?.addEventListener("click", () => this.withdraw());
    this.#part("fewer")?.addEventListener("click", () => this.#reachBy(-1));
    this.#part("more")?.addEventListener("click", () => this.#reachBy(1));
    editor.addEventListener("change", () => this.withdraw());
  }

  /** @returns {Record<string, () => void>} */
  get keys() {
    const keys = Object.fromEntries(this.#buttons.map(({ dataset }) => [dataset.key ?? "", () => this.#pressed(dataset.carry ?? "")]));
    if (!this.preview) return keys;
    return {
      ...keys,
      Enter: () => this.accept(),
      Escape: () => this.withdraw(),
      "[": () => this.#reachBy(-1),
      "]": () => this.#reachBy(1),
    };
  }

  /** Make the change of all frames, as one step that can be undone. */
  accept() {
    const { preview } = this;
    if (!preview?.frames.length) return;
    this.withdraw();
    this.editor.replaceAll(preview.frames, [preview.t, preview.z]);
  }

  /** Leave everything as it is. */
  withdraw() {
    this.asked++;
    if (!this.preview || !this.host) return;
    this.preview = null;
    this.host.hidden = true;
    this.sides.leaveUndecided();
    this.draw();
  }

  /** @returns {HTMLButtonElement[]} */
  get #buttons() {
    return [...document.querySelectorAll("[data-carry]")].filter((e) => e instanceof HTMLButtonElement);
  }

  /** @param {string} name @returns {HTMLButtonElement} an element of what a preview is described in */
  #part(name) {
    return /** @type {HTMLButtonElement} */ (this.host?.querySelector(`[data-carried="${name}"]`));
  }

  /** @param {string} along a second time drops the preview */
  #pressed(along) {
    if (this.preview?.along === along) return this.withdraw();
    const { t, z } = this.preview ?? this.sides.current.viewer;
    this.#ask(/** @type {Along} */ (along), t, z, null);
  }

  /** @param {number} by further or less far */
  #reachBy(by) {
    if (!this.preview) return;
    const { along, t, z, reach } = this.preview;
    this.#ask(along, t, z, Math.max(1, reach + by));
  }

  /** @param {Along} along @param {number} t @param {number} z @param {number | null} frames how far; null for as far as usual */
  async #ask(along, t, z, frames) {
    this.sides.propose(this);
    const asked = ++this.asked;
    if (this.preview?.along !== along) {
      this.preview = { along, t, z, frames: [], reach: 1 };
      this.#say(_("Moving the contours…"));
    }
    const { changes } = this.editor;
    const answer = await sendJson("POST", `${this.base}/carried`, { changes, t, z, along, frames }).catch((problem) => problem);
    if (asked !== this.asked) return;
    this.preview = { along, t, z, frames: [], reach: frames ?? 1 };
    if (answer instanceof Error) return this.#say(answer.message);
    const { labels } = this.editor;
    const reached = answer.frames.map((/** @type {any} */ frame) => ({ ...frame, labels: decodeRuns(frame.runs, labels.size) }));
    this.preview.reach = this.#furthest(reached);
    this.preview.frames = reached.filter((/** @type {Frame} */ frame) => {
      const now = labels.frame(frame.t, frame.z);
      return frame.labels.some((label, i) => label !== now[i]);
    });
    this.#show();
  }

  /** @param {Frame[]} frames @returns {number} steps to the frame that is furthest from the corrected one */
  #furthest(frames) {
    const { along, t, z } = /** @type {Preview} */ (this.preview);
    const { n_phases } = this.editor.labels.grid;
    const steps = frames.map((frame) => {
      const apart = Math.abs(along === "phases" ? frame.t - t : frame.z - z);
      return along === "phases" ? Math.min(apart, n_phases - apart) : apart;
    });
    return Math.max(1, ...steps);
  }

  #show() {
    const { frames } = /** @type {Preview} */ (this.preview);
    this.sides.setUndecided(frames);
    this.draw();
    const now = this.count(), then = this.editor.labels.with(frames, this.count);
    const shown = this.numbers.filter(({ name, decimals }) => now[name]?.toFixed(decimals) !== then[name]?.toFixed(decimals));
    this.#part("numbers").replaceChildren(...shown.map((value) => rowOf(value, now, then)));
    this.#say(frames.length ? this.#reachInWords() : _("Nothing changes there."));
    this.#part("table").hidden = !shown.length;
  }

  /** @returns {string} */
  #reachInWords() {
    const { along, frames } = /** @type {Preview} */ (this.preview);
    const places = frames.map((frame) => (along === "phases" ? frame.t : frame.z) + 1).sort((a, b) => a - b);
    const numbers = { numbers: places.join(", ") };
    return along === "phases" ? _("Phases {numbers}, drawn dashed.", numbers) : _("Slices {numbers}, drawn dashed.", numbers);
  }

  /** @param {string} text */
  #say(text) {
    const { along, t, z, frames } = /** @type {Preview} */ (this.preview);
    if (!this.host) return;
    const place = { slice: z + 1, phase: t + 1 };
    this.#part("title").textContent = along === "phases"
      ? _("Carry the correction of slice {slice}, phase {phase} on to other phases?", place)
      : _("Carry the correction of slice {slice}, phase {phase} on to other slices?", place);
    this.#part("reach").textContent = text;
    this.#part("table").hidden = true;
    for (const name of ["accept", "fewer", "more"]) this.#part(name).hidden = !frames.length;
    this.host.hidden = false;
  }
}
