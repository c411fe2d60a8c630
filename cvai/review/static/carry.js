/** @file A correction carried on to other phases, frames or slices: a preview that is looked at, accepted or dropped. */

import { sendJson } from "./api.js";
import { decodeRuns } from "./labels.js";
import { rowOf } from "./proposal.js";
import { _ } from "./words.js";

/** @typedef {"phases" | "slices"} Along */
/** @typedef {{t: number, z: number, labels: Uint8Array}} Frame */
/** @typedef {import("./input.js").View} View */
/** @typedef {{along: Along, of: View, t: number, z: number, frames: Frame[], reach: number}} Preview */
/** @typedef {Record<string, number>} Values */
/**
 * @typedef {object} Images of a stack, or the loops
 * @property {View} current
 * @property {(proposal: {withdraw: () => void}) => void} propose
 * @property {(frames: Frame[]) => void} setUndecided
 * @property {() => void} leaveUndecided
 */

export class Carry {
  /**
   * @param {HTMLElement | null} host where a preview is described; null where nothing is carried on
   * @param {string} base address of the study's API
   * @param {Images} images
   * @param {EventTarget & import("./draft.js").Changed} edits of all of them
   * @param {() => import("./proposal.js").Value[]} numbers shown as they are and as they would be
   * @param {(frames: Frame[]) => Promise<{now: Values, then: Values}>} measure them, with these frames
   * @param {() => void} draw all images
   */
  constructor(host, base, images, edits, numbers, measure, draw) {
    this.host = host;
    this.base = base;
    this.images = images;
    this.edits = edits;
    this.numbers = numbers;
    this.measure = measure;
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
    edits.addEventListener("change", () => this.withdraw());
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
    preview.of.editor.replaceAll(preview.frames, [preview.t, preview.z]);
  }

  /** Leave everything as it is. */
  withdraw() {
    this.asked++;
    if (!this.preview || !this.host) return;
    this.preview = null;
    this.host.hidden = true;
    this.images.leaveUndecided();
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
    const { t, z } = this.preview ?? this.images.current.viewer;
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
    this.images.propose(this);
    const asked = ++this.asked, of = this.preview?.of ?? this.images.current;
    if (this.preview?.along !== along) {
      this.preview = { along, of, t, z, frames: [], reach: 1 };
      this.#say(_("Moving the contours…"));
    }
    const body = { changes: this.edits.changes, t, z, view: loopOf(of) ?? "", along, frames };
    const answer = await sendJson("POST", `${this.base}/carried`, body).catch((problem) => problem);
    if (asked !== this.asked) return;
    this.preview = { along, of, t, z, frames: [], reach: frames ?? 1 };
    if (answer instanceof Error) return this.#say(answer.message);
    const { labels } = of.editor;
    const reached = answer.frames.map((/** @type {any} */ frame) => ({ ...frame, labels: decodeRuns(frame.runs, labels.size) }));
    this.preview.reach = this.#furthest(reached);
    this.preview.frames = reached.filter((/** @type {Frame} */ frame) => {
      const now = labels.frame(frame.t, frame.z);
      return frame.labels.some((label, i) => label !== now[i]);
    });
    await this.#show(asked);
  }

  /** @param {Frame[]} frames @returns {number} steps to the frame that is furthest from the corrected one */
  #furthest(frames) {
    const { along, of, t, z } = /** @type {Preview} */ (this.preview);
    const { n_phases } = of.viewer.cine;
    const steps = frames.map((frame) => {
      const apart = Math.abs(along === "phases" ? frame.t - t : frame.z - z);
      return along === "phases" && !loopOf(of) ? Math.min(apart, n_phases - apart) : apart;
    });
    return Math.max(1, ...steps);
  }

  /** @param {number} asked which request was answered */
  async #show(asked) {
    const { frames } = /** @type {Preview} */ (this.preview);
    this.images.setUndecided(frames);
    this.draw();
    const { now, then } = await this.measure(frames);
    if (asked !== this.asked) return;
    const shown = this.numbers().filter(({ name, decimals }) => now[name]?.toFixed(decimals) !== then[name]?.toFixed(decimals));
    this.#part("numbers").replaceChildren(...shown.map((value) => rowOf(value, now, then)));
    this.#say(frames.length ? this.#reachInWords() : _("Nothing changes there."));
    this.#part("table").hidden = !shown.length;
  }

  /** @returns {string} */
  #reachInWords() {
    const { along, of, frames } = /** @type {Preview} */ (this.preview);
    const places = frames.map((frame) => (along === "phases" ? frame.t : frame.z) + 1).sort((a, b) => a - b);
    const numbers = { numbers: places.join(", ") };
    if (loopOf(of)) return _("Frames {numbers}, drawn dashed.", numbers);
    return along === "phases" ? _("Phases {numbers}, drawn dashed.", numbers) : _("Slices {numbers}, drawn dashed.", numbers);
  }

  /** @param {string} text */
  #say(text) {
    const { frames } = /** @type {Preview} */ (this.preview);
    if (!this.host) return;
    this.#part("title").textContent = this.#question();
    this.#part("reach").textContent = text;
    this.#part("table").hidden = true;
    for (const name of ["accept", "fewer", "more"]) this.#part(name).hidden = !frames.length;
    this.host.hidden = false;
  }

  /** @returns {string} */
  #question() {
    const { along, of, t, z } = /** @type {Preview} */ (this.preview);
    const place = { slice: z + 1, phase: t + 1 };
    if (loopOf(of)) return _("Carry the correction of frame {frame} on to other frames?", { frame: t + 1 });
    return along === "phases"
      ? _("Carry the correction of slice {slice}, phase {phase} on to other phases?", place)
      : _("Carry the correction of slice {slice}, phase {phase} on to other slices?", place);
  }
}

/** @param {View} view @returns {string | undefined} the view of a loop; none of a stack */
function loopOf({ viewer }) {
  return /** @type {{view?: string}} */ (viewer.cine).view;
}
