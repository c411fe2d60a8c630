/** @file The study page: puts viewer, editor, numbers and decisions together. */

import { getBytes, getJson, meta, Problem } from "./api.js";
import { drawTrend, VolumeCurve } from "./chart.js";
import { Pixels } from "./cine.js";
import { Decide } from "./decide.js";
import { Draft, othersInWords, watch } from "./draft.js";
import { Editor } from "./editor.js";
import { CAVITY, LabelVolume, RIGHT, unpackLabels } from "./labels.js";
import { handle } from "./input.js";
import { showNumbers } from "./numbers.js";
import { Player } from "./player.js";
import { Strip } from "./strip.js";
import { Viewer } from "./viewer.js";

const base = `/api/studies/${meta("job")}`;

/** @param {string} id @returns {HTMLElement} */
const part = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** @param {unknown} problem */
function fail(problem) {
  const loading = part("loading");
  loading.classList.add("failed");
  loading.hidden = false;
  part("loading-text").textContent = problem instanceof Error ? problem.message : String(problem);
  if (problem instanceof Problem && problem.status === 401) location.assign("/sign-in");
}

/** @param {string} text @param {boolean} [wrong] */
function notice(text, wrong = false) {
  const line = part("notice");
  line.hidden = !text;
  line.textContent = text;
  line.classList.toggle("wrong", wrong);
}

/** @param {string} text @param {boolean} [wrong] */
function saySaved(text, wrong = false) {
  part("saved").textContent = text;
  part("saved").classList.toggle("wrong", wrong);
}

async function open() {
  const begun = performance.now();
  const [study, packed] = await Promise.all([getJson(base), getBytes(`${base}/labels`)]);
  const { cine } = study;
  const model = unpackLabels(packed, cine.n_phases * cine.n_slices * cine.rows * cine.columns);
  const labels = new LabelVolume(model.slice(), cine);
  const editor = new Editor(labels, model, study.result.frames);
  const pixels = new Pixels(base, cine);
  const viewer = new Viewer(/** @type {HTMLCanvasElement} */ (part("image")), pixels, labels);
  const app = assemble(study, editor, viewer);
  if (study.holds && study.holds.verdict !== "rejected") editor.restore(study.holds);
  if (study.draft) editor.restore(study.draft);
  app.go(editor.phases.ed, middleSlice(labels, editor.phases.ed));
  await pixels.load(viewer.z, (z) => {
    app.arrived(z);
    if (pixels.ready === 1) document.body.dataset.firstFrameMs = (performance.now() - begun).toFixed(0);
  });
  document.body.dataset.allFramesMs = (performance.now() - begun).toFixed(0);
}

/** @param {LabelVolume} labels @param {number} t @returns {number} slice in the middle of the left ventricle */
function middleSlice(labels, t) {
  const { n_slices } = labels.grid;
  const slices = Array.from({ length: n_slices }, (_, z) => z).filter((z) => labels.frame(t, z).includes(CAVITY));
  return slices.length ? slices[Math.floor(slices.length / 2)] : Math.floor(n_slices / 2);
}

/**
 * @param {any} study
 * @param {Editor} editor
 * @param {Viewer} viewer
 */
function assemble(study, editor, viewer) {
  const { labels } = editor;
  const { cine } = study;
  const mayChange = meta("may-sign") === "yes";
  const draft = new Draft(base, editor, saySaved);
  const curve = new VolumeCurve(part("curve"), cine, (t) => go(t, viewer.z));
  const strip = new Strip(part("strip"), viewer, editor, (z) => go(viewer.t, z));
  const decide = new Decide(base, study, editor, draft, mayChange);
  const player = new Player(cine, viewer, (t) => go(t, viewer.z, true));

  /** @param {number} t @param {number} z @param {boolean} [playing] */
  function go(t, z, playing = false) {
    viewer.t = (t + cine.n_phases) % cine.n_phases;
    viewer.z = Math.min(cine.n_slices - 1, Math.max(0, z));
    viewer.draw();
    curve.moveTo(viewer.t);
    player.show();
    showWhere();
    if (!playing) strip.show();
  }

  function showWhere() {
    const phase = viewer.t === editor.phases.ed ? " · end-diastole" : viewer.t === editor.phases.es ? " · end-systole" : "";
    const edited = editor.differs(viewer.t, viewer.z) ? " · corrected" : "";
    part("where").textContent = `Slice ${viewer.z + 1} of ${cine.n_slices} · phase ${viewer.t + 1} of ${cine.n_phases}${phase}${edited}`;
    const [low, high] = viewer.window;
    part("window-level").textContent = `W ${Math.round(high - low)}  L ${Math.round((high + low) / 2)}`;
  }

  function showAll() {
    showNumbers(editor, study.result.measurements);
    curve.draw(labels.curveMl(CAVITY), labels.curveMl(RIGHT), editor.phases, viewer.t);
    for (const name of /** @type {const} */ (["ed", "es"])) {
      const place = document.querySelector(`[data-phase="${name}"]`);
      if (place) place.textContent = `phase ${editor.phases[name] + 1}`;
    }
    decide.show();
  }

  editor.addEventListener("frame", (event) => {
    const { t, z } = /** @type {CustomEvent} */ (event).detail;
    viewer.forget(t, z);
  });
  editor.addEventListener("went", (event) => {
    const { t, z } = /** @type {CustomEvent} */ (event).detail;
    go(t, z);
  });
  let asked = 0;
  editor.addEventListener("change", () => {
    cancelAnimationFrame(asked);
    asked = requestAnimationFrame(() => {
      viewer.draw();
      showAll();
      showWhere();
      if (!editor.drag) strip.show();
    });
    if (mayChange && opened) draft.touch();
  });
  let opened = false;
  requestAnimationFrame(() => {
    opened = true;
  });

  handle({ editor, viewer, player, decide, go, showWhere, strip, mayChange, part });
  for (const edge of document.querySelectorAll("[data-edge]")) {
    edge.textContent = cine.edges[edge.getAttribute("data-edge") ?? ""];
  }
  linkFindings(study.places, go, viewer);
  watch(base, (shared) => {
    notice(othersInWords(shared.others));
    decide.update(shared.holds);
  });
  notice(othersInWords(study.others));
  getJson(`${base}/priors`).then((priors) => {
    part("priors").hidden = priors.length < 2;
    if (priors.length > 1) drawTrend(part("trend"), priors, meta("job"));
  }, () => undefined);
  addEventListener("resize", showAll);
  showAll();
  const state = { go, arrived };
  /** @param {number} z */
  function arrived(z) {
    const left = cine.n_slices - viewer.pixels.ready;
    part("loading-text").textContent = `Loading images, ${left} slices to come…`;
    part("loading").classList.toggle("corner-note", viewer.pixels.ready > 0);
    part("loading").hidden = left === 0;
    if (z === viewer.z) viewer.draw();
    strip.show(z);
    player.ready(left === 0);
  }
  return state;
}

/**
 * Findings that speak of a place lead there.
 * @param {{t: number | null, z: number | null}[][]} placesOf of every finding, in their order
 * @param {(t: number, z: number) => void} go
 * @param {Viewer} viewer
 */
function linkFindings(placesOf, go, viewer) {
  document.querySelectorAll("#findings li").forEach((line, i) => {
    const places = placesOf[i] ?? [];
    if (!places.length) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "finding";
    button.append(...line.childNodes);
    let next = 0;
    button.addEventListener("click", () => {
      const { t, z } = places[next++ % places.length];
      go(t ?? viewer.t, z ?? viewer.z);
    });
    line.append(button);
  });
}

open().catch(fail);
