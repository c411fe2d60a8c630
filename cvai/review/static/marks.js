/** @file Numbers at what was measured on an image: linked to their rows in the list, and moved by handles. */

/** @typedef {[number, number]} Place x and y in pixels of the image */
/** @typedef {{name: string, title: string, track: Place[], span: [number, number], value: number, step: number, beside: Record<string, number>}} Handle see Handle in cvai/analyses/shown.py */
/** @typedef {{name: string, number: number, title: string, frame: number, at: Place, lines: Place[][], handles: Handle[]}} Mark */
/** @typedef {import("./loops.js").LoopView} LoopView */

const COLOUR = "#ff5c5c";
const LABEL = { width: 30, height: 24, near: 40, far: 64, directions: 16 };
/** Image pixels within which two points of a line are one, as of a double click. */
const SAME_POINT = 2;
/** Image pixels from a course within which a click counts as on it. */
const ON_COURSE = 20;

/** Marks of all views, the one that is looked at, and one that is being added. */
export class Marks {
  /**
   * @param {LoopView[]} views
   * @param {import("./loop_edits.js").LoopEdits} edits
   * @param {string} adding name of one that is added, with ``{n}`` for its number
   * @param {boolean} mayChange
   * @param {(view: number, frame: number) => void} show a frame of a view
   */
  constructor(views, edits, adding, mayChange, show) {
    this.views = views;
    this.edits = edits;
    this.adding = adding;
    this.mayChange = mayChange;
    this.show = show;
    /** @type {Record<string, Mark[]>} by view */
    this.marks = {};
    this.active = "";
    /** @type {{view: number, course: number, at: number} | null | undefined} the first point of one that is being added; undefined where none is */
    this.first = undefined;
    /** @type {{view: number, points: Place[]} | undefined} a line that is being drawn along what has no course */
    this.line = undefined;
    /** name that was chosen for the next line */
    this.named = "";
    this.layers = views.map((view, i) => new MarkLayer(view, this, i));
    this.list = /** @type {HTMLElement} */ (document.getElementById("scores-shown"));
    this.#listen();
  }

  /** @param {Record<string, Mark[]>} marks as the server measures them: of what was chosen when it was asked, which may have moved on */
  take(marks) {
    for (const mark of Object.values(marks).flat()) {
      for (const handle of mark.handles) handle.value = this.#chosen(mark, handle.name) ?? handle.value;
    }
    this.marks = marks;
    this.#hint();
    this.#draw();
  }

