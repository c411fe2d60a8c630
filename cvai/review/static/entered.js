/** @file What a reader enters by hand about the patient: sizes, pressures, haematocrit, heart rate. */

import { sendJson } from "./api.js";
import { part } from "./status.js";
import { _ } from "./words.js";

/**
 * Let values be entered; the page is loaded again once they are measured with.
 * @param {string} base address of the study's API
 * @param {{number: number}} entry that stands
 * @param {import("./draft.js").Draft} draft saved before the page is left
 */
export function enterByHand(base, entry, draft) {
  const open = document.getElementById("enter");
  if (!open) return;
  const dialog = /** @type {HTMLDialogElement} */ (part("enter-dialog"));
  const form = /** @type {HTMLFormElement} */ (part("enter-form"));
  const problem = part("enter-problem");
  const save = /** @type {HTMLButtonElement} */ (part("enter-save"));
  open.addEventListener("click", () => dialog.showModal());
  part("enter-back").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    save.disabled = true;
    problem.classList.remove("wrong");
    problem.textContent = _("Measuring…");
    try {
      await draft.flush();
      await sendJson("PUT", `${base}/entered`, { after: entry.number, ...valuesOf(form) });
      location.reload();
    } catch (error) {
      problem.classList.add("wrong");
      problem.textContent = error instanceof Error ? error.message : String(error);
      save.disabled = false;
    }
  });
}

/** @param {HTMLFormElement} form @returns {Record<string, number>} fields that are filled, in the units of the server */
function valuesOf(form) {
  const fields = [...form.querySelectorAll("input")].filter(({ value }) => value.trim() !== "");
  return Object.fromEntries(fields.map(({ name, value, dataset }) => [name, Number(value) / Number(dataset.per)]));
}
