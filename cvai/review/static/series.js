/** @file Another series or loop of the study measured instead, as a new job. */

import { meta, Problem, sendJson } from "./api.js";

for (const button of document.querySelectorAll("[data-series]")) {
  button.addEventListener("click", async () => {
    try {
      const chosen = { series_uid: button.getAttribute("data-series"), sop_instance_uid: button.getAttribute("data-loop") ?? "" };
      const told = await sendJson("POST", `/api/studies/${meta("job")}/series`, chosen);
      location.assign(`/studies/${told.job_id}`);
    } catch (problem) {
      const line = document.getElementById("series-problem");
      if (line) line.textContent = problem instanceof Problem ? problem.message : String(problem);
    }
  });
}
