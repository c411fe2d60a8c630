/** @file Mouse, pen, touch and keyboard. */

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
  onPointer(app, tools);
  onKeys(app, tools);
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
    if (name === "layer") this.app.viewer.layer = /** @type {Layer} */ (value);
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

/** @param {App} app @param {Tools} tools */
function onPointer(app, tools) {
  const { editor, viewer } = app;
  const { canvas } = viewer;
  /** @type {{x: number, y: number, window: [number, number], centre: {x: number, y: number}, moving: boolean} | null} */
  let looking = null;
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({ preventScroll: true });
    app.player.stop();
    const moving = event.button !== 0 || event.shiftKey;
    if (!moving && editor.begin(viewer.t, viewer.z, viewer.layer, tools.tool, viewer.at(event))) return;
    looking = { x: event.clientX, y: event.clientY, window: viewer.window, centre: viewer.centre, moving };
  });
  canvas.addEventListener("pointermove", (event) => {
    const at = viewer.at(event);
    if (editor.drag) {
      editor.move(at);
      viewer.stroke = editor.drag.tool === "draw" ? editor.drag.path : null;
    } else if (looking) look(app, looking, event);
    viewer.brush = tools.tool === "look" || tools.tool === "draw" ? null : { at, radius: editor.reach };
    viewer.draw();
  });
  const up = () => {
    editor.end();
    viewer.stroke = null;
    looking = null;
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", () => {
    viewer.brush = null;
    viewer.draw();
  });
  canvas.addEventListener("wheel", (event) => wheel(app, event), { passive: false });
}

/** @param {App} app @param {any} from @param {PointerEvent} event window and level, or the place of the image */
function look(app, from, event) {
  const { viewer } = app;
  const dx = event.clientX - from.x, dy = event.clientY - from.y;
  if (from.moving) {
    const ratio = window.devicePixelRatio || 1;
    viewer.centre = { x: from.centre.x - (dx * ratio) / viewer.scale.x, y: from.centre.y - (dy * ratio) / viewer.scale.y };
    return;
  }
  const [low, high] = from.window;
  const width = Math.max((high - low) * Math.exp(dx / 250), 1e-3);
  const level = (low + high) / 2 + (dy * (high - low)) / 300;
  viewer.setWindow([level - width / 2, level + width / 2]);
  app.showWhere();
}

/** @param {App} app @param {WheelEvent} event */
function wheel(app, event) {
  event.preventDefault();
  const { viewer, editor } = app;
  if (event.ctrlKey) {
    viewer.zoom = Math.min(12, Math.max(0.5, viewer.zoom * Math.exp(-event.deltaY / 400)));
    viewer.draw();
  } else if (event.altKey) {
    editor.widen(-Math.sign(event.deltaY));
    if (viewer.brush) viewer.brush.radius = editor.reach;
    viewer.draw();
  } else app.go(viewer.t, app.strip.beside(viewer.z, Math.sign(event.deltaY)));
}

/**
 * What every key does.
 * @param {App} app @param {Tools} tools
 * @returns {Record<string, () => void>}
 */
function keyTable(app, tools) {
  const { editor, viewer, player, go } = app;
  const press = (/** @type {string} */ id) => () => app.part(id).click();
  return {
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
    1: () => tools.choose("layer", "endo"),
    2: () => tools.choose("layer", "epi"),
    3: () => tools.choose("layer", "rv"),
    "[": () => editor.widen(-1),
    "]": () => editor.widen(1),
    Delete: press("drop"),
    x: press("copy"),
    D: press("set-ed"),
    S: press("set-es"),
    0: () => reset(app),
    Enter: press("accept"),
    n: () => nextToRead(),
    "?": () => /** @type {HTMLDialogElement} */ (app.part("keys-dialog")).showModal(),
    Escape: () => location.assign("/"),
  };
}

/** @param {App} app @param {Tools} tools */
function onKeys(app, tools) {
  const keys = keyTable(app, tools);
  addEventListener("keydown", (event) => {
    if (isForAnother(event)) return;
    const act = event.ctrlKey || event.metaKey ? historyStep(app.editor, event) : keys[event.key] ?? keys[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  });
}

/** @param {KeyboardEvent} event @returns {boolean} whether what has the focus uses the key itself */
function isForAnother(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (target.closest("dialog, textarea, select") || event.altKey) return true;
  if (target instanceof HTMLInputElement) return event.key.startsWith("Arrow");
  return target instanceof HTMLButtonElement && (event.key === " " || event.key === "Enter");
}

/** @param {import("./editor.js").Editor} editor @param {KeyboardEvent} event @returns {(() => void) | null} */
function historyStep(editor, event) {
  const key = event.key.toLowerCase();
  if (key === "y" || (key === "z" && event.shiftKey)) return () => editor.redo();
  return key === "z" ? () => editor.undo() : null;
}

/** @param {App} app */
function reset(app) {
  app.viewer.fit();
  app.viewer.setWindow(app.viewer.cine.window);
  app.showWhere();
}

async function nextToRead() {
  const rows = await fetch("/worklist?show=unread").then((answer) => answer.text());
  const list = new DOMParser().parseFromString(rows, "text/html");
  const here = document.querySelector('meta[name="job"]')?.getAttribute("content");
  const next = [...list.querySelectorAll("tr[data-job]")].find((row) => row.getAttribute("data-job") !== here);
  location.assign(next ? `/studies/${next.getAttribute("data-job")}` : "/?show=unread");
}

/** @param {App} app */
function onButtons(app) {
  const { editor, viewer, part, go } = app;
  /** @param {string} id @param {() => void} act @param {boolean} [changes] whether it needs the right to change */
  const on = (id, act, changes = false) => {
    const button = /** @type {HTMLButtonElement} */ (part(id));
    button.hidden = changes && !app.mayChange;
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
