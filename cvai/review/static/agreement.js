/** @file The Bland-Altman plot of what models measured and readers signed. */

import { Plot, ticks } from "./chart.js";

const host = document.getElementById("bland-altman");
const pairs = (host?.dataset.pairs ?? "").trim().split(" ").filter(Boolean).map((text) => {
  const [model, signed, verdict] = text.split(",");
  return { mean: (+model + +signed) / 2, difference: +model - +signed, verdict };
});

if (host && pairs.length) {
  const differences = pairs.map((pair) => pair.difference);
  const bias = differences.reduce((sum, value) => sum + value, 0) / differences.length;
  const spread = Math.sqrt(differences.reduce((sum, value) => sum + (value - bias) ** 2, 0) / Math.max(1, differences.length - 1));
  const limits = differences.length > 1 ? [bias - 1.96 * spread, bias + 1.96 * spread] : [];
  const reach = Math.max(5, ...differences.map(Math.abs), ...limits.map(Math.abs));
  const plot = new Plot(host, {
    x: [0, 90], y: ticks(-reach, reach, 6), xTicks: [0, 20, 40, 60, 80], xTitle: "mean of both, %", yTitle: "points",
    label: `Bias ${bias.toFixed(1)} points over ${pairs.length} studies.`,
  });
  plot.level(bias, "bias");
  limits.forEach((limit) => plot.level(limit, "limit"));
  pairs.forEach((pair) => plot.dot(pair.mean, pair.difference, pair.verdict === "changed" ? "rv" : "lv", 4));
}
