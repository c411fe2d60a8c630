/** @file The study page of loops: side by side with their contours, which are corrected where the analysis allows it. */

import { getBytes, getJson, meta, sendJson } from "./api.js";
import { Carry } from "./carry.js";
import { BeatCurve, showTrend } from "./chart.js";
import { Decide } from "./decide.js";
import { Draft, othersInWords, watch } from "./draft.js";
import { enterByHand } from "./entered.js";
import { linkFindings } from "./findings.js";
import { Impression } from "./impression.js";
import { handle, showHistory } from "./input.js";
import { encodeRuns, unitOf } from "./labels.js";
import { LoopEdits } from "./loop_edits.js";
import { LoopView } from "./loops.js";
import { Marks } from "./marks.js";
import { Numbers } from "./numbers.js";
import { Player } from "./player.js";
import { scoresOf } from "./scores.js";
import { queue } from "./series.js";
import { fail, notice, part, saySaved } from "./status.js";
import { _, within } from "./words.js";

const base = `/api/studies/${meta("job")}`;

class LoopsPage {
  /** @param {any} study what the server tells of it @param {LoopView[]} views */
  constructor(study, views) {
    this.study = study;
    this.views = views;
    this.mayChange = meta("may-sign") === "yes";
    this.curveOf = study.page.curve;
    this.tracesOf = study.page.traces;
    this.player = new Player(views, (t, i) => this.go(t, i));
    this.leading = 0;
    this.part = part;
    this.asked = 0;
    this.opened = false;
    this.asking = false;
    /** @type {{revision: number, measurements: Record<string, number>}} */
    this.previewed = { revision: -1, measurements: {} };
    this.edits = new LoopEdits(views);
    this.carry = this.#carries();
    if (study.editable) this.#signs();
    handle(this);
    this.#overlay();
    this.measuring = /** @type {HTMLButtonElement | null} */ (document.getElementById("measure-frame"));
    this.measuring?.addEventListener("click", () => this.#measureShown());
    addEventListener("resize", () => this.#drawCurve());
    this.#linkFindings(study.places);
  }

  /** @param {any[][]} places of every finding: a view and a frame */
  #linkFindings(places) {
    linkFindings(places, ({ view, t }) => {
      const i = this.views.findIndex(({ cine }) => cine.view === view);
      this.lead(this.views[i]);
      this.go(t, i);
    });
  }

  /** @returns {LoopView} the view that keys, slider and curve refer to */
  get current() {
    return this.views[this.leading];
  }

  /** @returns {Record<string, () => void>} keys besides those of all study pages */
  keys() {
    const { overlay } = this.current;
    return {
      o: () => this.lead(this.views[(this.leading + 1) % this.views.length]),
      ...(overlay ? { [overlay.key]: () => part("overlay").click() } : {}),
      ...this.carry.keys,
    };
  }

  /** @param {number} t @param {number} [i] show a frame of a view */
  go(t, i = this.leading) {
    const view = this.views[i], { viewer, cine } = view;
    viewer.t = (t + cine.n_phases) % cine.n_phases;
    viewer.draw();
    this.showWhere(view);
    if (i !== this.leading) return;
    this.curve?.moveTo(viewer.t);
    this.traces?.moveTo(viewer.t);
    this.player.show();
    this.#offerFrame();
  }

  /** @param {import("./input.js").View} view take another view as the one that keys, slider and curve refer to */
  lead(view) {
    if (view.viewer !== this.current.viewer) this.carry.withdraw();
    this.leading = this.player.leading = this.views.findIndex(({ viewer }) => viewer === view.viewer);
    this.views.forEach(({ stage }, j) => stage.classList.toggle("leading", this.views.length > 1 && this.leading === j));
    const { title, calibrated } = this.current.cine;
    part("curve-view").textContent = `${within(title)}${calibrated ? "" : `, ${_("in % of its largest")}`}`;
    this.#drawCurve();
    this.player.show();
    this.#offerFrame();
    showHistory(this);
  }

  /** @param {"ed" | "es"} phase show it in every view */
  goTo(phase) {
    this.player.stop();
    this.views.forEach((view, i) => this.go(view.next(phase), i));
  }

  /** @param {import("./input.js").View} view @param {number} steps */
  scroll({ viewer }, steps) {
    this.go(viewer.t + steps, this.views.findIndex((view) => view.viewer === viewer));
  }

  toggled() {}

  /** @param {import("./input.js").View} shown */
  showWhere(shown) {
    const view = /** @type {LoopView} */ (this.views.find(({ viewer }) => viewer === shown.viewer));
    const { viewer, cine, editor } = view;
    const [low, high] = viewer.window;
    const word = editor.originOf(viewer.t, 0) ? _("carried on") : this.study.by_hand ? _("drawn") : _("corrected");
    const edited = editor.differs(viewer.t, 0) ? ` · ${word}` : "";
    view.say("where", `${_("Frame {number} of {total}", { number: viewer.t + 1, total: cine.n_phases })}${this.#nameOf(view)}${edited}`);
    view.say("window", `W ${Math.round(high - low)}  L ${Math.round((high + low) / 2)}`);
  }

  /** Look after what others do, and what there was before. */
  follow() {
    this.opened = true;
    notice(othersInWords(this.study.others));
    watch(base, (shared) => {
      notice(othersInWords(shared.others));
      this.decide?.update(shared.holds);
    });
    showTrend(base);
    if (this.edits.changed) this.#showMeasured(this.edits.revision);
    else if (this.marks) getJson(`${base}/measured`).then(({ marks }) => this.marks?.take(marks), fail);
    this.#showNumbers();
  }

  /** Let contours be corrected, and what was made of them be signed. */
  #signs() {
    const { edits, study } = this;
    this.numbers = new Numbers(base, edits, study.result.measurements, () => this.previewed.measurements);
    this.draft = new Draft(base, edits, saySaved, (revision) => this.#showMeasured(revision));
    this.impression = new Impression(base, study.impression, study.proposed, this.mayChange);
    this.decide = new Decide(base, study, edits, this.draft, this.numbers, this.impression, this.mayChange);
    enterByHand(base, study.entry, this.draft);
    this.scores = scoresOf(edits, this.mayChange);
    if (study.adding) this.marks = new Marks(this.views, edits, study.adding, this.mayChange, (i, t) => this.go(t, i));
    edits.addEventListener("change", () => this.#changed());
  }

  /** @returns {Carry} a correction carried on to other frames of its loop */
  #carries() {
    const host = this.mayChange ? document.getElementById("carry-on") : null;
    const draw = () => this.views.forEach(({ viewer }) => viewer.draw());
    const carry = new Carry(host, base, new LoopImages(this), this.edits, () => this.study.page.signed, (frames) => this.#measured(frames), draw);
    part("accept")?.addEventListener("click", () => carry.withdraw(), { capture: true });
    return carry;
  }

  /** @param {import("./carry.js").Frame[]} frames of the current view, in the place of what they have */
  async #measured(frames) {
    const { cine, editor } = this.current, now = this.numbers?.values ?? {};
    const measured = new Set(editor.beats.flatMap(({ ed, es }) => [ed, es]));
    const others = this.edits.sketch.frames.filter(({ view, t }) => view !== cine.view || !frames.some((frame) => frame.t === t));
    const wanted = frames.filter(({ t }) => measured.has(t)).map(({ t, z, labels }) => ({ t, z, runs: encodeRuns(labels), view: cine.view }));
    const told = await sendJson("POST", `${base}/preview`, { ...this.edits.changes, frames: [...others, ...wanted] }).catch(() => null);
    return { now, then: told ? { ...now, ...told.measurements } : {} };
  }

  /** Everything that is known here follows the hand, once a picture. */
  #changed() {
    cancelAnimationFrame(this.asked);
    this.asked = requestAnimationFrame(() => {
      for (const view of this.views) {
        view.viewer.draw();
        this.showWhere(view);
      }
      this.#drawCurve();
      this.#showNumbers();
    });
    if (!this.mayChange || !this.opened) return;
    this.draft?.touch();
    if (this.study.previews) this.#preview();
  }

