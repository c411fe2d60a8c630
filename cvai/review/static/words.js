/** @file The page's words in the reader's language; English text is the key of its translation. */

const { lang, dataset } = document.documentElement;
/** @type {Record<string, string>} */
const words = lang === "en" || !dataset.words ? {} : await fetch(dataset.words).then((answer) => answer.json(), () => ({}));

/**
 * @param {string} text in English, with {names} of values
 * @param {Record<string, string | number>} [values]
 * @returns {string} translated, with the values in it
 */
export function _(text, values = {}) {
  return (words[text] || text).replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

/** @param {string} title @returns {string} the same within a sentence; a title that came translated stays as it is */
export function within(title) {
  return lang === "en" ? title.toLowerCase() : title;
}
