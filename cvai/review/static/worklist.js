/** @file The worklist: filters, keyboard, and rows that follow the service. */

import { request, sendJson } from "./api.js";

const LOOK_EVERY_MS = 3000;

const filters = /** @type {HTMLFormElement} */ (document.getElementById("filters"));
const rows = /** @type {HTMLElement} */ (document.getElementById("rows"));
const live = /** @type {HTMLElement} */ (document.getElementById("live"));
let chosen = "";
let shown = rows.innerHTML;

/** @returns {string} the filters as a query */
function query() {
  const values = [...new FormData(filters)].filter(([, value]) => value !== "");
  return new URLSearchParams(/** @type {[string, string][]} */ (values)).toString();
}

async function refresh() {
  try {
    const html = await (await request(`/worklist?${query()}`)).text();
    live.textContent = "live";
    if (html === shown) return;
    shown = html;
    rows.innerHTML = html;
    showCounts();
    choose(chosen);
  } catch (problem) {
    live.textContent = problem instanceof Error ? problem.message : String(problem);
  }
}

function showCounts() {
  const told = rows.querySelector("table")?.dataset.counts ?? "";
  for (const pair of told.trim().split(" ").filter(Boolean)) {
    const [name, count] = pair.split("=");
    const place = document.querySelector(`[data-count="${name}"]`);
    if (place) place.textContent = count;
  }
}

/** @returns {HTMLTableRowElement[]} */
function all() {
  return [...rows.querySelectorAll("tr[data-job]")].map((row) => /** @type {HTMLTableRowElement} */ (row));
}

/** @param {string} job */
function choose(job) {
  chosen = job;
  for (const row of all()) {
    row.classList.toggle("chosen", row.dataset.job === job);
    if (row.dataset.job === job) row.scrollIntoView({ block: "nearest" });
  }
}

/** @param {number} by */
function move(by) {
  const list = all();
  const at = list.findIndex((row) => row.dataset.job === chosen);
  const next = list[Math.min(list.length - 1, Math.max(0, at < 0 ? 0 : at + by))];
  if (next) choose(next.dataset.job ?? "");
}

/** @param {string | undefined} job */
function open(job) {
  if (job) location.assign(`/studies/${job}`);
}

filters.addEventListener("change", () => {
  history.replaceState(null, "", `/?${query()}`);
  refresh();
});
rows.addEventListener("click", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  if (!target.closest("a")) open(target.closest("tr")?.dataset.job);
});
addEventListener("keydown", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  if (target.matches("input[type=date], select") || event.ctrlKey || event.altKey || event.metaKey) return;
  /** @type {Record<string, () => void>} */
  const keys = {
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    Enter: () => open(chosen),
    n: () => open(all().find((row) => row.dataset.state === "to read")?.dataset.job),
  };
  const act = keys[event.key];
  if (!act || (event.key === "Enter" && target.matches("a, button"))) return;
  event.preventDefault();
  act();
});
document.getElementById("sign-out")?.addEventListener("click", async () => {
  const { then } = await sendJson("POST", "/sign-out");
  location.assign(then);
});
setInterval(refresh, LOOK_EVERY_MS);
