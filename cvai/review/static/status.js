/** @file What the study page says of itself: loading, failed, and notes. */

import { Problem } from "./api.js";
import { _ } from "./words.js";

/** @param {string} id @returns {HTMLElement} */
export const part = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** @param {unknown} problem say what went wrong, and offer to try again */
export function fail(problem) {
  if (problem instanceof Problem && problem.status === 401) {
    location.assign("/sign-in");
    return;
  }
  const loading = part("loading");
  loading.classList.add("failed");
  loading.classList.remove("corner-note");
  loading.hidden = false;
  part("loading-text").textContent = problem instanceof Error ? problem.message : String(problem);
  const again = document.createElement("button");
  again.type = "button";
  again.textContent = _("Try again");
  again.addEventListener("click", () => location.reload());
  loading.append(again);
}

/** @param {string} text @param {boolean} [wrong] a line above everything; none where the text is empty */
export function notice(text, wrong = false) {
  const line = part("notice");
  line.hidden = !text;
  line.textContent = text;
  line.classList.toggle("wrong", wrong);
}

/** @param {string} text @param {boolean} [wrong] how far changes are saved and measured */
export function saySaved(text, wrong = false) {
  part("saved").textContent = text;
  part("saved").classList.toggle("wrong", wrong);
}
