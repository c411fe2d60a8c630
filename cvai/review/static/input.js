/** @file Mouse, pen, touch and keyboard. */

import { nextToRead, onKey, wanted, ZOOM_STEP } from "./keys.js";
import { Look } from "./look.js";

/** @typedef {import("./editor.js").Tool} Tool */
/** @typedef {import("./layers.js").Layer} Layer */

/**
 * @typedef {object} App
 * @property {import("./editor.js").Editor} editor
 * @property {import("./viewer.js").Viewer} viewer
 * @property {import("./player.js").Player} player
 * @property {import("./decide.js").Decide} decide
 * @property {import("./strip.js").Strip} strip
 * @property {(t: number, z: number) => void} go
 * @property {() => void} showWhere
 * @property {boolean} mayChange
 * @property {(id: string) => HTMLElement} part
 */

/** @param {App} app */
export function handle(app) {
  const tools = new Tools(app);
  const looking = new Look(app.viewer, app.showWhere);
  onPointer(app, tools, looking);
  onKeys(app, tools, looking);
  onButtons(app);
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
    if (name === "layer") this.app.viewer.layer = /** @type {Layer} */ (this.app.viewer.layers.find((layer) => layer.name === value));
    else if (this.app.mayChange) this.tool = /** @type {Tool} */ (value);
    const chosen = name === "layer" ? value : this.tool;
    for (const button of this.#buttons(name)) {
      button.setAttribute("aria-checked", String(button.getAttribute(`data-${name}`) === chosen));
    }
    this.app.viewer.brush = null;
    this.app.viewer.canvas.dataset.tool = this.tool;
    this.app.viewer.draw();
  }

  /** @param {string} name @returns {HTMLButtonElement[]} */
  #buttons(name) {
    return [...document.querySelectorAll(`[data-${name}]`)].filter((e) => e instanceof HTMLButtonElement);
  }
}

/** @param {App} app @param {Tools} tools @param {Look} looking */
function onPointer(app, tools, looking) {
  const { editor, viewer } = app;
  const { canvas } = viewer;
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({ preventScroll: true });
    app.player.stop();
    const drawing = event.button === 0 && !event.shiftKey && event.isPrimary;
    if (drawing && tools.tool !== "look") editor.begin(viewer.t, viewer.z, viewer.layer, tools.tool, viewer.at(event));
    else looking.begin(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    const at = viewer.at(event);
    if (editor.drag) {
      editor.move(at);
      viewer.stroke = editor.drag.tool === "draw" ? editor.drag.path : null;
    } else looking.move(event);
    viewer.brush = tools.tool === "look" || tools.tool === "draw" ? null : { at, radius: editor.reach };
    viewer.draw();
  });
  const up = (/** @type {PointerEvent} */ event) => {
    editor.end();
    viewer.stroke = null;
    looking.end(event);
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", () => {
    viewer.brush = null;
    viewer.draw();
  });
  canvas.addEventListener("wheel", (event) => wheel(app, looking, event), { passive: false });
}

/** @param {App} app @param {Look} looking @param {WheelEvent} event */
function wheel(app, looking, event) {
  event.preventDefault();
  const { viewer, editor } = app;
  if (event.ctrlKey) looking.zoomBy(Math.exp(-event.deltaY / 400));
  else if (event.altKey) {
    editor.widen(-Math.sign(event.deltaY));
    if (viewer.brush) viewer.brush.radius = editor.reach;
    viewer.draw();
  } else app.go(viewer.t, app.strip.beside(viewer.z, Math.sign(event.deltaY)));
}

/**
 * What every key does.
 * @param {App} app @param {Tools} tools @param {Look} looking
 * @returns {Record<string, () => void>}
 */
function keyTable(app, tools, looking) {
  const { editor, viewer, player, go } = app;
  const press = (/** @type {string} */ id) => () => app.part(id).click();
  const layers = viewer.layers.map(({ name }, i) => [String(i + 1), () => tools.choose("layer", name)]);
  return {
    ...Object.fromEntries(layers),
    " ": () => player.toggle(),
    ArrowLeft: () => go(viewer.t - 1, viewer.z),
    ArrowRight: () => go(viewer.t + 1, viewer.z),
    ArrowUp: () => go(viewer.t, app.strip.beside(viewer.z, -1)),
    ArrowDown: () => go(viewer.t, app.strip.beside(viewer.z, 1)),
    Home: () => go(editor.phases.ed, viewer.z),
    End: () => go(editor.phases.es, viewer.z),
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
  };
}

/** @param {App} app @param {Tools} tools @param {Look} looking */
function onKeys(app, tools, looking) {
  const keys = keyTable(app, tools, looking);
  onKey((event) => (event.ctrlKey || event.metaKey ? historyStep(app.editor, event) : wanted(keys, event)));
}

/** @param {import("./editor.js").Editor} editor @param {KeyboardEvent} event @returns {(() => void) | null} */
function historyStep(editor, event) {
  const key = event.key.toLowerCase();
  if (key === "y" || (key === "z" && event.shiftKey)) return () => editor.redo();
  return key === "z" ? () => editor.undo() : null;
}

/** @param {App} app */
function onButtons(app) {
  const { editor, viewer, part, go } = app;
  /** @param {string} id @param {() => void} act @param {boolean} [changes] whether it needs the right to change */
  const on = (id, act, changes = false) => {
    const button = /** @type {HTMLButtonElement} */ (part(id));
    if (changes && !app.mayChange) button.hidden = true;
    button.addEventListener("click", act);
  };
  on("contours", () => {
    viewer.showContours = !viewer.showContours;
    part("contours").setAttribute("aria-pressed", String(viewer.showContours));
    viewer.draw();
    app.strip.show();
  });
  on("drop", () => editor.drop(viewer.t, viewer.z, viewer.layer), true);
  on("copy", () => {
    const from = (viewer.t + viewer.cine.n_phases - 1) % viewer.cine.n_phases;
    editor.copy(viewer.t, viewer.z, from, viewer.layer);
  }, true);
  on("undo", () => editor.undo(), true);
  on("redo", () => editor.redo(), true);
  on("go-ed", () => go(editor.phases.ed, viewer.z));
  on("go-es", () => go(editor.phases.es, viewer.z));
  on("set-ed", () => editor.setPhases({ ed: viewer.t }), true);
  on("set-es", () => editor.setPhases({ es: viewer.t }), true);
  on("help", () => /** @type {HTMLDialogElement} */ (part("keys-dialog")).showModal());
  editor.addEventListener("change", () => {
    /** @type {HTMLButtonElement} */ (part("undo")).disabled = editor.done.length === 0;
    /** @type {HTMLButtonElement} */ (part("redo")).disabled = editor.undone.length === 0;
  });
}