  /** @param {Mark} mark @param {string} place @returns {number | undefined} where a reader has put it; undefined where they have not */
  #chosen(mark, place) {
    return this.edits.chosen[`${mark.name}:${place}`];
  }

  /** @param {string} name look at a mark; none where it is empty */
  look(name) {
    if (name === this.active) return;
    this.active = name;
    this.#draw();
  }

  /** @param {number} i @returns {Mark[]} of the frame that a view shows */
  shownIn(i) {
    const { cine, viewer } = this.views[i];
    return (this.marks[cine.view] ?? []).filter(({ frame }) => frame === viewer.t);
  }

  /** @param {Mark} mark @param {Handle} handle @param {number} value where it is being dragged to */
  move(mark, handle, value) {
    handle.value = value;
    const beside = Object.entries(handle.beside).map(([place, at]) => [place, this.#chosen(mark, place) ?? at]);
    const places = [...beside, [handle.name, value]].map(([place, at]) => [`${mark.name}:${place}`, at]);
    this.edits.hold({ [mark.name]: null, ...Object.fromEntries(places) });
  }

  /** @param {number} i @param {import("./outlines.js").Point} at a point of one that is being added */
  point(i, at) {
    if (!this.views[i].cine.courses.length) {
      this.#extend(i, at);
      return;
    }
    const found = nearestCourse(this.views[i].cine.courses, at);
    if (!found) return;
    const { first } = this;
    if (!first || first.view !== i || first.course !== found.course || first.at === found.at) {
      this.first = { view: i, ...found };
      this.#draw();
      return;
    }
    const name = this.#nextName();
    const [begin, end] = [first.at, found.at].sort((a, b) => a - b);
    const places = { view: i + 1, course: found.course + 1, begin, end };
    this.edits.choose(Object.fromEntries(Object.entries(places).map(([place, value]) => [`${name}:${place}`, value])));
    this.#begin(undefined);
    this.look(name);
  }

  /** @param {number} i @param {import("./outlines.js").Point} at the next point of a line, in the frame that is measured */
  #extend(i, at) {
    const { cine, viewer } = this.views[i], frame = cine.beats[0].ed;
    if (viewer.t !== frame) {
      this.show(i, frame);
      return;
    }
    const points = this.line?.view === i ? this.line.points : [], last = points[points.length - 1];
    if (points.length >= Number(this.#named?.dataset.most)) return;
    if (!last || Math.hypot(at.x - last[0], at.y - last[1]) > SAME_POINT) this.line = { view: i, points: [...points, [at.x, at.y]] };
    this.#draw();
  }

  /** End a line; it waits until what it is drawn along has a name. */
  end() {
    const { line } = this, named = this.#named;
    if (!line || line.points.length < 2 || !named) return;
    if (!named.value) {
      named.focus();
      return;
    }
    const name = this.#nextName(), tenth = (/** @type {number} */ value) => Math.max(0, Math.round(10 * value) / 10);
    /** @type {Record<string, number>} */
    const places = { view: line.view + 1, [named.dataset.named ?? ""]: Number(named.value) };
    line.points.forEach(([x, y], at) => Object.assign(places, { [`y${at + 1}`]: tenth(y), [`x${at + 1}`]: tenth(x) }));
    this.edits.choose(Object.fromEntries(Object.entries(places).map(([place, value]) => [`${name}:${place}`, value])));
    this.#begin(undefined);
    this.look(name);
  }

  /** @returns {HTMLSelectElement | null} what names a line */
  get #named() {
    return this.list.querySelector("[data-named]");
  }

  /** @returns {string} of the next one: taken-out ones keep their numbers */
  #nextName() {
    const [before, after] = this.adding.split("{n}");
    const names = [...this.list.querySelectorAll("[data-of]")].map((row) => row.getAttribute("data-of") ?? "");
    const taken = [...names, ...Object.keys(this.edits.chosen)].map((name) => parseInt(name.slice(before.length), 10) || 0);
    return `${before}${Math.max(0, ...taken) + 1}${after}`;
  }

  /** @param {null | undefined} first null to begin, undefined to end */
  #begin(first) {
    this.first = first;
    this.line = undefined;
    this.#hint();
    if (first === null && this.#draws) this.views.forEach(({ cine }, i) => this.show(i, cine.beats[0].ed));
    for (const { stage } of this.views) stage.classList.toggle("adding", first === null);
    this.#draw();
  }

  /** @returns {boolean} whether lines are drawn, since nothing has a course */
  get #draws() {
    return this.views.every(({ cine }) => !cine.courses.length);
  }

  /** Say what to do while one is being added; the list may have come anew. */
  #hint() {
    const draws = this.#draws, named = this.#named;
    this.list.querySelector("[data-adding]")?.toggleAttribute("hidden", this.first === undefined || draws);
    this.list.querySelector("[data-drawing]")?.toggleAttribute("hidden", this.first === undefined || !draws);
    if (named) named.value = this.named;
  }

  #listen() {
    const rowOf = (/** @type {Event} */ event) => /** @type {HTMLElement} */ (event.target).closest("[data-of]")?.getAttribute("data-of");
    this.list.addEventListener("pointerover", (event) => this.look(rowOf(event) ?? this.active));
    this.list.addEventListener("change", ({ target }) => {
      if (target === this.#named) this.named = this.#named?.value ?? "";
    });
    this.list.addEventListener("focusin", (event) => {
      const name = rowOf(event);
      if (!name) return;
      this.look(name);
      this.views.forEach(({ cine }, i) => {
        const mark = this.marks[cine.view]?.find((one) => one.name === name);
        if (mark) this.show(i, mark.frame);
      });
    });
    this.list.addEventListener("click", (event) => {
      if (/** @type {HTMLElement} */ (event.target).closest("[data-add]")) this.#begin(null);
    });
    addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !this.line || event.target instanceof HTMLButtonElement) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      this.end();
    }, { capture: true });
    addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || this.first === undefined) return;
      event.stopImmediatePropagation();
      this.#begin(undefined);
    }, { capture: true });
  }

  #draw() {
    for (const row of this.list.querySelectorAll("[data-of]")) row.classList.toggle("lit", row.getAttribute("data-of") === this.active);
    for (const mark of Object.values(this.marks).flat()) {
      const place = this.list.querySelector(`[data-of="${mark.name}"] [data-shown]`);
      if (place) place.textContent = mark.title;
    }
    for (const { viewer } of this.views) viewer.draw();
  }
}

