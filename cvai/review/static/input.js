/** @file Mouse, pen, touch and keyboard. */

import { nextToRead, onKey, wanted, ZOOM_STEP } from "./keys.js";
import { Look } from "./look.js";

/** @typedef {import("./editor.js").Tool} Tool */
/** @typedef {import("./layers.js").Layer} Layer */
/** @typedef {{editor: import("./editor.js").Editor, viewer: import("./viewer.js").Viewer}} View a canvas, and what is changed on it */

/**
 * @typedef {object} App
 * @property {View[]} views
 * @property {View} current the view that keys and buttons refer to
 * @property {(view: View) => void} lead make a view the current one
 * @property {import("./player.js").Player} player
 * @property {(t: number) => void} go show a frame of the current view
 * @property {(phase: "ed" | "es") => void} goTo
 * @property {(view: View, steps: number) => void} scroll what the wheel does
 * @property {(view: View) => void} showWhere
 * @property {() => void} toggled contours were hidden or shown
 * @property {() => Record<string, () => void>} keys more keys than all pages have, at this moment
 * @property {boolean} mayChange
 * @property {(id: string) => HTMLElement} part
 */

/** @param {App} app */
export function handle(app) {
  const tools = new Tools(app);
  const looks = new Map(app.views.map((view) => [view, new Look(view.viewer, () => app.showWhere(view))]));
  for (const [view, look] of looks) onPointer(app, tools, view, look);
  onKeys(app, tools, looks);
  onButtons(app, looks);
}

/** Which tool and which contour are chosen. */
class Tools {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    /** @type {Tool} */
    this.tool = "look";
    for (const name of ["tool", "layer"]) {
      for (const button of this.#buttons(name)) {
        button.addEventListener("click", () => this.choose(name, button.getAttribute(`data-${name}`) ?? ""));
      }
    }
    if (!app.mayChange) this.#buttons("tool").forEach((button) => (button.hidden = button.dataset.tool !== "look"));
  }

  /** @param {string} name ``tool`` or ``layer`` @param {string} value */
  choose(name, value) {
    const { views, mayChange } = this.app;
    if (name === "tool" && mayChange) this.tool = /** @type {Tool} */ (value);
    const chosen = name === "layer" ? value : this.tool;
    for (const button of this.#buttons(name)) {
      button.setAttribute("aria-checked", String(button.getAttribute(`data-${name}`) === chosen));
    }
    for (const { viewer } of views) {
      if (name === "layer") viewer.layer = /** @type {Layer} */ (viewer.layers.find((layer) => layer.name === value));
      viewer.brush = null;
      viewer.canvas.dataset.tool = this.tool;
      viewer.draw();
    }
  }

  /** @param {string} name @returns {HTMLButtonElement[]} */
  #buttons(name) {
    return [...document.querySelectorAll(`[data-${name}]`)].filter((e) => e instanceof HTMLButtonElement);
  }
}

/** @param {App} app @param {Tools} tools @param {View} view @param {Look} looking */
function onPointer(app, tools, view, looking) {
  const { editor, viewer } = view;
  const { canvas } = viewer;
  let drawing = false;
  canvas.addEventListener("focus", () => app.lead(view));
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({ preventScroll: true });
    if (tools.tool !== "look") app.player.stop();
    const byHand = event.button === 0 && !event.shiftKey && event.isPrimary;
    if (byHand && tools.tool !== "look") drawing = editor.begin(viewer.t, viewer.z, viewer.layer, tools.tool, viewer.at(event));
    else looking.begin(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    const at = viewer.at(event);
    if (drawing && editor.drag) {
      editor.move(at);
      viewer.stroke = editor.drag.tool === "draw" ? editor.drag.path : null;
    } else looking.move(event);
    viewer.brush = tools.tool === "look" || tools.tool === "draw" ? null : { at, radius: editor.reach };
    if (tools.tool !== "look") viewer.draw();
  });
  const up = (/** @type {PointerEvent} */ event) => {
    if (drawing) editor.end();
    drawing = false;
    viewer.stroke = null;
    looking.end(event);
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", () => {
    viewer.brush = null;
    viewer.draw();
  });
  canvas.addEventListener("wheel", (event) => wheel(app, view, looking, event), { passive: false });
}

/** @param {App} app @param {View} view @param {Look} looking @param {WheelEvent} event */
function wheel(app, view, looking, event) {
  event.preventDefault();
  const { viewer, editor } = view;
  if (event.ctrlKey) looking.zoomBy(Math.exp(-event.deltaY / 400));
  else if (event.altKey) {
    editor.widen(-Math.sign(event.deltaY));
    if (viewer.brush) viewer.brush.radius = editor.reach;
    viewer.draw();
  } else app.scroll(view, Math.sign(event.deltaY));
}

