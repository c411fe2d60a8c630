/** @file The study page: puts viewer, editor, numbers and decisions together. */

import { getBytes, getJson, meta } from "./api.js";
import { Carry } from "./carry.js";
import { BeatCurve, showTrend } from "./chart.js";
import { Pixels } from "./cine.js";
import { Crossings } from "./crossings.js";
import { Decide } from "./decide.js";
import { Draft, othersInWords, watch } from "./draft.js";
import { Editor } from "./editor.js";
import { enterByHand } from "./entered.js";
import { linkFindings } from "./findings.js";
import { PhaseGrid } from "./grid.js";
import { LabelVolume, measure, middleSlice, unitOf, unpackLabels } from "./labels.js";
import { Impression } from "./impression.js";
import { Inclusion } from "./inclusion.js";
import { handle, showHistory } from "./input.js";
import { Numbers } from "./numbers.js";
import { Player } from "./player.js";
import { SideBySide } from "./side_by_side.js";
import { fail, notice, part, saySaved } from "./status.js";
import { scoresOf } from "./scores.js";
import { Strip } from "./strip.js";
import { Viewer } from "./viewer.js";
import { Wall } from "./wall.js";
import { _ } from "./words.js";

const base = `/api/studies/${meta("job")}`;

/** One study on the page: what is shown, and what follows when something changes. */
class StudyPage {
  /**
   * @param {any} study what the server tells of it
   * @param {Editor} editor
   * @param {SideBySide} sides
   */
  constructor(study, editor, sides) {
    this.study = study;
    this.editor = editor;
    this.sides = sides;
    this.cine = this.viewer.cine;
    this.mayChange = meta("may-sign") === "yes";
    this.opened = false;
    this.asked = 0;
    const count = () => measure(editor.labels, editor.phases.ed, editor.phases.es, study.page.live);
    this.numbers = new Numbers(base, editor, study.result.measurements, count);
    this.draft = new Draft(base, editor, saySaved, (revision) => this.showMeasured(revision));
    const parts = this.mayChange ? study.page.slice_parts : [];
    this.inclusion = new Inclusion(part("proposal"), sides, editor, parts, count, () => this.#drawImages());
    const carried = this.mayChange ? document.getElementById("carry-on") : null;
    /** @param {import("./carry.js").Frame[]} frames */
    const compare = async (frames) => ({ now: count(), then: editor.labels.with(frames, count) });
    this.carry = new Carry(carried, base, sides, editor, () => study.page.signed, compare, () => this.#drawImages());
    this.curve = study.page.curve && this.#newCurve(study.page.curve);
    /** @type {Record<string, number[] | null>} */
    this.curves = study.result.curves;
    this.recorded = this.#recordedCurves();
    const wall = document.getElementById("wall-shown");
    this.wall = wall && new Wall(wall);
    this.scores = scoresOf(editor, this.mayChange);
    const goToSlice = (/** @type {number} */ z) => this.go(this.viewer.t, z);
    this.strip = new Strip(part("strip"), sides, editor, goToSlice);
    this.grid = new PhaseGrid(part("grid"), sides, editor, this.strip.order, (t, z) => this.go(t, z));
    this.crossings = new Crossings(part("crossings"), part("show-crossings"), base, study.cine.crossings, sides, editor, goToSlice);
    this.player = new Player([this], (t) => this.go(t, this.viewer.z, this.player.playing));
    this.impression = study.editable && new Impression(base, study.impression, study.proposed, this.mayChange);
    this.decide = new Decide(base, study, editor, this.draft, this.numbers, this.impression, this.mayChange);
    enterByHand(base, study.entry, this.draft);
    this.#listen();
    this.#tellEdges();
    handle(this.#app());
    this.#linkFindings(study.places);
  }

  /** @returns {Viewer} the image that keys, tools, slider and curve refer to */
  get viewer() {
    return this.sides.current.viewer;
  }

  /** @returns {import("./input.js").App} */
  #app() {
    const { editor, sides } = this;
    const toSlice = (/** @type {number} */ by) => this.go(this.viewer.t, this.strip.beside(this.viewer.z, by));
    return {
      part,
      views: sides.views,
      get current() {
        return sides.current;
      },
      lead: (view) => this.#lead(view),
      player: this.player,
      mayChange: this.mayChange,
      go: (t) => this.go(t, this.viewer.z),
      goTo: (phase) => {
        this.#lead(sides.sideOf(phase));
        this.go(editor.phases[phase], this.viewer.z);
      },
      scroll: (_, steps) => toSlice(steps),
      showWhere: ({ viewer }) => {
        sides.lookLike(viewer);
        this.#showWhere();
      },
      toggled: () => {
        this.#showSmall();
        this.crossings.draw();
      },
      keys: () => ({
        ArrowUp: () => toSlice(-1),
        ArrowDown: () => toSlice(1),
        PageUp: () => this.go(this.viewer.t, this.#drawnSlices()[0] ?? this.viewer.z),
        PageDown: () => this.go(this.viewer.t, this.#drawnSlices().at(-1) ?? this.viewer.z),
        b: () => part("both")?.click(),
        g: () => part("show-grid")?.click(),
        k: () => this.crossings.toggle(),
        ...this.inclusion.keys,
        ...this.#escapes(),
        ...this.carry.keys,
      }),
    };
  }

  /** @returns {Record<string, () => void>} what Escape closes before it leads to the worklist */
  #escapes() {
    if (this.inclusion.proposal) return { Escape: () => this.inclusion.withdraw() };
    return this.grid.isShown ? { Escape: () => this.grid.toggle() } : {};
  }

  /** @returns {number[]} slices that have contours at end-diastole or end-systole, in the order of the strip */
  #drawnSlices() {
    const { labels, phases } = this.editor;
    return this.strip.order.filter((z) => [phases.ed, phases.es].some((t) => labels.frame(t, z).some(Boolean)));
  }

  /** @param {import("./input.js").View} view of those side by side, the one that keys refer to from now on */
  #lead(view) {
    if (!this.sides.lead(view)) return;
    this.go(this.viewer.t, this.viewer.z);
    showHistory({ part, current: this.sides.current });
  }

  /** Show end-diastole and end-systole side by side, or one image again. */
  #toggleBoth() {
    this.player.stop();
    const { t, z } = this.viewer;
    part("both").setAttribute("aria-pressed", String(this.sides.toggle(this.editor.phases)));
    this.go(this.sides.isShown ? this.viewer.t : t, z);
  }