/** The marks on one canvas: their numbers and handles are elements over it, their lines are drawn on it. */
class MarkLayer {
  /** @param {LoopView} view @param {Marks} marks @param {number} index of the view */
  constructor(view, marks, index) {
    this.view = view;
    this.marks = marks;
    this.index = index;
    this.host = document.createElement("div");
    this.host.className = "marks";
    view.stage.append(this.host);
    /** @type {Map<string, HTMLButtonElement>} elements by what they are for */
    this.elements = new Map();
    view.mark = (context, scale) => this.draw(context, scale);
    view.stage.addEventListener("dblclick", () => marks.end());
    view.stage.addEventListener("pointerdown", (event) => this.#down(event), { capture: true });
  }

  /** @param {CanvasRenderingContext2D} context @param {number} scale */
  draw(context, scale) {
    const shown = this.marks.shownIn(this.index), wanted = new Set();
    const active = shown.find(({ name }) => name === this.marks.active);
    context.strokeStyle = context.fillStyle = COLOUR;
    if (active) this.#strokeLines(context, scale, active.lines);
    this.#drawFirst(context, scale);
    /** @type {Place[]} */
    const taken = [];
    for (const mark of shown) {
      const at = this.#freePlace(mark, taken);
      taken.push(at);
      wanted.add(this.#label(mark, at));
      this.#leader(context, scale, mark, at);
    }
    if (active && this.marks.mayChange) for (const handle of active.handles) wanted.add(this.#handle(active, handle));
    for (const [key, element] of this.elements) {
      if (wanted.has(key)) continue;
      element.remove();
      this.elements.delete(key);
    }
  }

  /** @param {CanvasRenderingContext2D} context @param {number} scale @param {Place[][]} lines */
  #strokeLines(context, scale, lines) {
    context.lineWidth = (1.6 * (window.devicePixelRatio || 1)) / scale;
    for (const line of lines) {
      context.beginPath();
      for (const [x, y] of line) context.lineTo(x, y);
      context.stroke();
    }
  }

  /** @param {CanvasRenderingContext2D} context @param {number} scale */
  #drawFirst(context, scale) {
    const { first, line } = this.marks;
    if (line?.view === this.index) {
      this.#strokeLines(context, scale, [line.points]);
      for (const [x, y] of line.points) {
        context.beginPath();
        context.arc(x, y, (3 * (window.devicePixelRatio || 1)) / scale, 0, 2 * Math.PI);
        context.fill();
      }
    }
    if (!first || first.view !== this.index) return;
    const [x, y] = this.view.cine.courses[first.course][first.at];
    context.beginPath();
    context.arc(x, y, (4 * (window.devicePixelRatio || 1)) / scale, 0, 2 * Math.PI);
    context.fill();
  }

  /** @param {CanvasRenderingContext2D} context @param {number} scale @param {Mark} mark @param {Place} label in CSS pixels */
  #leader(context, scale, { at }, label) {
    const from = this.view.viewer.placeOf(at), length = Math.hypot(label[0] - from[0], label[1] - from[1]);
    const pixel = (window.devicePixelRatio || 1) / scale;
    context.lineWidth = pixel;
    context.beginPath();
    for (const away of [LABEL.near / 2, length - LABEL.height / 2]) {
      const [dx, dy] = [0, 1].map((axis) => (away * pixel * (label[axis] - from[axis])) / length);
      context.lineTo(at[0] + dx, at[1] + dy);
    }
    context.stroke();
  }

