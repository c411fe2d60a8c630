/** @file Another series, loop or frame measured instead, or a refused study read by hand: as a new job. */

import { meta, Problem, sendJson } from "./api.js";

/** @param {string} address of the study's API @param {Record<string, string | number | Record<string, string>>} body */
export async function queue(address, body) {
  try {
    const told = await sendJson("POST", `/api/studies/${meta("job")}/${address}`, body);
    location.assign(`/studies/${told.job_id}`);
  } catch (problem) {
    const line = document.getElementById("series-problem");
    if (line) line.textContent = problem instanceof Problem ? problem.message : String(problem);
  }
}

for (const button of document.querySelectorAll("[data-series]")) {
  button.addEventListener("click", () => {
    const [series, loop, view] = ["data-series", "data-loop", "data-view"].map((name) => button.getAttribute(name) ?? "");
    queue("series", { series_uid: series, sop_instance_uid: loop, view });
  });
}

/** @returns {Record<string, string>} views that the reader states, by SOPInstanceUID of a loop */
function statedViews() {
  const choices = /** @type {NodeListOf<HTMLSelectElement>} */ (document.querySelectorAll("[data-view-of]"));
  return Object.fromEntries([...choices].filter(({ value }) => value).map(({ dataset, value }) => [dataset.viewOf, value]));
}

document.querySelector("[data-by-hand]")?.addEventListener("click", () => queue("by-hand", { views: statedViews() }));
