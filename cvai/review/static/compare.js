/** @file Studies of one patient side by side: the middle slice of each at its key phases, with contours. */

import { getBytes, getJson } from "./api.js";
import { Pixels } from "./cine.js";
import { Editor } from "./editor.js";
import { LabelVolume, middleSlice, unpackLabels } from "./labels.js";
import { Viewer } from "./viewer.js";

/** @param {string} job @param {HTMLCanvasElement[]} canvases of one study, a phase each */
async function show(job, canvases) {
  const base = `/api/studies/${job}`;
  const [study, packed] = await Promise.all([getJson(base), getBytes(`${base}/labels`)]);
  const { cine, page } = study;
  const model = unpackLabels(packed, cine.n_phases * cine.n_slices * cine.rows * cine.columns);
  const editor = new Editor(new LabelVolume(model.slice(), cine), model, [study.result.key_frames]);
  if (study.signed) editor.restore(study.signed);
  const pixels = new Pixels(base, cine);
  const z = middleSlice(editor.labels, page.layers[0], editor.phases.ed);
  await pixels.fetch(z);
  for (const canvas of canvases) {
    const viewer = new Viewer(canvas, pixels, editor.labels, page.layers);
    viewer.z = z;
    viewer.t = editor.phases[/** @type {"ed" | "es"} */ (canvas.dataset.phase)];
    viewer.draw();
    canvas.dataset.shown = "yes";
  }
}

const canvases = [...document.querySelectorAll("canvas[data-picture]")].map((found) => /** @type {HTMLCanvasElement} */ (found));
for (const job of new Set(canvases.map(({ dataset }) => dataset.picture ?? ""))) {
  const own = canvases.filter(({ dataset }) => dataset.picture === job);
  show(job, own).catch((problem) => {
    for (const canvas of own) canvas.replaceWith(problem instanceof Error ? problem.message : String(problem));
  });
}