  /** @param {Mark} mark @param {Place[]} taken @returns {Place} in CSS pixels, beside the mark: over no other number, and over nothing that was drawn if it can be */
  #freePlace({ at, frame }, taken) {
    const { viewer, labels, cine } = this.view;
    const [x, y] = viewer.placeOf(at), { clientWidth, clientHeight } = viewer.canvas;
    const drawn = labels.frame(frame, 0);
    const hides = (/** @type {Place} */ place) => [-1, 0, 1].some((i) => [-1, 0, 1].some((j) => {
      const image = viewer.imageOf([place[0] + (i * LABEL.width) / 2, place[1] + (j * LABEL.height) / 2]);
      return drawn[Math.round(image.y) * cine.columns + Math.round(image.x)] > 0;
    }));
    /** @type {Place[]} */
    const places = [];
    for (const radius of [LABEL.near, LABEL.far]) {
      for (let i = 0; i < LABEL.directions; i++) {
        const angle = (2 * Math.PI * i) / LABEL.directions;
        places.push([x + radius * Math.cos(angle), y + radius * Math.sin(angle)]);
      }
    }
    const free = places.filter(([left, top]) =>
      left > LABEL.width && left < clientWidth - LABEL.width && top > LABEL.height && top < clientHeight - LABEL.height
      && taken.every((other) => Math.abs(other[0] - left) > LABEL.width || Math.abs(other[1] - top) > LABEL.height));
    return free.find((place) => !hides(place)) ?? free[0] ?? places[0];
  }

  /** @param {Mark} mark @param {Place} at @returns {string} key of its element */
  #label(mark, at) {
    const key = mark.name, element = this.#element(key, "mark-number", () => {
      const button = document.createElement("button");
      for (const event of ["pointerenter", "focus", "click"]) button.addEventListener(event, () => this.marks.look(mark.name));
      return button;
    });
    element.textContent = String(mark.number);
    element.title = mark.title;
    element.setAttribute("aria-label", `${mark.number}: ${mark.title}`);
    element.classList.toggle("lit", mark.name === this.marks.active);
    put(element, at);
    return key;
  }

  /** @param {Mark} mark @param {Handle} handle @returns {string} key of its element */
  #handle(mark, handle) {
    const key = `${mark.name}:${handle.name}`, element = this.#element(key, "mark-handle", () => this.#newHandle(mark.name, handle.name));
    element.title = handle.title;
    element.dataset.handle = handle.name;
    element.setAttribute("aria-label", handle.title);
    element.setAttribute("aria-valuemin", String(Math.min(...handle.span)));
    element.setAttribute("aria-valuemax", String(Math.max(...handle.span)));
    element.setAttribute("aria-valuenow", String(handle.value));
    put(element, this.view.viewer.placeOf(onTrack(handle)));
    return key;
  }

  /** @param {string} name of a mark @param {string} place @returns {HTMLButtonElement} that moves it */
  #newHandle(name, place) {
    const { marks, view } = this, button = document.createElement("button");
    button.setAttribute("role", "slider");
    const current = () => {
      const mark = marks.shownIn(this.index).find((one) => one.name === name);
      const handle = mark?.handles.find((one) => one.name === place);
      return mark && handle ? { mark, handle } : null;
    };
    /** @type {import("./editor.js").Scores | null} what was chosen before it was dragged */
    let before = null;
    button.addEventListener("pointerdown", (event) => {
      button.setPointerCapture(event.pointerId);
      before = marks.edits.chosen;
    });
    button.addEventListener("pointermove", (event) => {
      const held = before && current();
      if (held) marks.move(held.mark, held.handle, valueAt(held.handle, view.viewer.at(event)));
    });
    const up = () => {
      if (before) marks.edits.settle(before);
      before = null;
    };
    button.addEventListener("pointerup", up);
    button.addEventListener("pointercancel", up);
    button.addEventListener("keydown", (event) => {
      const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key], held = current();
      if (!steps || !held) return;
      event.preventDefault();
      event.stopPropagation();
      const chosen = marks.edits.chosen, { span, step, value } = held.handle;
      marks.move(held.mark, held.handle, within(value + steps * step, span, step));
      marks.edits.settle(chosen);
    });
    return button;
  }

  /** @param {string} key @param {string} kind @param {() => HTMLButtonElement} make @returns {HTMLButtonElement} */
  #element(key, kind, make) {
    let element = this.elements.get(key);
    if (!element) {
      element = make();
      element.type = "button";
      element.className = kind;
      this.elements.set(key, element);
      this.host.append(element);
    }
    return element;
  }

  /** @param {PointerEvent} event */
  #down(event) {
    const { marks, view } = this;
    if (event.target !== view.viewer.canvas || event.button !== 0) return;
    if (marks.first === undefined) {
      marks.look("");
      return;
    }
    event.stopPropagation();
    event.preventDefault();
    marks.point(this.index, view.viewer.at(event));
  }
}