  /** @param {{t: number | null, z: number | null}[][]} places of every finding */
  #linkFindings(places) {
    linkFindings(places, ({ t, z }) => this.go(t ?? this.viewer.t, z ?? this.viewer.z));
  }

  /** @param {number} t @param {number} z @param {boolean} [playing] show a frame */
  go(t, z, playing = false) {
    const { viewer, cine } = this;
    this.inclusion.withdraw();
    viewer.t = (t + cine.n_phases) % cine.n_phases;
    this.sides.setSlice(Math.min(cine.n_slices - 1, Math.max(0, z)));
    this.#drawImages();
    for (const curve of [this.curve, ...this.recorded.map(({ chart }) => chart)]) curve?.moveTo(viewer.t);
    this.wall?.moveTo(viewer.t, this.curves);
    this.player.show();
    this.#showWhere();
    if (!playing) this.#showSmall();
  }

  #drawImages() {
    this.sides.draw();
    this.crossings.draw();
  }

  /** @param {number} [only] this slice alone; show the small pictures */
  #showSmall(only) {
    this.strip.show(only);
    this.grid.show(only);
  }

  /** @param {number} z the images of a slice have come @param {Pixels} pixels */
  arrived(z, pixels) {
    const left = this.cine.n_slices - pixels.ready;
    part("loading-text").textContent = _("Loading images, {n} slices to come…", { n: left });
    part("loading").classList.toggle("corner-note", pixels.ready > 0);
    part("loading").hidden = left === 0;
    if (z === this.viewer.z) this.sides.draw();
    this.#showSmall(z);
    this.player.ready(left === 0);
  }

  /** Show every number as the contours stand. */
  showNumbers() {
    const { editor } = this;
    this.numbers.show();
    if (this.curve) this.#drawCurve(this.curve);
    for (const { chart, lines } of this.recorded) {
      const known = lines.flatMap((/** @type {any} */ line) => (this.curves[line.name] ? [{ ...line, values: this.curves[line.name] }] : []));
      chart.draw(known, [editor.phases], this.viewer.t);
    }
    this.wall?.moveTo(this.viewer.t, this.curves);
    for (const name of /** @type {const} */ (["ed", "es"])) {
      const place = document.querySelector(`[data-phase="${name}"]`);
      if (place) place.textContent = _("phase {number}", { number: editor.phases[name] + 1 });
    }
    this.decide.show();
  }

  /** Look after what others do, and what there was before. */
  follow() {
    this.opened = true;
    notice(othersInWords(this.study.others));
    watch(base, (shared) => {
      notice(othersInWords(shared.others));
      this.decide.update(shared.holds);
    });
    showTrend(base);
    if (this.editor.changed) this.showMeasured(this.editor.revision);
  }

  /** @param {number} revision have the contours measured anew as they were saved */
  async showMeasured(revision) {
    try {
      const { wall, scores, curves, findings, places, proposed, signed } = await this.numbers.refresh(revision);
      if (wall) this.wall?.show(wall);
      this.scores?.show(scores);
      part("findings-shown").innerHTML = findings;
      this.#linkFindings(places);
      this.curves = curves;
      this.study.page.signed = signed;
      this.impression?.propose(proposed);
      this.showNumbers();
    } catch (problem) {
      saySaved(_("Not measured: {problem}", { problem: problem instanceof Error ? problem.message : String(problem) }), true);
    }
  }

  /** @returns {{chart: BeatCurve, lines: any[]}[]} charts of the curves that result.json has besides the first */
  #recordedCurves() {
    return this.study.page.recorded.flatMap((/** @type {any} */ curve, /** @type {number} */ place) => {
      const host = document.querySelector(`[data-recorded="${place}"]`);
      if (!curve || !(host instanceof HTMLElement)) return [];
      const words = { time: _("ms after the R wave"), unit: curve.unit, what: curve.title };
      return [{ chart: new BeatCurve(host, this.cine, (t) => this.go(t, this.viewer.z), words), lines: curve.lines }];
    });
  }

  /** @param {any} curve how it is drawn @returns {BeatCurve} */
  #newCurve({ title, quantity }) {
    const words = { time: _("ms after the R wave"), unit: unitOf(this.cine, quantity), what: title };
    return new BeatCurve(part("curve"), this.cine, (t) => this.go(t, this.viewer.z), words);
  }

  /** @param {BeatCurve} curve */
  #drawCurve(curve) {
    const { editor, study } = this;
    const { lines, quantity } = study.page.curve;
    const curves = lines.map((/** @type {any} */ line) => ({ ...line, values: editor.labels.curve(line.label, quantity, study.by_hand) }));
    curve.draw(curves, [editor.phases], this.viewer.t);
  }

  #listen() {
    const { editor, sides } = this;
    editor.addEventListener("frame", (event) => {
      const { t, z } = /** @type {CustomEvent} */ (event).detail;
      for (const { viewer } of sides.views) viewer.forget(t, z);
    });
    editor.addEventListener("went", (event) => {
      const { t, z } = /** @type {CustomEvent} */ (event).detail;
      this.go(t, z);
    });
    editor.addEventListener("change", () => this.#changed());
    part("accept")?.addEventListener("click", () => sides.proposed?.withdraw(), { capture: true });
    part("both")?.addEventListener("click", () => this.#toggleBoth());
    addEventListener("resize", () => this.showNumbers());
  }

  /** Numbers follow the hand, once a picture. */
  #changed() {
    cancelAnimationFrame(this.asked);
    this.asked = requestAnimationFrame(() => {
      this.#drawImages();
      this.showNumbers();
      this.#showWhere();
      if (!this.editor.drag) this.#showSmall();
    });
    if (this.mayChange && this.opened) this.draft.touch();
  }

  #showWhere() {
    for (const { viewer, stage } of this.sides.views) {
      const [where, window] = stage.querySelectorAll(".corner");
      where.replaceChildren(...unbroken(this.#partsOf(viewer)));
      const [low, high] = viewer.window;
      window.textContent = `W ${Math.round(high - low)}  L ${Math.round((high + low) / 2)}`;
    }
  }

  /** @param {Viewer} viewer @returns {string[]} what it shows, in words */
  #partsOf({ t, z }) {
    const { editor, cine } = this;
    const parts = [_("Slice {number} of {total}", { number: z + 1, total: cine.n_slices })];
    if (this.curve) parts.push(_("phase {number} of {total}", { number: t + 1, total: cine.n_phases }));
    if (this.curve && t === editor.phases.ed) parts.push(_("end-diastole"));
    if (this.curve && t === editor.phases.es) parts.push(_("end-systole"));
    if (!editor.differs(t, z)) return parts;
    return [...parts, editor.originOf(t, z) ? _("carried on") : this.study.by_hand ? _("drawn") : _("corrected")];
  }

  #tellEdges() {
    for (const edge of document.querySelectorAll("[data-edge]")) {
      edge.textContent = this.cine.edges[edge.getAttribute("data-edge") ?? ""];
    }
  }
}

