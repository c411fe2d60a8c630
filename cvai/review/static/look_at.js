/** @file What a reader says of an analysis that is not signed here: looked at, or dismissed with a reason. */

import { meta, Problem, sendJson } from "./api.js";

const reason = /** @type {HTMLTextAreaElement | null} */ (document.getElementById("look-reason"));

for (const button of document.querySelectorAll("[data-look]")) {
  button.addEventListener("click", async () => {
    try {
      const body = { verdict: button.getAttribute("data-look"), reason: reason?.value ?? "" };
      await sendJson("POST", `/api/studies/${meta("job")}/look`, body);
      location.reload();
    } catch (problem) {
      const line = document.getElementById("look-problem");
      if (line) line.textContent = problem instanceof Problem ? problem.message : String(problem);
    }
  });
}
