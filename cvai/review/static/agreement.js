/** @file The Bland-Altman plots of what models measured and readers signed. */

import { Plot, ticks } from "./chart.js";
import { _ } from "./words.js";

for (const host of document.querySelectorAll(".bland-altman")) {
  if (host instanceof HTMLElement) draw(host, host.dataset.unit ?? "");
}

/** @param {HTMLElement} host @param {string} unit of the measurement */
function draw(host, unit) {
  const pairs = (host.dataset.pairs ?? "").trim().split(" ").filter(Boolean).map((text) => {
    const [model, signed, verdict] = text.split(",");
    return { mean: (+model + +signed) / 2, difference: +model - +signed, verdict };
  });
  if (!pairs.length) return;
  const differences = pairs.map((pair) => pair.difference);
  const bias = differences.reduce((sum, value) => sum + value, 0) / differences.length;
  const spread = Math.sqrt(differences.reduce((sum, value) => sum + (value - bias) ** 2, 0) / Math.max(1, differences.length - 1));
  const limits = differences.length > 1 ? [bias - 1.96 * spread, bias + 1.96 * spread] : [];
  const inPercent = unit === "%";
  const reach = Math.max(inPercent ? 5 : 0, ...differences.map(Math.abs), ...limits.map(Math.abs));
  const xTicks = inPercent ? [0, 20, 40, 60, 80] : ticks(0, Math.max(...pairs.map(({ mean }) => mean)), 4);
  const difference = inPercent ? _("points") : unit;
  const plot = new Plot(host, {
    x: [0, inPercent ? 90 : xTicks[xTicks.length - 1]], y: ticks(-reach, reach, 6), xTicks, xTitle: _("mean of both, {unit}", { unit }), yTitle: difference,
    label: _("Bias {bias} {unit} over {n} studies.", { bias: bias.toFixed(1), unit: difference, n: pairs.length }),
  });
  plot.level(bias, "bias");
  limits.forEach((limit) => plot.level(limit, "limit"));
  pairs.forEach((pair) => plot.dot(pair.mean, pair.difference, { class: pair.verdict === "changed" ? "kind-1" : "kind-0" }, 4));
}
