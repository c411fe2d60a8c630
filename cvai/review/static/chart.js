/** @file Small charts as SVG: curves over the beat, a measurement over the years, agreement. */

import { getJson, meta } from "./api.js";
import { _ } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const MARGIN = { left: 36, right: 10, top: 28, bottom: 34 };

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 * @param {Element} [parent]
 * @returns {SVGElement}
 */
export function element(name, attributes, parent) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  parent?.append(made);
  return made;
}

/** @param {number} low @param {number} high @param {number} wanted @returns {number[]} about so many round numbers that span both */
export function ticks(low, high, wanted) {
  const rough = Math.max(high - low, 1e-9) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough * (1 - 1e-9)) ?? rough;
  const found = [];
  for (let i = Math.floor(low / step); i <= Math.ceil(high / step - 1e-9); i++) found.push(+(i * step).toFixed(6));
  return found;
}

/** A plot with axes; data coordinates in, SVG coordinates out. */
export class Plot {
  /**
   * @param {HTMLElement} host
   * @param {{x: [number, number], y: number[], xTicks: number[], xTitle: string, yTitle: string, label: string, xText?: (v: number) => string}} axes
   */
  constructor(host, axes) {
    this.width = Math.max(260, host.clientWidth);
    this.height = Math.max(120, host.clientHeight);
    this.axes = axes;
    this.svg = element("svg", { viewBox: `0 0 ${this.width} ${this.height}`, role: "img", "aria-label": axes.label });
    host.replaceChildren(this.svg);
    this.#drawAxes();
  }

  /** @param {number} value @returns {number} */
  x(value) {
    const [low, high] = this.axes.x;
    return MARGIN.left + ((value - low) / (high - low || 1)) * (this.width - MARGIN.left - MARGIN.right);
  }

  /** @param {number} value @returns {number} */
  y(value) {
    const low = this.axes.y[0], high = this.axes.y[this.axes.y.length - 1];
    return this.height - MARGIN.bottom - ((value - low) / (high - low || 1)) * (this.height - MARGIN.top - MARGIN.bottom);
  }

  /** @param {number} clientX @returns {number} the data value under a pointer */
  valueAt(clientX) {
    const box = this.svg.getBoundingClientRect();
    const x = ((clientX - box.left) / box.width) * this.width;
    const [low, high] = this.axes.x;
    return low + ((x - MARGIN.left) / (this.width - MARGIN.left - MARGIN.right)) * (high - low);
  }

  /** @param {[number, number][]} points @param {Record<string, string>} look attributes @returns {SVGElement} */
  line(points, look) {
    const path = points.map(([x, y]) => `${this.x(x).toFixed(1)},${this.y(y).toFixed(1)}`).join(" ");
    return element("polyline", { points: path, ...look }, this.svg);
  }

  /** @param {number} x @param {number} y @param {Record<string, string>} look attributes @param {number} [radius] @returns {SVGElement} */
  dot(x, y, look, radius = 3) {
    return element("circle", { cx: this.x(x), cy: this.y(y), r: radius, ...look }, this.svg);
  }

  /** @param {number} x @param {string} kind @param {string} [name] @returns {SVGElement} */
  upright(x, kind, name) {
    const at = this.x(x);
    const group = element("g", { class: kind }, this.svg);
    element("line", { x1: at, x2: at, y1: MARGIN.top, y2: this.height - MARGIN.bottom }, group);
    if (name) element("text", { x: at, y: MARGIN.top - 6, "text-anchor": "middle" }, group).textContent = name;
    return group;
  }

  /** @param {number} y @param {string} kind */
  level(y, kind) {
    element("line", { x1: MARGIN.left, x2: this.width - MARGIN.right, y1: this.y(y), y2: this.y(y), class: kind }, this.svg);
  }

  #drawAxes() {
    for (const value of this.axes.y) {
      this.level(value, "grid");
      const text = element("text", { x: MARGIN.left - 5, y: this.y(value) + 4, "text-anchor": "end", class: "tick" }, this.svg);
      text.textContent = String(value);
    }
    for (const value of this.axes.xTicks) {
      const text = element("text", { x: this.x(value), y: this.height - MARGIN.bottom + 15, "text-anchor": "middle", class: "tick" }, this.svg);
      text.textContent = this.axes.xText ? this.axes.xText(value) : String(value);
    }
    element("text", { x: 2, y: 10, class: "tick" }, this.svg).textContent = this.axes.yTitle;
    const title = element("text", { x: this.width - MARGIN.right, y: this.height - 1, "text-anchor": "end", class: "tick" }, this.svg);
    title.textContent = this.axes.xTitle;
  }
}

/** @typedef {{time: string, unit: string, what: string}} CurveWords */

/** @typedef {{values: number[], colour: string, dashed: boolean}} CurveLine NaN where there is no value */

/** @param {[number, number][]} points @returns {[number, number][][]} stretches without a missing value */
function stretches(points) {
  /** @type {[number, number][][]} */
  const found = [[]];
  for (const point of points) {
    if (Number.isNaN(point[1])) found.push([]);
    else found[found.length - 1].push(point);
  }
  return found.filter((stretch) => stretch.length);
}