/**
 * What every key does.
 * @param {App} app @param {Tools} tools @param {Map<View, Look>} looks
 * @returns {Record<string, () => void>}
 */
function keyTable(app, tools, looks) {
  const { player, current } = app;
  const { editor, viewer } = current, looking = /** @type {Look} */ (looks.get(current));
  const press = (/** @type {string} */ id) => () => app.part(id)?.click();
  const layers = viewer.layers.map(({ name }, i) => [String(i + 1), () => tools.choose("layer", name)]);
  return {
    ...Object.fromEntries(layers),
    " ": () => player.toggle(),
    ArrowLeft: () => app.go(viewer.t - 1),
    ArrowRight: () => app.go(viewer.t + 1),
    Home: () => app.goTo("ed"),
    End: () => app.goTo("es"),
    c: press("contours"),
    v: () => tools.choose("tool", "look"),
    p: () => tools.choose("tool", "pull"),
    d: () => tools.choose("tool", "draw"),
    a: () => tools.choose("tool", "add"),
    e: () => tools.choose("tool", "erase"),
    "[": () => editor.widen(-1),
    "]": () => editor.widen(1),
    Delete: press("drop"),
    x: press("copy"),
    D: press("set-ed"),
    S: press("set-es"),
    0: () => looking.reset(),
    "+": () => looking.zoomBy(ZOOM_STEP),
    "-": () => looking.zoomBy(1 / ZOOM_STEP),
    Enter: press("accept"),
    n: () => nextToRead(),
    "?": () => /** @type {HTMLDialogElement} */ (app.part("keys-dialog")).showModal(),
    Escape: () => location.assign("/"),
    ...app.keys(),
  };
}

/** @param {App} app @param {Tools} tools @param {Map<View, Look>} looks */
function onKeys(app, tools, looks) {
  onKey((event) => (event.ctrlKey || event.metaKey ? historyStep(app.current.editor, event) : wanted(keyTable(app, tools, looks), event)));
}

/** @param {import("./editor.js").Editor} editor @param {KeyboardEvent} event @returns {(() => void) | null} */
function historyStep(editor, event) {
  const key = event.key.toLowerCase();
  if (key === "y" || (key === "z" && event.shiftKey)) return () => editor.redo();
  return key === "z" ? () => editor.undo() : null;
}

/** @param {App} app @param {Map<View, Look>} looks */
function onButtons(app, looks) {
  const { part } = app;
  /** @param {string} id @param {(view: View) => void} act in the current view @param {boolean} [changes] whether it needs the right to change */
  const on = (id, act, changes = false) => {
    const button = part(id);
    if (!button) return;
    if (changes && !app.mayChange) button.hidden = true;
    button.addEventListener("click", () => act(app.current));
  };
  on("contours", () => {
    const shown = part("contours").getAttribute("aria-pressed") !== "true";
    part("contours").setAttribute("aria-pressed", String(shown));
    for (const { viewer } of app.views) {
      viewer.showContours = shown;
      viewer.draw();
    }
    app.toggled();
  });
  on("drop", ({ editor, viewer }) => editor.drop(viewer.t, viewer.z, viewer.layer), true);
  on("copy", ({ editor, viewer }) => {
    const from = (viewer.t + viewer.cine.n_phases - 1) % viewer.cine.n_phases;
    editor.copy(viewer.t, viewer.z, from, viewer.layer);
  }, true);
  on("undo", ({ editor }) => editor.undo(), true);
  on("redo", ({ editor }) => editor.redo(), true);
  on("go-ed", () => app.goTo("ed"));
  on("go-es", () => app.goTo("es"));
  on("set-ed", ({ editor, viewer }) => editor.setPhase("ed", viewer.t), true);
  on("set-es", ({ editor, viewer }) => editor.setPhase("es", viewer.t), true);
  on("fit", () => looks.forEach((look) => look.reset()));
  on("help", () => /** @type {HTMLDialogElement} */ (part("keys-dialog")).showModal());
  for (const { editor } of app.views) editor.addEventListener("change", () => showHistory(app));
}

/** @param {Pick<App, "part" | "current">} app undo and redo as the current view has something for them */
export function showHistory({ part, current }) {
  if (!part("undo")) return;
  /** @type {HTMLButtonElement} */ (part("undo")).disabled = current.editor.done.length === 0;
  /** @type {HTMLButtonElement} */ (part("redo")).disabled = current.editor.undone.length === 0;
}
