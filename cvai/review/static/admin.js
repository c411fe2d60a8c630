/** @file Administration: readers and their tokens, and jobs that are done again. */

import { sendJson } from "./api.js";
import { part } from "./status.js";
import { _ } from "./words.js";

const TOLD = "told";

/** @param {string} text @param {boolean} [wrong] */
function say(text, wrong = false) {
  part("told").textContent = text;
  part("told").classList.toggle("wrong", wrong);
}

/**
 * Do something, then show the page as it is by then.
 * @param {() => Promise<string>} act gives what is to be said then
 */
async function does(act) {
  try {
    sessionStorage.setItem(TOLD, await act());
    location.reload();
  } catch (problem) {
    say(problem instanceof Error ? problem.message : String(problem), true);
  }
}

/** @param {{name: string, token: string}} given @returns {string} */
const tokenOf = ({ name, token }) => _("Token of {name}, shown this once: {token}", { name, token });

/** @type {Record<string, (row: DOMStringMap) => Promise<string>>} */
const acts = {
  token: async ({ reader }) => tokenOf(await sendJson("POST", `/api/admin/readers/${reader}/token`)),
  remove: async ({ reader }) => {
    await sendJson("DELETE", `/api/admin/readers/${reader}`);
    return _("{name} can sign in no more.", { name: reader ?? "" });
  },
  retry: async ({ queued }) => {
    await sendJson("POST", `/api/admin/jobs/${queued}/retry`);
    return _("The job is queued again.");
  },
};
const QUESTIONS = {
  token: _("Give a new token? The former one and open sessions end at once."),
  remove: _("Remove this reader? What they signed stands."),
};

document.querySelector("main")?.addEventListener("click", (event) => {
  const button = /** @type {HTMLElement} */ (event.target).closest("button[data-act]");
  const row = button?.closest("tr");
  const name = button?.getAttribute("data-act") ?? "";
  if (!row || !acts[name]) return;
  const question = QUESTIONS[/** @type {keyof typeof QUESTIONS} */ (name)];
  if (!question || confirm(question)) does(() => acts[name](row.dataset));
});
const adding = /** @type {HTMLFormElement} */ (part("add-reader"));
adding.addEventListener("submit", (event) => {
  event.preventDefault();
  does(async () => tokenOf(await sendJson("POST", "/api/admin/readers", Object.fromEntries(new FormData(adding)))));
});
// Until now the browser would have sent the form by itself, its names in the address.
/** @type {HTMLButtonElement} */ (adding.querySelector("button")).disabled = false;
say(sessionStorage.getItem(TOLD) ?? "");
sessionStorage.removeItem(TOLD);