/** @param {HTMLElement} element @param {Place} at in CSS pixels of the stage */
function put(element, [left, top]) {
  element.style.left = `${left.toFixed(1)}px`;
  element.style.top = `${top.toFixed(1)}px`;
}

/** @param {number} value @param {[number, number]} span @param {number} step @returns {number} a multiple of the step within the span */
function within(value, span, step) {
  const low = Math.ceil(Math.min(...span) / step - 1e-6), high = Math.floor(Math.max(...span) / step + 1e-6);
  return Number((Math.min(high, Math.max(low, Math.round(value / step))) * step).toFixed(3));
}

/** @param {Handle} handle @returns {Place} where it is */
function onTrack({ track, span, value }) {
  const along = ((value - span[0]) / (span[1] - span[0] || 1)) * (track.length - 1);
  const i = Math.min(track.length - 2, Math.max(0, Math.floor(along))), share = along - i;
  const [[x, y], [toX, toY]] = track.slice(i, i + 2);
  return [x + share * (toX - x), y + share * (toY - y)];
}

/** @param {Handle} handle @param {import("./outlines.js").Point} at @returns {number} its value at the place of the track that is nearest */
function valueAt({ track, span, step }, at) {
  let best = { distance: Infinity, along: 0 };
  for (let i = 0; i + 1 < track.length; i++) {
    const [x, y] = track[i], dx = track[i + 1][0] - x, dy = track[i + 1][1] - y;
    const share = Math.min(1, Math.max(0, ((at.x - x) * dx + (at.y - y) * dy) / (dx * dx + dy * dy || 1)));
    const distance = Math.hypot(x + share * dx - at.x, y + share * dy - at.y);
    if (distance < best.distance) best = { distance, along: i + share };
  }
  return within(span[0] + (best.along / (track.length - 1)) * (span[1] - span[0]), span, step);
}

/** @param {Place[][]} courses @param {import("./outlines.js").Point} at @returns {{course: number, at: number} | null} the point of a course that is nearest */
function nearestCourse(courses, { x, y }) {
  let best = { distance: ON_COURSE, course: -1, at: 0 };
  courses.forEach((line, course) => line.forEach((place, i) => {
    const distance = Math.hypot(place[0] - x, place[1] - y);
    if (distance < best.distance) best = { distance, course, at: i };
  }));
  return best.course < 0 ? null : { course: best.course, at: best.at };
}