/** @param {string[]} parts @returns {(Node | string)[]} in a line that breaks between parts alone */
function unbroken(parts) {
  return parts.flatMap((text, i) => {
    const span = document.createElement("span");
    span.className = "nowrap";
    span.textContent = text;
    return i ? [" · ", span] : [span];
  });
}

async function open() {
  const begun = performance.now();
  const [study, packed] = await Promise.all([getJson(base), getBytes(`${base}/labels`)]);
  const { cine } = study;
  const model = unpackLabels(packed, cine.n_phases * cine.n_slices * cine.rows * cine.columns);
  const editor = new Editor(new LabelVolume(model.slice(), cine), model, [study.result.key_frames]);
  const pixels = new Pixels(base, cine);
  const sides = new SideBySide(["image", "image-beside"].map((id) => {
    const canvas = /** @type {HTMLCanvasElement} */ (part(id));
    const viewer = new Viewer(canvas, pixels, editor.labels, study.page.layers);
    return { editor, viewer, stage: /** @type {HTMLElement} */ (canvas.parentElement) };
  }));
  const page = new StudyPage(study, editor, sides);
  if (study.signed) editor.restore(study.signed);
  if (study.draft) editor.restore(study.draft);
  page.showNumbers();
  page.go(editor.phases.ed, middleSlice(editor.labels, page.viewer.layer, editor.phases.ed));
  page.follow();
  await pixels.load(page.viewer.z, (z) => {
    page.arrived(z, pixels);
    if (pixels.ready === 1) document.body.dataset.firstFrameMs = (performance.now() - begun).toFixed(0);
  });
  document.body.dataset.allFramesMs = (performance.now() - begun).toFixed(0);
  await page.crossings.load();
}

open().catch(fail);
