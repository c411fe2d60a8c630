/** @file A structure of one slice and phase put in or taken out, with the numbers both ways before it is accepted. */

import { belongs } from "./layers.js";
import { rowOf } from "./proposal.js";
import { _ } from "./words.js";

/** @typedef {import("./layers.js").Layer} Layer */
/** @typedef {{layer: string, title: string, key: string, numbers: import("./proposal.js").Value[]}} SlicePart see SlicePart in cvai/analyses/page.py */
/** @typedef {{part: SlicePart, t: number, z: number, labels: Uint8Array, isIn: boolean, source: string}} Proposal */

export class Inclusion {
  /**
   * @param {HTMLElement} host where a proposal is shown; null where there are no parts
   * @param {import("./side_by_side.js").SideBySide} sides
   * @param {import("./editor.js").Editor} editor
   * @param {SlicePart[]} parts
   * @param {() => Record<string, number>} count numbers of the contours as they are
   * @param {() => void} draw all images
   */
  constructor(host, sides, editor, parts, count, draw) {
    this.host = host;
    this.sides = sides;
    this.editor = editor;
    this.parts = parts;
    this.count = count;
    this.draw = draw;
    /** @type {Proposal | null} */
    this.proposal = null;
    for (const button of document.querySelectorAll("[data-slice-part]")) {
      const part = parts.find(({ layer }) => layer === button.getAttribute("data-slice-part"));
      if (part) button.addEventListener("click", () => this.propose(part));
      else button.remove();
    }
    this.#part("accept")?.addEventListener("click", () => this.accept());
    this.#part("leave")?.addEventListener("click", () => this.withdraw());
    editor.addEventListener("change", () => this.withdraw());
  }

  /** @returns {Record<string, () => void>} */
  get keys() {
    const keys = this.parts.map((part) => [part.key, () => this.propose(part)]);
    return { ...Object.fromEntries(keys), ...(this.proposal ? { Enter: () => this.accept() } : {}) };
  }

  /** @param {SlicePart} part show the slice with or without it; a second time withdraws the proposal */
  propose(part) {
    const { t, z, layers } = this.sides.current.viewer;
    const isAgain = this.proposal?.part === part;
    this.withdraw();
    this.sides.propose(this);
    if (isAgain) return;
    const layer = /** @type {Layer} */ (layers.find(({ name }) => name === part.layer));
    this.#show(proposalOf(this.editor, part, layer, t, z));
  }

  /** Make the change that is proposed, as one step that can be undone. */
  accept() {
    const { proposal } = this;
    this.withdraw();
    if (proposal) this.editor.replace(proposal.t, proposal.z, proposal.labels);
  }

  /** Leave everything as it is. */
  withdraw() {
    if (!this.proposal) return;
    this.proposal = null;
    this.host.hidden = true;
    this.sides.leaveUndecided();
    this.draw();
  }

  /** @param {string} name @returns {HTMLElement} an element of what a proposal is shown in */
  #part(name) {
    return /** @type {HTMLElement} */ (this.host?.querySelector(`[data-proposal="${name}"]`));
  }

  /** @param {Proposal} proposal */
  #show(proposal) {
    const { part, t, z, labels, isIn, source } = proposal;
    this.proposal = proposal;
    this.sides.setUndecided([{ t, z, labels: isIn ? labels : this.editor.labels.frame(t, z) }]);
    this.draw();
    const now = this.count(), then = this.editor.labels.with([{ t, z, labels }], this.count);
    const [withIt, without] = isIn ? [then, now] : [now, then];
    const isSame = labels.every((label, i) => label === this.editor.labels.frame(t, z)[i]);
    const place = { part: part.title, number: z + 1, phase: this.#nameOf(t) };
    this.#part("title").textContent = isIn ? _("Put {part} into slice {number} at {phase}?", place) : _("Take {part} out of slice {number} at {phase}?", place);
    this.#part("source").textContent = isIn ? source : "";
    this.#part("accept").textContent = isIn ? _("Put in") : _("Take out");
    this.#part("accept").hidden = isSame;
    this.#part("numbers").replaceChildren(...part.numbers.map((value) => rowOf(value, withIt, without)));
    this.host.hidden = false;
    this.#placeBeside();
  }

  /** Leave the image free that the proposal is about. */
  #placeBeside() {
    const other = this.sides.views.find((view) => view !== this.sides.current && !view.stage.hidden);
    this.host.style.left = `${other?.stage.offsetLeft ?? 0}px`;
  }

  /** @param {number} t @returns {string} */
  #nameOf(t) {
    const { ed, es } = this.editor.phases;
    return t === ed ? _("end-diastole") : t === es ? _("end-systole") : _("phase {number}, where none of these is measured", { number: t + 1 });
  }
}

/**
 * @param {import("./editor.js").Editor} editor @param {SlicePart} part @param {Layer} layer @param {number} t @param {number} z
 * @returns {Proposal} out where the frame has any of it, in where it has none
 */
function proposalOf(editor, part, layer, t, z) {
  const frame = editor.labels.frame(t, z);
  if (frame.some((label) => belongs(label, layer))) {
    const labels = frame.map((label) => (belongs(label, layer) ? 0 : label));
    return { part, t, z, labels, isIn: false, source: "" };
  }
  const found = sourcesOf(editor, t, z).find(({ labels }) => labels.some((label) => belongs(label, layer)));
  const source = found?.source ?? _("No slice beside it and no other phase has such a contour.");
  const labels = frame.map((label, i) => {
    const other = found?.labels[i] ?? 0;
    return belongs(other, layer) && !layer.spares.includes(label) ? other : label;
  });
  return { part, t, z, labels, isIn: true, source };
}

/**
 * @param {import("./editor.js").Editor} editor @param {number} t @param {number} z
 * @returns {{labels: Uint8Array, source: string}[]} where a contour may come from, the nearest first
 */
function sourcesOf({ labels, model }, t, z) {
  const { n_phases, n_slices } = labels.grid;
  const at = (t * n_slices + z) * labels.size;
  const apart = (/** @type {number} */ other) => Math.min(Math.abs(other - t), n_phases - Math.abs(other - t));
  const phases = [...Array(n_phases).keys()].filter((other) => other !== t).sort((a, b) => apart(a) - apart(b));
  const slices = [z - 1, z + 1].filter((other) => other >= 0 && other < n_slices);
  const ofPhase = (/** @type {number} */ other) => ({ labels: labels.frame(other, z), source: _("The contour is that of phase {number}.", { number: other + 1 }) });
  return [
    { labels: model.subarray(at, at + labels.size), source: _("The contour is the model's.") },
    ...phases.filter((other) => apart(other) === 1).map(ofPhase),
    ...slices.map((other) => ({ labels: labels.frame(t, other), source: _("The contour is that of slice {number}.", { number: other + 1 }) })),
    ...phases.map(ofPhase),
  ];
}
