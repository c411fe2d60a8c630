/** @file The keyboard of the study pages. */

/** Of one press of plus or minus. */
export const ZOOM_STEP = 1.25;

/**
 * Listen to keys that nothing else on the page needs.
 * @param {(event: KeyboardEvent) => (() => void) | null | undefined} actOf what a key does, if anything
 */
export function onKey(actOf) {
  addEventListener("click", giveKeysBack);
  addEventListener("keydown", (event) => {
    const act = isForAnother(event) ? null : actOf(event);
    if (!act) return;
    event.preventDefault();
    act();
  });
}

/** @param {MouseEvent} event a button pressed by hand does not keep the keys: Space then plays */
function giveKeysBack(event) {
  const button = /** @type {HTMLElement} */ (event.target).closest("button, summary");
  if (event.detail > 0 && button instanceof HTMLElement && !button.closest("dialog")) button.blur();
}

/** @param {Record<string, () => void>} keys @param {KeyboardEvent} event @returns {(() => void) | undefined} */
export function wanted(keys, event) {
  return keys[event.key] ?? keys[event.key.toLowerCase()];
}

/** @param {KeyboardEvent} event @returns {boolean} whether what has the focus uses the key itself */
function isForAnother(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (target.closest("dialog, textarea, select") || event.altKey) return true;
  if (target instanceof HTMLInputElement) return event.key.startsWith("Arrow");
  return target.closest("button, a, summary") !== null && (event.key === " " || event.key === "Enter");
}

/** Open the next study to read below this one, else the first one. */
export async function nextToRead() {
  const rows = await fetch("/worklist?show=unread").then((answer) => answer.text());
  const list = new DOMParser().parseFromString(rows, "text/html");
  const here = document.querySelector('meta[name="job"]')?.getAttribute("content");
  const jobs = [...list.querySelectorAll("tr[data-job]")].map((row) => row.getAttribute("data-job"));
  const others = [...jobs.slice(jobs.indexOf(here ?? null) + 1), ...jobs].filter((job) => job !== here);
  location.assign(others.length ? `/studies/${others[0]}` : "/?show=unread");
}
