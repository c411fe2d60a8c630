/** @file The table of measurements, as the contours stand now. */

import { measure } from "./labels.js";

/**
 * Show the numbers of the labels, and beside those that moved, what the model had measured.
 * @param {import("./editor.js").Editor} editor
 * @param {{name: string, value: number, interval: [number, number] | null, normal: [number, number] | null}[]} measurements of the model
 */
export function showNumbers(editor, measurements) {
  const values = measure(editor.labels, editor.phases.ed, editor.phases.es);
  const changed = editor.changed;
  const surface = measurements.find((m) => m.name === "bsa")?.value;
  for (const { name, value, interval, normal } of measurements) {
    const now = values[name] ?? (surface && name.endsWith("_index") ? values[name.replace("_index", "")] / surface : undefined);
    if (now === undefined) continue;
    const moved = changed && Math.abs(now - value) > 1e-6;
    for (const place of document.querySelectorAll(`[data-value="${name}"]`)) show(place, now, moved);
    for (const place of document.querySelectorAll(`[data-model="${name}"]`)) {
      place.textContent = modelInWords(place, value, interval, changed, decimalsOf(name));
    }
    if (normal) showNormality(name, now, normal);
  }
}

/** @param {Element} place @param {number} value @param {boolean} moved */
function show(place, value, moved) {
  const decimals = Number(place.getAttribute("data-decimals"));
  place.textContent = value.toFixed(decimals);
  place.classList.toggle("moved", moved);
}

/** @param {string} name @returns {number} digits after the point that the page gives a measurement */
function decimalsOf(name) {
  return Number(document.querySelector(`[data-value="${name}"]`)?.getAttribute("data-decimals") ?? 0);
}

/**
 * @param {Element} place @param {number} value @param {[number, number] | null} interval
 * @param {boolean} changed @param {number} decimals
 * @returns {string} beside a number that a reader may have moved: the model's; else the model's interval
 */
function modelInWords(place, value, interval, changed, decimals) {
  if (changed) return `AI ${value.toFixed(decimals)}`;
  if (place.closest(".headline") || !interval) return "";
  return `${interval[0].toFixed(decimals)}–${interval[1].toFixed(decimals)}`;
}

/** @param {string} name @param {number} value @param {[number, number]} normal */
function showNormality(name, value, [low, high]) {
  const place = document.querySelector(`[data-normality="${name}"]`);
  if (!place) return;
  const rounded = Math.round(value);
  const word = rounded < low ? "below normal" : rounded > high ? "above normal" : "normal";
  place.textContent = word;
  place.classList.toggle("mark", word !== "normal");
}
