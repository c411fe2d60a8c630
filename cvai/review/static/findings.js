/** @file Findings that speak of a place lead there. */

/**
 * Make every finding with places a button that goes to them, one after the other.
 * @template Place
 * @param {Place[][]} placesOf of every finding, in their order
 * @param {(place: Place) => void} go
 */
export function linkFindings(placesOf, go) {
  document.querySelectorAll("#findings li").forEach((line, i) => {
    const places = placesOf[i] ?? [];
    if (!places.length) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "finding";
    button.append(...line.childNodes);
    let next = 0;
    button.addEventListener("click", () => go(places[next++ % places.length]));
    line.append(button);
  });
}
