/** @file The impression: proposed from the numbers, free to be edited, kept as it is written, and signed. */

import { sendJson } from "./api.js";
import { part, saySaved } from "./status.js";
import { _ } from "./words.js";

/** @typedef {{number: number, text: string, by: string, at: string}} Written */

export class Impression {
  /**
   * @param {string} base address of the study's API
   * @param {Written} written what stands of a reader, its text empty where nothing does
   * @param {string} proposed from the numbers
   * @param {boolean} mayWrite
   */
  constructor(base, written, proposed, mayWrite) {
    this.base = base;
    this.written = written;
    this.proposed = proposed;
    this.place = /** @type {HTMLTextAreaElement} */ (part("impression"));
    this.again = /** @type {HTMLButtonElement} */ (part("impression-again"));
    this.place.readOnly = !mayWrite;
    this.mayWrite = mayWrite;
    /** @type {Promise<void>} the save under way, or the last one */
    this.saving = Promise.resolve();
    this.place.addEventListener("input", () => this.#showOrigin());
    this.place.addEventListener("change", () => (this.saving = this.#save()));
    this.again.addEventListener("click", () => {
      this.place.value = this.proposed;
      this.saving = this.#save();
    });
    this.#show();
  }

  /** @returns {string} what is signed */
  get text() {
    return this.place.value.trim();
  }

  /** @param {string} proposed for the numbers as they stand; it replaces nothing that a reader has written */
  propose(proposed) {
    const follows = this.text === this.proposed.trim();
    this.proposed = proposed;
    if (follows && !this.written.text) this.place.value = proposed;
    this.#showOrigin();
  }

  #show() {
    this.place.value = plain(this.written.text) || this.proposed;
    this.#showOrigin();
  }

  #showOrigin() {
    const { written, text } = this;
    const isWritten = written.text && text === plain(written.text);
    const isProposed = text === this.proposed.trim();
    const origin = isWritten ? _("Written by {name}, {time}.", { name: written.by, time: written.at }) : isProposed ? _("Proposed from the numbers.") : _("Not saved yet.");
    part("impression-origin").textContent = text ? origin : "";
    this.again.hidden = !this.mayWrite || isProposed || !this.proposed;
    this.place.style.height = "auto";
    this.place.style.height = `${this.place.scrollHeight + 2}px`;
  }

  async #save() {
    const text = this.text === this.proposed.trim() ? "" : this.text;
    if (text === plain(this.written.text)) return;
    try {
      this.written = await sendJson("PUT", `${this.base}/impression`, { after: this.written.number, text });
      this.#showOrigin();
    } catch (problem) {
      saySaved(_("Impression not saved: {problem}", { problem: problem instanceof Error ? problem.message : String(problem) }), true);
    }
  }
}

/** @param {string} text with the ends of lines that are kept @returns {string} with those of the page */
function plain(text) {
  return text.replaceAll("\r\n", "\n");
}
