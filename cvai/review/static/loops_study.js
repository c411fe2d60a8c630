/** @file The study page of loops: side by side with their contours; nothing is changed here. */

import { getBytes, getJson, meta } from "./api.js";
import { BeatCurve, showTrend } from "./chart.js";
import { othersInWords, watch } from "./draft.js";
import { linkFindings } from "./findings.js";
import { unitOf } from "./labels.js";
import { nextToRead, onKey, wanted, ZOOM_STEP } from "./keys.js";
import { Look } from "./look.js";
import { LoopView } from "./loops.js";
import { Player } from "./player.js";
import { fail, notice, part } from "./status.js";

const base = `/api/studies/${meta("job")}`;

class LoopsPage {
  /** @param {any} study what the server tells of it @param {LoopView[]} views */
  constructor(study, views) {
    this.views = views;
    this.curveOf = study.page.curve;
    this.tracesOf = study.page.traces;
    this.looks = views.map((view, i) => new Look(view.viewer, () => this.#showWhere(i)));
    this.player = new Player(views, (t, i) => this.go(t, i));
    this.leading = 0;
    views.forEach((_, i) => this.#listen(i));
    this.#buttons();
    onKey((event) => (event.ctrlKey || event.metaKey ? null : wanted(this.#keys(), event)));
    addEventListener("resize", () => this.#drawCurve());
    linkFindings(study.places, ({ view, t }) => {
      const i = this.views.findIndex(({ cine }) => cine.view === view);
      this.lead(i);
      this.go(t, i);
    });
  }

  /** @returns {LoopView} the view that keys, slider and curve speak of */
  get leader() {
    return this.views[this.leading];
  }

  /** @param {number} t @param {number} [i] show a frame of a view */
  go(t, i = this.leading) {
    const { viewer, cine } = this.views[i];
    viewer.t = (t + cine.n_phases) % cine.n_phases;
    viewer.draw();
    this.#showWhere(i);
    if (i !== this.leading) return;
    this.curve?.moveTo(viewer.t);
    this.traces?.moveTo(viewer.t);
    this.player.show();
  }

  /** @param {number} i take another view as the one that keys, slider and curve speak of */
  lead(i) {
    this.leading = this.player.leading = i;
    this.views.forEach((view, j) => view.stage.classList.toggle("leading", this.views.length > 1 && i === j));
    const { title, calibrated } = this.leader.cine;
    part("curve-view").textContent = `${title.toLowerCase()}${calibrated ? "" : ", in % of its largest"}`;
    this.#drawCurve();
    this.player.show();
  }

  /** @param {"ed" | "es"} phase show it in every view */
  goTo(phase) {
    this.player.stop();
    this.views.forEach((view, i) => this.go(view.next(phase), i));
  }

  #drawCurve() {
    if (!this.curveOf) return;
    const { cine, labels, viewer } = this.leader;
    const { title, quantity, lines } = this.curveOf;
    const words = { time: "ms", unit: unitOf(cine, quantity), what: title };
    const host = part("curve").cloneNode(false);
    part("curve").replaceWith(host);
    this.curve = new BeatCurve(/** @type {HTMLElement} */ (host), cine, (t) => this.go(t), words);
    const curves = lines.map((/** @type {any} */ line) => ({ ...line, values: labels.curve(line.label, quantity) }));
    this.curve.draw(curves, cine.beats, viewer.t);
    this.#drawTraces();
  }

  #drawTraces() {
    const { cine, viewer } = this.leader;
    this.traces = null;
    if (!this.tracesOf) return;
    const { title, unit, lines } = this.tracesOf;
    const host = /** @type {HTMLElement} */ (part("traces").cloneNode(false));
    part("traces").replaceWith(host);
    const measured = lines.flatMap((/** @type {any} */ line) => (cine.traces?.[line.name] ? [{ ...line, values: cine.traces[line.name] }] : []));
    host.hidden = !measured.length;
    part("traces-missing").hidden = measured.length > 0;
    if (!measured.length) return;
    this.traces = new BeatCurve(host, cine, (t) => this.go(t), { time: "ms", unit, what: title });
    this.traces.draw(measured, cine.beats, viewer.t);
  }

  /** @param {number} i */
  #showWhere(i) {
    const view = this.views[i];
    const { viewer, cine } = view;
    const [low, high] = viewer.window;
    view.say("where", `Frame ${viewer.t + 1} of ${cine.n_phases}${this.#nameOf(view)}`);
    view.say("window", `W ${Math.round(high - low)}  L ${Math.round((high + low) / 2)}`);
  }

  /** @param {LoopView} view @returns {string} what its frame is, in words */
  #nameOf(view) {
    if (this.curveOf) return view.phaseName;
    return view.cine.beats.some(({ ed }) => ed === view.viewer.t) ? " · measured" : "";
  }

  /** @param {number} i */
  #listen(i) {
    const { canvas } = this.views[i].viewer, look = this.looks[i];
    canvas.addEventListener("focus", () => this.lead(i));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      canvas.focus({ preventScroll: true });
      look.begin(event);
    });
    canvas.addEventListener("pointermove", (event) => look.move(event));
    for (const up of /** @type {const} */ (["pointerup", "pointercancel"])) {
      canvas.addEventListener(up, (event) => look.end(event));
    }
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      if (event.ctrlKey) look.zoomBy(Math.exp(-event.deltaY / 400));
      else this.go(this.views[i].viewer.t + Math.sign(event.deltaY), i);
    }, { passive: false });
  }

  /** @returns {Record<string, () => void>} */
  #keys() {
    const { leader, player } = this, { overlay } = leader, look = this.looks[this.leading];
    const press = (/** @type {string} */ id) => () => part(id).click();
    return {
      " ": () => player.toggle(),
      ArrowLeft: () => this.go(leader.viewer.t - 1),
      ArrowRight: () => this.go(leader.viewer.t + 1),
      Home: () => this.goTo("ed"),
      End: () => this.goTo("es"),
      c: press("contours"),
      ...(overlay ? { [overlay.key]: press("overlay") } : {}),
      v: () => this.lead((this.leading + 1) % this.views.length),
      0: () => look.reset(),
      "+": () => look.zoomBy(ZOOM_STEP),
      "-": () => look.zoomBy(1 / ZOOM_STEP),
      n: () => nextToRead(),
      "?": () => /** @type {HTMLDialogElement} */ (part("keys-dialog")).showModal(),
      Escape: () => location.assign("/"),
    };
  }

  #buttons() {
    this.#toggle("contours", (view, shown) => (view.viewer.showContours = shown));
    if (this.leader.overlay) this.#toggle("overlay", (view, shown) => (view.showOverlay = shown));
    part("go-ed").addEventListener("click", () => this.goTo("ed"));
    part("go-es").addEventListener("click", () => this.goTo("es"));
    part("fit").addEventListener("click", () => this.looks.forEach((look) => look.reset()));
    part("help").addEventListener("click", () => /** @type {HTMLDialogElement} */ (part("keys-dialog")).showModal());
  }

  /** @param {string} id @param {(view: LoopView, shown: boolean) => void} set */
  #toggle(id, set) {
    part(id).addEventListener("click", () => {
      const shown = part(id).getAttribute("aria-pressed") !== "true";
      part(id).setAttribute("aria-pressed", String(shown));
      for (const view of this.views) {
        set(view, shown);
        view.viewer.draw();
      }
    });
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
  page.lead(0);
  page.views.forEach((view, i) => page.go(view.cine.beats[0]?.ed ?? 0, i));
  notice(othersInWords(study.others));
  watch(base, (shared) => notice(othersInWords(shared.others)));
  showTrend(base);
  await load(page);
}

open().catch(fail);