  /** Have lines and numbers follow the hand: one request at a time, of the contours as they are by then. */
  async #preview() {
    if (this.asking) return;
    this.asking = true;
    const { edits } = this;
    while (edits.changed && this.previewed.revision !== edits.revision) {
      const { revision, sketch } = edits;
      const told = await sendJson("POST", `${base}/preview`, sketch).catch(() => ({ measurements: {}, lines: [] }));
      this.previewed = { revision, measurements: told.measurements };
      if (told.marks) this.marks?.take(told.marks);
      for (const { view, t, lines } of told.lines) this.views.find(({ cine }) => cine.view === view)?.sketch(t, lines);
      this.#showNumbers();
    }
    if (!edits.changed) this.previewed = { revision: -1, measurements: {} };
    this.asking = false;
  }

  #showNumbers() {
    this.numbers?.show();
    this.decide?.show();
  }

  /** @param {number} revision have the contours measured anew as they were saved */
  async #showMeasured(revision) {
    try {
      const { loops, scores, findings, places, remarks, proposed, signed, marks } = await /** @type {Numbers} */ (this.numbers).refresh(revision);
      if (revision !== this.edits.revision) return;
      part("findings-shown").innerHTML = findings;
      part("remarks").textContent = remarks.join(" ");
      this.#linkFindings(places);
      this.impression?.propose(proposed);
      this.scores?.show(scores);
      this.study.page.signed = signed;
      this.marks?.take(marks);
      for (const view of this.views) view.redraw(loops?.find((loop) => loop.view === view.cine.view));
      this.#drawCurve();
      this.#showNumbers();
    } catch (problem) {
      saySaved(_("Not measured: {problem}", { problem: problem instanceof Error ? problem.message : String(problem) }), true);
    }
  }

  #drawCurve() {
    if (!this.curveOf) return;
    const { cine, labels, viewer, editor } = this.current;
    const { title, quantity, lines } = this.curveOf;
    const words = { time: "ms", unit: unitOf(cine, quantity), what: title };
    const host = part("curve").cloneNode(false);
    part("curve").replaceWith(host);
    this.curve = new BeatCurve(/** @type {HTMLElement} */ (host), cine, (t) => this.go(t), words);
    const curves = lines.map((/** @type {any} */ line) => ({ ...line, values: labels.curve(line.label, quantity, this.study.by_hand) }));
    this.curve.draw(curves, editor.beats, viewer.t);
    this.#drawTraces();
  }

  #drawTraces() {
    const { cine, viewer, traces, editor } = this.current;
    this.traces = null;
    if (!this.tracesOf) return;
    const { title, unit, lines } = this.tracesOf;
    const host = /** @type {HTMLElement} */ (part("traces").cloneNode(false));
    part("traces").replaceWith(host);
    const measured = lines.flatMap((/** @type {any} */ line) => (traces[line.name] ? [{ ...line, values: traces[line.name] }] : []));
    host.hidden = !measured.length;
    part("traces-missing").hidden = measured.length > 0;
    if (!measured.length) return;
    this.traces = new BeatCurve(host, cine, (t) => this.go(t), { time: "ms", unit, what: title });
    this.traces.draw(measured, editor.beats, viewer.t);
  }

  /** @param {LoopView} view @returns {string} what its frame is, in words */
  #nameOf(view) {
    if (this.curveOf) return view.phaseName;
    return this.#isMeasured(view) ? ` · ${this.study.by_hand ? _("drawn on") : _("measured")}` : "";
  }

  /** @param {LoopView} view @returns {boolean} whether the frame shown is the one of its run that was measured */
  #isMeasured({ cine, viewer }) {
    return cine.beats.some(({ ed }) => ed === viewer.t);
  }

  #offerFrame() {
    if (this.measuring) this.measuring.disabled = !this.current.cine.chosen_from || this.#isMeasured(this.current);
  }

  /** Have the frame shown measured instead, as a new job. */
  async #measureShown() {
    const { cine, viewer } = this.current;
    if (!cine.chosen_from) return;
    const [series_uid, sop_instance_uid] = cine.chosen_from;
    await this.draft?.flush();
    queue("series", { series_uid, sop_instance_uid, frame: viewer.t });
  }

  #overlay() {
    if (!this.current.overlay) return;
    part("overlay").addEventListener("click", () => {
      const shown = part("overlay").getAttribute("aria-pressed") !== "true";
      part("overlay").setAttribute("aria-pressed", String(shown));
      for (const view of this.views) {
        view.showOverlay = shown;
        view.viewer.draw();
      }
    });
  }
}

