/** @file The language that a reader chooses in the header: kept in this browser, for every reader of it. */

const YEAR_S = 365 * 24 * 3600;

document.getElementById("language")?.addEventListener("change", ({ target }) => {
  const { value } = /** @type {HTMLSelectElement} */ (target);
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `cvai_language=${value}; path=/; max-age=${YEAR_S}; samesite=strict${secure}`;
  location.replace(location.href); // a form that was sent is not sent again
});
