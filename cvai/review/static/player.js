/** @file Playing the cine at the speed of the heart. */

const USUAL_BEAT_MS = 900;
const COUNT_OVER_MS = 1000;

export class Player {
  /**
   * @param {import("./cine.js").Cine} cine
   * @param {import("./viewer.js").Viewer} viewer
   * @param {(t: number) => void} go
   */
  constructor(cine, viewer, go) {
    this.cine = cine;
    this.viewer = viewer;
    this.go = go;
    this.playing = false;
    this.button = /** @type {HTMLButtonElement} */ (document.getElementById("play"));
    this.slider = /** @type {HTMLInputElement} */ (document.getElementById("phase"));
    this.text = /** @type {HTMLOutputElement} */ (document.getElementById("phase-text"));
    this.rate = /** @type {HTMLElement} */ (document.getElementById("frame-rate"));
    this.slider.max = String(cine.n_phases - 1);
    this.slider.disabled = false;
    this.slider.addEventListener("input", () => this.go(Number(this.slider.value)));
    this.button.addEventListener("click", () => this.toggle());
  }

  /** @returns {number} how long a phase stands */
  get phaseMs() {
    const times = this.cine.times_ms;
    if (times && times.length > 1) return (times[times.length - 1] - times[0]) / (times.length - 1);
    return (this.cine.heart_rate_bpm ? 60000 / this.cine.heart_rate_bpm : USUAL_BEAT_MS) / this.cine.n_phases;
  }

  /** @param {boolean} complete whether every frame is there */
  ready(complete) {
    if (complete) this.button.dataset.ready = "yes";
  }

  show() {
    this.slider.value = String(this.viewer.t);
    this.slider.setAttribute("aria-valuetext", `phase ${this.viewer.t + 1}`);
    const times = this.cine.times_ms;
    this.text.textContent = times ? `${Math.round(times[this.viewer.t])} ms` : `${this.viewer.t + 1}`;
  }

  toggle() {
    this.playing = !this.playing;
    this.button.textContent = this.playing ? "Pause" : "Play";
    this.button.setAttribute("aria-pressed", String(this.playing));
    this.rate.textContent = "";
    if (this.playing) this.#play();
    else this.go(this.viewer.t);
  }

  stop() {
    if (this.playing) this.toggle();
  }

  #play() {
    const begun = performance.now(), from = this.viewer.t;
    let shown = 0, counted = begun, last = from;
    const tick = (/** @type {number} */ now) => {
      if (!this.playing) return;
      const step = from + Math.floor(Math.max(0, now - begun) / this.phaseMs);
      if (step !== last) {
        last = step;
        shown++;
        this.go(step % this.cine.n_phases);
      }
      if (now - counted >= COUNT_OVER_MS) {
        const rate = (1000 * shown) / (now - counted);
        this.rate.textContent = `${rate.toFixed(0)} frames/s`;
        document.body.dataset.framesPerSecond = rate.toFixed(1);
        shown = 0;
        counted = now;
      }
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }
}