/** The loops as images among which a correction is carried on: those of the current view. */
class LoopImages {
  /** @param {LoopsPage} page */
  constructor(page) {
    this.page = page;
  }

  get current() {
    return this.page.current;
  }

  propose() {}

  /** @param {import("./carry.js").Frame[]} frames drawn dashed in the place of what they have */
  setUndecided(frames) {
    this.leaveUndecided();
    for (const { t, z, labels } of frames) this.current.viewer.setUndecided(t, z, labels);
  }

  leaveUndecided() {
    for (const { viewer } of this.page.views) viewer.leaveUndecided();
  }
}

/** @param {LoopsPage} page fetch all frames, every view's end-diastole first */
async function load(page) {
  const begun = performance.now();
  const since = () => (performance.now() - begun).toFixed(0);
  await Promise.all(page.views.map((view, i) => view.frames.load(view.viewer.t, () => {
    document.body.dataset.firstFrameMs ??= since();
    part("loading").classList.add("corner-note");
    page.go(view.viewer.t, i);
  })));
  part("loading").hidden = true;
  document.body.dataset.allFramesMs = since();
}

async function open() {
  const study = await getJson(base);
  const packed = await Promise.all(study.loops.map((/** @type {any} */ { view }) => getBytes(`${base}/loops/${view}/labels`)));
  const views = study.loops.map((/** @type {any} */ loop, /** @type {number} */ i) => new LoopView(base, loop, packed[i], study.page));
  const page = new LoopsPage(study, views);
  if (study.signed) page.edits.restore(study.signed);
  if (study.draft) page.edits.restore(study.draft);
  page.lead(views[0]);
  page.views.forEach((view, i) => page.go(view.editor.phases?.ed ?? 0, i));
  page.follow();
  await load(page);
}

open().catch(fail);
