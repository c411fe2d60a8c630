/** @file A table of numbers before and after a change that is proposed. */

/** @typedef {{name: string, title: string, decimals: number, unit: string}} Value a measurement and how it is shown */

/** @param {Value} value @param {Record<string, number>} first @param {Record<string, number>} second @returns {HTMLElement} */
export function rowOf({ name, title, unit, decimals }, first, second) {
  const row = document.createElement("tr");
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = `${title} ${unit}`;
  const cells = [first, second].map((values) => {
    const cell = document.createElement("td");
    cell.textContent = values[name]?.toFixed(decimals) ?? "–";
    return cell;
  });
  row.append(head, ...cells);
  return row;
}
