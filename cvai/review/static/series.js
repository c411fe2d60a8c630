/** @file Another series of the study measured instead, as a new job. */

import { meta, Problem, sendJson } from "./api.js";

for (const button of document.querySelectorAll("[data-series]")) {
  button.addEventListener("click", async () => {
    try {
      const told = await sendJson("POST", `/api/studies/${meta("job")}/series`, { series_uid: button.getAttribute("data-series") });
      location.assign(`/studies/${told.job_id}`);
    } catch (problem) {
      const line = document.getElementById("series-problem");
      if (line) line.textContent = problem instanceof Problem ? problem.message : String(problem);
    }
  });
}
