/** @file Accept, accept with changes, reject: what is signed, and how far it is on its way into the archive. */

import { Problem, sendJson } from "./api.js";
import { nextToRead } from "./keys.js";
import { _ } from "./words.js";

const VERDICTS = { accepted: _("Accepted"), changed: _("Accepted with changes"), rejected: _("Rejected") };
const STORED = { stored: _("stored in the archive"), storing: _("on its way into the archive"), failed: _("not stored") };

export class Decide {
  /**
   * @param {string} base
   * @param {any} study
   * @param {import("./draft.js").Changed} editor
   * @param {import("./draft.js").Draft} draft
   * @param {import("./numbers.js").Numbers} numbers
   * @param {import("./impression.js").Impression} impression
   * @param {boolean} maySign
   */
  constructor(base, study, editor, draft, numbers, impression, maySign) {
    this.base = base;
    this.study = study;
    this.editor = editor;
    this.draft = draft;
    this.numbers = numbers;
    this.impression = impression;
    this.maySign = maySign;
    this.holds = study.holds;
    this.accept = /** @type {HTMLButtonElement} */ (document.getElementById("accept"));
    this.reject = /** @type {HTMLButtonElement} */ (document.getElementById("reject"));
    this.next = /** @type {HTMLAnchorElement} */ (document.getElementById("next"));
    this.line = /** @type {HTMLElement} */ (document.getElementById("holds"));
    this.acceptDialog = /** @type {HTMLDialogElement} */ (document.getElementById("accept-dialog"));
    this.rejectDialog = /** @type {HTMLDialogElement} */ (document.getElementById("reject-dialog"));
    this.reason = /** @type {HTMLTextAreaElement} */ (document.getElementById("reason"));
    this.#listen();
  }

  /** Show what can be decided, as things stand. */
  show() {
    this.accept.disabled = this.reject.disabled = !this.maySign;
    this.accept.hidden = !this.maySign;
    this.reject.hidden = !this.maySign || (this.study.by_hand && (!this.holds || this.holds.verdict === "rejected"));
    this.accept.textContent = this.study.by_hand ? _("Sign…") : this.editor.changed ? _("Accept with changes…") : _("Accept…");
    this.line.hidden = !this.holds;
    if (this.holds) this.line.textContent = inWords(this.holds);
    this.line.dataset.stored = this.holds?.stored ?? "";
    this.line.dataset.verdict = this.holds?.verdict ?? "";
  }

  /** @param {any} holds the decision that stands by now */
  update(holds) {
    const another = holds && holds.number !== (this.holds?.number ?? 0);
    this.another = another && holds.reader !== document.querySelector('meta[name="reader"]')?.getAttribute("content");
    if (!another || !this.another) this.holds = holds;
    this.show();
    if (this.another) {
      this.line.hidden = false;
      this.line.textContent = `${inWords(holds)} ${_("Load this page again to see it; your draft is kept.")}`;
    }
  }

  #listen() {
    this.accept.addEventListener("click", () => this.#ask());
    this.reject.addEventListener("click", () => this.rejectDialog.showModal());
    this.next.addEventListener("click", (event) => {
      event.preventDefault();
      nextToRead();
    });
    this.acceptDialog.addEventListener("close", () => {
      if (this.acceptDialog.returnValue === "sign") this.#send(this.editor.changes, "");
      this.acceptDialog.returnValue = "";
    });
    this.rejectDialog.addEventListener("close", () => {
      if (this.rejectDialog.returnValue === "reject") this.#send(null, this.reason.value);
      this.rejectDialog.returnValue = "";
    });
    document.querySelectorAll("#reasons button").forEach((button) =>
      button.addEventListener("click", () => {
        this.reason.value = [this.reason.value.trim(), button.textContent].filter(Boolean).join(". ");
        this.reason.focus();
      }),
    );
  }

  /** Show what would be signed, as the server has measured it. */
  async #ask() {
    await this.draft.flush();
    await this.numbers.settled.catch(() => "");
    await this.impression.saving;
    this.#fillTable();
    this.acceptDialog.showModal();
  }

  #fillTable() {
    const now = this.numbers.values;
    const body = document.createElement("tbody");
    for (const { name, title, unit, decimals } of this.study.page.signed) {
      if (now[name] === undefined) continue;
      const model = this.study.result.measurements.find((/** @type {any} */ m) => m.name === name)?.value;
      const moved = model !== undefined && Math.abs(model - now[name]) > 1e-6;
      const row = body.insertRow();
      row.innerHTML = '<th scope="row"><span></span> <span class="muted small"></span></th><td class="value"></td><td class="muted small"></td>';
      const texts = [title, unit, now[name].toFixed(decimals), moved ? _("AI {value}", { value: model.toFixed(decimals) }) : ""];
      row.querySelectorAll("span, td").forEach((place, i) => (place.textContent = texts[i]));
    }
    const table = /** @type {HTMLElement} */ (document.getElementById("accept-table"));
    table.replaceChildren(body);
    const { frames } = this.editor.changes;
    const moved = [frames.length && this.#imagesInWords(frames.length)];
    if (this.editor.phasesMoved) moved.push(_("phases chosen anew"));
    const graded = new Set(Object.keys(this.editor.changes.chosen ?? {}).map((name) => name.split(":")[0])).size;
    if (graded) moved.push(_(this.study.given[graded > 1 ? 1 : 0], { n: graded }));
    const what = /** @type {HTMLElement} */ (document.getElementById("accept-what"));
    what.textContent = moved.filter(Boolean).join(", ") || (this.study.by_hand ? _("Nothing is drawn.") : _("As the model measured them."));
    const impression = /** @type {HTMLElement} */ (document.getElementById("accept-impression"));
    impression.textContent = this.impression.text || _("No impression.");
  }

  /** @param {number} n @returns {string} how many images were corrected, or drawn by hand */
  #imagesInWords(n) {
    if (this.study.by_hand) return n > 1 ? _("{n} images drawn", { n }) : _("1 image drawn");
    return n > 1 ? _("{n} images corrected", { n }) : _("1 image corrected");
  }

  /** @param {import("./draft.js").Changed["changes"] | null} changes @param {string} reason */
  async #send(changes, reason) {
    try {
      await this.draft.flush();
      const impression = changes ? this.impression.text : "";
      const body = { after: this.holds?.number ?? 0, changes, reason, impression };
      const shared = await sendJson("POST", `${this.base}/decision`, body);
      this.draft.say("");
      this.update(shared.holds);
      this.holds = shared.holds;
      this.show();
      this.next.hidden = false;
      this.next.focus();
    } catch (problem) {
      this.draft.say(problem instanceof Problem ? problem.message : String(problem), true);
    }
  }
}

/** @param {any} holds @returns {string} */
function inWords(holds) {
  const verdict = VERDICTS[/** @type {keyof typeof VERDICTS} */ (holds.verdict)];
  const stored = STORED[/** @type {keyof typeof STORED} */ (holds.stored)];
  const reason = holds.reason ? ` “${holds.reason}”` : "";
  return `${_("{verdict} by {reader}, {time}", { verdict, reader: holds.signer, time: holds.signed })}${reason}: ${stored}. ${holds.stored === "failed" ? holds.problem : ""}`.trim();
}
