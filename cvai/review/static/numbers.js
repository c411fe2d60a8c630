/** @file The measurements, as the contours stand now. */

import { getJson } from "./api.js";
import { _ } from "./words.js";

/** @typedef {{name: string, value: number, interval: [number, number] | null, normal: [number, number] | null}} Measurement */

/** Numbers of the contours: the server measures what has been saved; some are counted here while the hand moves. */
export class Numbers {
  /**
   * @param {string} base address of the study's API
   * @param {import("./draft.js").Changed} editor
   * @param {Measurement[]} model what the model measured
   * @param {() => Record<string, number>} count numbers of the contours as they stand, as far as they are known here
   */
  constructor(base, editor, model, count) {
    this.base = base;
    this.editor = editor;
    this.model = model;
    this.count = count;
    /** @type {Record<string, number>} */
    this.measured = {};
    /** @type {Record<string, string>} */
    this.units = {};
    /** Of the editor: which contours ``measured`` is of. */
    this.revision = -1;
    /** @type {Promise<unknown>} */
    this.settled = Promise.resolve();
  }

  /**
   * Take what the server measures of the contours that are saved.
   * @param {number} revision of the editor that was saved
   * @returns {Promise<{wall: string, scores: string, signed: any[], units: Record<string, string>, marks: any, findings: string, places: any[][], proposed: string, curves: Record<string, number[] | null>, loops?: import("./loops.js").Redrawn[], remarks: string[]}>}
   *   the wall of these contours as HTML, empty where the analysis has none; their findings as HTML and where each
   *   leads; their curves; and what is drawn on loops and how they were measured
   */
  refresh(revision) {
    const asked = getJson(`${this.base}/measured`).then((told) => {
      this.measured = told.measurements;
      this.units = told.units;
      this.revision = revision;
      return told;
    });
    this.settled = asked;
    return asked;
  }

  /** @returns {boolean} whether the server has measured the contours as they stand */
  get current() {
    return !this.editor.changed || this.revision === this.editor.revision;
  }

  /** @returns {Record<string, number>} every number by its name, the newest there is */
  get values() {
    const { counted, measured } = this;
    const model = Object.fromEntries(this.model.map(({ name, value }) => [name, value]));
    if (!this.editor.changed) return model;
    return this.current ? measured : { ...model, ...measured, ...counted };
  }

  /** @returns {Record<string, number>} the numbers that need no server, also by body surface where it is known */
  get counted() {
    const values = this.count();
    const surface = this.model.find(({ name }) => name === "bsa")?.value;
    if (!surface) return values;
    const indexed = Object.entries(values).map(([name, value]) => [`${name}_index`, value / surface]);
    return { ...values, ...Object.fromEntries(indexed) };
  }

  /** Show them, and beside those that moved what the model had measured. */
  show() {
    const { values, counted, current } = this;
    const { changed } = this.editor;
    for (const [name, places] of placesByName()) {
      const now = values[name];
      const model = this.model.find((measurement) => measurement.name === name);
      if (now === undefined) {
        if (current) places.filter((place) => place.textContent).forEach(showMissing);
        continue;
      }
      const moved = changed && (!model || Math.abs(now - model.value) > 1e-6);
      for (const place of places) {
        show(place, now, moved);
        place.classList.toggle("waits", !current && !(name in counted));
        showRow(place, this.units[name]);
      }
      if (model) this.#showBesideModel(model, now);
      showEitherSex(name, now);
    }
  }

  /** @param {Measurement} model @param {number} now */
  #showBesideModel({ name, value, interval, normal }, now) {
    for (const place of document.querySelectorAll(`[data-model="${name}"]`)) {
      place.textContent = modelInWords(place, value, interval, this.editor.changed, decimalsOf(name));
    }
    if (normal) showNormality(name, now, normal);
  }
}

/** @returns {Map<string, Element[]>} where each number stands, by its name */
function placesByName() {
  const places = new Map();
  for (const place of document.querySelectorAll("[data-value]")) {
    const name = place.getAttribute("data-value");
    places.set(name, [...(places.get(name) ?? []), place]);
  }
  return places;
}

/** @param {Element} place of a number that no model measured @param {string | undefined} unit */
function showRow(place, unit) {
  const row = place.closest("tr");
  if (!row?.hidden) return;
  row.hidden = false;
  const text = row.querySelector("[data-unit]");
  if (text && unit) text.textContent = unit;
}

/** @param {Element} place of what these contours do not measure */
function showMissing(place) {
  place.textContent = "–";
  place.classList.remove("waits");
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
  if (changed) return _("AI {value}", { value: value.toFixed(decimals) });
  if (place.closest(".headline") || !interval) return "";
  const [low, high] = interval.map((bound) => bound.toFixed(decimals));
  return interval[0] < 0 ? `${low} … ${high}` : `${low}–${high}`;
}

/** What is said of a value where no sex is stated, by `normalityOf`. @type {Record<string, string>} */
const EITHER_SEX = {
  "below normal": _("below normal for either sex"),
  normal: _("sex not stated"),
  "above normal": _("above normal for either sex"),
};

/** @param {number} value @param {[number, number]} normal @returns {string} */
function normalityOf(value, [low, high]) {
  const rounded = Math.round(value);
  return rounded < low ? "below normal" : rounded > high ? "above normal" : "normal";
}

/** @param {string} name @param {number} value @param {[number, number]} normal */
function showNormality(name, value, normal) {
  const word = normalityOf(value, normal);
  const mark = { "below normal": "▼", "above normal": "▲" }[word] ?? "";
  for (const place of document.querySelectorAll(`[data-mark="${name}"]`)) {
    place.innerHTML = mark && `<span aria-hidden="true">${mark}</span><span class="hidden">${_(word)}</span>`;
  }
  const place = document.querySelector(`[data-normality="${name}"]`);
  if (!place) return;
  place.textContent = _(word);
  place.classList.toggle("mark", word !== "normal");
}

/** @param {string} name @param {number} value against limits that hold for women and men, where no sex is stated */
function showEitherSex(name, value) {
  const place = document.querySelector(`[data-either-sex="${name}"]`);
  if (!(place instanceof HTMLElement)) return;
  const word = normalityOf(value, [Number(place.dataset.low), Number(place.dataset.high)]);
  place.textContent = EITHER_SEX[word];
  place.classList.toggle("mark", word !== "normal");
}
