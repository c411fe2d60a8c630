/** @file Playing at the speed of the heart. */

import { _ } from "./words.js";

const USUAL_BEAT_MS = 900;
const COUNT_OVER_MS = 1000;

/** @typedef {{cine: {n_phases: number, times_ms: number[] | null, heart_rate_bpm: number | null}, viewer: {t: number}}} Track */

export class Player {
  /**
   * @param {Track[]} tracks what plays together, each at its own speed; the first one leads
   * @param {(t: number, track: number) => void} go show a phase of a track
   */
  constructor(tracks, go) {
    this.tracks = tracks;
    this.leading = 0;
    this.go = go;
    this.playing = false;
    this.button = /** @type {HTMLButtonElement} */ (document.getElementById("play"));
    this.slider = /** @type {HTMLInputElement} */ (document.getElementById("phase"));
    this.text = /** @type {HTMLOutputElement} */ (document.getElementById("phase-text"));
    this.rate = /** @type {HTMLElement} */ (document.getElementById("frame-rate"));
    this.slider.disabled = false;
    this.slider.addEventListener("input", () => this.go(Number(this.slider.value), this.leading));
    this.button.addEventListener("click", () => this.toggle());
  }

  /** @returns {Track} the one that slider and frame rate speak of */
  get lead() {
    return this.tracks[this.leading];
  }

  /** @param {boolean} complete whether every frame is there */
  ready(complete) {
    if (complete) this.button.dataset.ready = "yes";
  }

  show() {
    const { cine, viewer } = this.lead;
    this.slider.max = String(cine.n_phases - 1);
    this.slider.value = String(viewer.t);
    this.slider.setAttribute("aria-valuetext", _("phase {number}", { number: viewer.t + 1 }));
    this.text.textContent = cine.times_ms ? `${Math.round(cine.times_ms[viewer.t])} ms` : `${viewer.t + 1}`;
  }

  toggle() {
    this.playing = !this.playing;
    this.button.textContent = this.playing ? _("Pause") : _("Play");
    this.button.setAttribute("aria-pressed", String(this.playing));
    this.rate.textContent = "";
    if (this.playing) this.#play();
    else this.tracks.forEach(({ viewer }, i) => this.go(viewer.t, i));
  }

  stop() {
    if (this.playing) this.toggle();
  }

  #play() {
    const begun = performance.now();
    const from = this.tracks.map(({ viewer }) => viewer.t), last = [...from];
    let shown = 0, counted = begun;
    const tick = (/** @type {number} */ now) => {
      if (!this.playing) return;
      this.tracks.forEach(({ cine }, i) => {
        const step = from[i] + Math.floor(Math.max(0, now - begun) / phaseMs(cine));
        if (step === last[i]) return;
        last[i] = step;
        if (i === this.leading) shown++;
        this.go(step % cine.n_phases, i);
      });
      if (now - counted >= COUNT_OVER_MS) {
        const rate = (1000 * shown) / (now - counted);
        this.rate.textContent = _("{rate} frames/s", { rate: rate.toFixed(0) });
        document.body.dataset.framesPerSecond = rate.toFixed(1);
        shown = 0;
        counted = now;
      }
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }
}

/** @param {Track["cine"]} cine @returns {number} how long a phase stands */
function phaseMs({ n_phases, times_ms, heart_rate_bpm }) {
  if (times_ms && times_ms.length > 1) return (times_ms[times_ms.length - 1] - times_ms[0]) / (times_ms.length - 1);
  return (heart_rate_bpm ? 60000 / heart_rate_bpm : USUAL_BEAT_MS) / n_phases;
}
