/** @file The worklist: filters, keyboard, and rows that follow the service. */

import { request, sendJson } from "./api.js";
import { _ } from "./words.js";

const LOOK_EVERY_MS = 3000;

const filters = /** @type {HTMLFormElement} */ (document.getElementById("filters"));
const rows = /** @type {HTMLElement} */ (document.getElementById("rows"));
const live = /** @type {HTMLElement} */ (document.getElementById("live"));
const search = /** @type {HTMLInputElement} */ (document.getElementById("search"));
let chosen = "";
let shown = rows.innerHTML;
/** Of the last request: the answer to an earlier one is not shown. */
let asked = 0;

/** @returns {string} the filters as a query, from the first page on */
function query() {
  const values = [...new FormData(filters)].filter(([, value]) => value !== "");
  return new URLSearchParams(/** @type {[string, string][]} */ (values)).toString();
}

/** @returns {Promise<Response>} the rows; what is looked for is no part of an address, which would be kept */
function found() {
  const path = `/worklist${location.search}`;
  if (!search.value.trim()) return request(path);
  const headers = { "Content-Type": "application/json" };
  return request(path, { method: "POST", headers, body: JSON.stringify({ search: search.value }) });
}

async function refresh() {
  const number = ++asked;
  try {
    const html = await (await found()).text();
    if (number !== asked) return;
    live.textContent = _("live");
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
  const told = document.getElementById("counts")?.dataset.counts ?? "";
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

document.getElementById("save-csv")?.addEventListener("click", async () => {
  try {
    const headers = { "Content-Type": "application/json" };
    const options = { method: "POST", headers, body: JSON.stringify({ search: search.value }) };
    const table = await (await request(`/worklist.csv${location.search}`, options)).blob();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(table);
    link.download = "worklist.csv";
    link.click();
    URL.revokeObjectURL(link.href);
  } catch (problem) {
    live.textContent = problem instanceof Error ? problem.message : String(problem);
  }
});
filters.addEventListener("change", (event) => {
  if (event.target === search) return;
  history.replaceState(null, "", `/?${query()}`);
  refresh();
});
filters.addEventListener("submit", (event) => event.preventDefault());
search.addEventListener("input", () => {
  sessionStorage.setItem("search", search.value);
  history.replaceState(null, "", `/?${query()}`);
  refresh();
});

/** @param {string} address another page of the rows, or another order */
function turn(address) {
  history.replaceState(null, "", address);
  for (const name of ["sort", "order"]) {
    const field = /** @type {HTMLInputElement} */ (filters.elements.namedItem(name));
    field.value = new URLSearchParams(location.search).get(name) ?? (name === "sort" ? "arrived" : "down");
  }
  rows.parentElement?.scrollTo(0, 0);
  refresh();
}

rows.addEventListener("click", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  const link = target.closest("a.turn");
  if (link && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    turn(link.getAttribute("href") ?? "/");
  } else if (!target.closest("a")) open(target.closest("tr")?.dataset.job);
});
addEventListener("keydown", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  if (target.matches("input[type=date], input[type=search], select") || event.ctrlKey || event.altKey || event.metaKey) return;
  /** @type {Record<string, () => void>} */
  const keys = {
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    Enter: () => open(chosen),
    "/": () => search.focus(),
    n: () => open(all().find((row) => row.dataset.state === "to read")?.dataset.job),
  };
  const act = keys[event.key];
  if (!act || (event.key === "Enter" && target.matches("a, button"))) return;
  event.preventDefault();
  act();
});
document.getElementById("sign-out")?.addEventListener("click", async () => {
  sessionStorage.removeItem("search");
  const { then } = await sendJson("POST", "/sign-out");
  location.assign(then);
});
search.value = sessionStorage.getItem("search") ?? "";
if (search.value) refresh();
setInterval(refresh, LOOK_EVERY_MS);
