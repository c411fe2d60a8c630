/** @file Files and folders dropped on the page, sent piece by piece into the inbox of the service. */

import { request, sendJson } from "./api.js";
import { part } from "./status.js";
import { _ } from "./words.js";

const PIECE_BYTES = 4_000_000;
const ADDRESS = "/api/admin/uploads";

/** @param {string} text @param {boolean} [wrong] */
function say(text, wrong = false) {
  part("upload-told").textContent = text;
  part("upload-told").classList.toggle("wrong", wrong);
}

/** @param {FileSystemEntry | null} entry @returns {Promise<File[]>} every file of a dropped file or folder */
async function filesOf(entry) {
  if (!entry) return [];
  if (entry.isFile) return [await new Promise((done, fail) => /** @type {FileSystemFileEntry} */ (entry).file(done, fail))];
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  /** @type {File[]} */
  const files = [];
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!some.length) return files;
    for (const one of some) files.push(...(await filesOf(one)));
  }
}

/** @param {File[]} files send them as one delivery */
async function upload(files) {
  const all = files.reduce((sum, { size }) => sum + size, 0);
  if (!all) return say(_("There is nothing to upload."), true);
  const { upload: name } = await sendJson("POST", ADDRESS);
  try {
    let sent = 0;
    for (const [number, file] of files.entries()) {
      for (let offset = 0; offset < file.size; offset += PIECE_BYTES) {
        const piece = file.slice(offset, offset + PIECE_BYTES);
        const headers = { "Content-Type": "application/octet-stream" };
        await request(`${ADDRESS}/${name}/files/${number}?offset=${offset}`, { method: "PUT", headers, body: piece });
        sent += piece.size;
        say(_("Uploading: {percent} % of {size} MB", { percent: Math.floor((100 * sent) / all), size: (all / 1e6).toFixed(1) }));
      }
    }
    const { files: n } = await sendJson("POST", `${ADDRESS}/${name}/deliver`);
    say(n === 1 ? _("1 file delivered to the inbox; studies appear on the worklist.") : _("{n} files delivered to the inbox; studies appear on the worklist.", { n }));
  } catch (problem) {
    await sendJson("DELETE", `${ADDRESS}/${name}`).catch(() => undefined);
    throw problem;
  }
}

/** @param {Promise<File[]>} files */
function take(files) {
  files.then(upload).catch((problem) => say(problem instanceof Error ? problem.message : String(problem), true));
}

const target = document.getElementById("drop");
const chosen = /** @type {HTMLInputElement | null} */ (document.getElementById("upload-files"));
target?.addEventListener("dragover", (event) => {
  event.preventDefault();
  target.classList.add("over");
});
target?.addEventListener("dragleave", () => target.classList.remove("over"));
target?.addEventListener("drop", (event) => {
  event.preventDefault();
  target.classList.remove("over");
  const entries = [...(event.dataTransfer?.items ?? [])].map((item) => item.webkitGetAsEntry());
  take(Promise.all(entries.map(filesOf)).then((found) => found.flat()));
});
chosen?.addEventListener("change", () => take(Promise.resolve([...(chosen.files ?? [])])));