/** Curves of a heartbeat; a click goes to the phase. */
export class BeatCurve {
  /**
   * @param {HTMLElement} host
   * @param {{times_ms: number[] | null, n_phases: number}} cine
   * @param {(t: number) => void} go
   * @param {CurveWords} words
   */
  constructor(host, cine, go, words) {
    this.host = host;
    this.words = words;
    this.times = cine.times_ms ?? Array.from({ length: cine.n_phases }, (_, t) => t + 1);
    this.xTitle = cine.times_ms ? words.time : _("phase");
    host.addEventListener("pointerdown", (event) => {
      if (this.plot) go(this.#phaseAt(this.plot.valueAt(event.clientX)));
    });
    host.addEventListener("pointermove", (event) => {
      if (this.plot && event.buttons) go(this.#phaseAt(this.plot.valueAt(event.clientX)));
    });
  }

  /** @param {CurveLine[]} lines the first has dots @param {{ed: number, es: number}[]} beats @param {number} t */
  draw(lines, beats, t) {
    const { times } = this;
    const last = times[times.length - 1];
    const xTicks = ticks(times[0], last, 5).filter((v) => v >= times[0] && v <= last);
    const ends = beats.map(({ ed, es }) => _("End-diastole at phase {ed}, end-systole at phase {es}.", { ed: ed + 1, es: es + 1 }));
    const label = `${this.words.what}. ${ends.join(" ")}`;
    const every = lines.flatMap(({ values }) => values.filter((v) => !Number.isNaN(v)));
    const low = Math.min(...every, 0);
    const y = ticks(low, Math.max(...every, low < 0 ? 0 : 1), 4);
    this.plot = new Plot(this.host, { x: [times[0], last], y, xTicks, xTitle: this.xTitle, yTitle: this.words.unit, label });
    for (const { ed, es } of beats) {
      this.plot.upright(times[ed], "mark", "ED");
      this.plot.upright(times[es], "mark", "ES");
    }
    for (const { values, colour, dashed } of [...lines].reverse()) {
      const look = { stroke: colour, ...(dashed ? { "stroke-dasharray": "6 3" } : {}) };
      for (const stretch of stretches(values.map((v, i) => [times[i], v]))) this.plot.line(stretch, look);
    }
    for (const [at, value] of stretches((lines[0]?.values ?? []).map((v, i) => [times[i], v])).flat()) {
      this.plot.dot(at, value, { fill: lines[0].colour }, 2);
    }
    this.cursor = null;
    this.moveTo(t);
  }

  /** @param {number} t */
  moveTo(t) {
    this.cursor?.remove();
    this.cursor = this.plot?.upright(this.times[t], "cursor") ?? null;
  }

  /** @param {number} value */
  #phaseAt(value) {
    const away = this.times.map((time) => Math.abs(time - value));
    return away.indexOf(Math.min(...away));
  }
}

/** @param {string} base address of the study's API; the trend is shown where the patient has earlier studies */
export async function showTrend(base) {
  const priors = await getJson(`${base}/priors`).catch(() => []);
  const section = /** @type {HTMLElement} */ (document.getElementById("priors"));
  section.hidden = priors.length < 2;
  if (priors.length > 1) drawTrend(/** @type {HTMLElement} */ (document.getElementById("trend")), priors, meta("job"));
}

/**
 * The main measurement of one patient over time; a click opens the study.
 * @param {HTMLElement} host
 * @param {{job_id: string, study_date: string, value: number, modality: string}[]} priors of one or several modalities
 * @param {string} current
 */
function drawTrend(host, priors, current) {
  const day = (/** @type {string} */ text) => Date.UTC(+text.slice(0, 4), +text.slice(4, 6) - 1, +text.slice(6, 8)) / 864e5;
  const days = priors.map((prior) => day(prior.study_date));
  const room = Math.max(20, 0.1 * (Math.max(...days) - Math.min(...days)));
  const x = /** @type {[number, number]} */ ([Math.min(...days) - room, Math.max(...days) + room]);
  const xText = (/** @type {number} */ value) => new Date(value * 864e5).toISOString().slice(0, 7);
  const unit = meta("unit");
  const words = (/** @type {{value: number}} */ { value }) => `${value.toFixed(0)} ${unit}`;
  const label = `${meta("headline")}: ${priors.map((p) => _("{date} {value} by {modality}", { date: dated(p.study_date), value: words(p), modality: p.modality })).join(", ")}`;
  const y = unit === "%" ? ticks(0, 100, 5) : ticks(0, Math.max(...priors.map(({ value }) => value)), 4);
  const plot = new Plot(host, { x, y, xTicks: [...new Set([days[0], days[days.length - 1]])], xText, xTitle: "", yTitle: unit, label });
  plot.svg.setAttribute("role", "group");
  const modalities = [...new Set(priors.map(({ modality }) => modality))].sort();
  const kindOf = (/** @type {string} */ modality) => `kind-${modalities.indexOf(modality) % 2}`;
  for (const modality of modalities) {
    const points = priors.flatMap((prior, i) => (prior.modality === modality ? [[days[i], prior.value]] : []));
    plot.line(/** @type {[number, number][]} */ (points), { class: kindOf(modality) });
  }
  priors.forEach((prior, i) => {
    const link = element("a", { href: `/studies/${prior.job_id}` }, plot.svg);
    const kind = kindOf(prior.modality), here = prior.job_id === current;
    element("title", {}, link).textContent = `${prior.modality}, ${dated(prior.study_date)}: ${words(prior)}`;
    link.append(plot.dot(days[i], prior.value, { class: here ? `${kind} here` : kind }, here ? 6 : 4));
    const text = element("text", { x: plot.x(days[i]), y: plot.y(prior.value) - 9, "text-anchor": "middle", class: "tick" }, link);
    text.textContent = words(prior);
  });
}

/** @param {string} text a DICOM date @returns {string} as 2024-02-29 */
function dated(text) {
  return `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6, 8)}`;
}
