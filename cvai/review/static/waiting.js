/** @file A study that is still being measured: how far it is, and the study itself once it is ready. */

import { getJson, meta } from "./api.js";

const ASK_EVERY_MS = 2000;

async function look() {
  const { waiting } = await getJson(`/api/studies/${meta("job")}/waiting`);
  if (!waiting) location.reload();
  const line = document.getElementById("waiting");
  if (line && line.textContent !== waiting) line.textContent = waiting;
}

setInterval(() => look().catch(() => undefined), ASK_EVERY_MS);
