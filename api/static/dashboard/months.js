// A contract's history, a cell a month; each leads to its gaps or its check in the admin.
import { count, make } from "./numbers.js";

const STATES = {
  proved: ["✓", "proved row by row"], complete: ["·", "no hole so far"], partial: ["!", "ids are missing"],
  absent_upstream: ["∅", "proved, but for ids that the exchange lacks"], unchecked: ["?", "not checked yet"], loading: ["…", "being loaded"], none: ["", "nothing stored"],
};
const NAMES = ["J", "F", "M", "A", "M", "J", "J", "A", "S", "O", "N", "D"];

export function showMonths(box, key, symbol, months) {
  const years = new Map();
  for (const each of months) {
    const [year, month] = each.month.split("-").map(Number);
    if (!years.has(year)) years.set(year, new Map());
    years.get(year).set(month, each);
  }
  const head = make("div", { className: "year", ariaHidden: "true" }, make("span"), ...NAMES.map((name) => make("span", { style: "text-align:center" }, name)));
  const rows = [...years].sort((a, b) => b[0] - a[0]).map(([year, found]) => make("div", { className: "year" }, make("span", { className: "dim" }, String(year)), ...NAMES.map((_, n) => cell(symbol, found.get(n + 1)))));
  box.replaceChildren(head, ...rows);
  const seen = new Set(months.map((each) => each.state));
  key.replaceChildren(...Object.entries(STATES).filter(([state]) => seen.has(state)).flatMap(([state, [, words]]) => {
    const swatch = make("span", { className: "swatch" });
    swatch.style.background = `var(--${{ absent_upstream: "absent", unchecked: "complete" }[state] ?? state})`;
    return [swatch, words];
  }));
}

function cell(symbol, month) {
  if (!month) return make("span");
  const [sign, words] = STATES[month.state];
  const parts = [`${month.month}: ${words}`];
  if (month.rows != null) parts.push(`${count(month.rows)} trades`);
  if (month.missing) parts.push(`${count(month.missing)} ids missing`);
  if (month.duplicates) parts.push(`${count(month.duplicates)} twice`);
  if (month.absent) parts.push(`${count(month.absent)} absent upstream`);
  if (month.open_gaps) parts.push(`${month.open_gaps} open gaps`);
  // Nothing to look at behind it, and nothing to walk past with the Tab key.
  if (month.state === "none") return make("span", { className: "month none", role: "img", title: parts.join(", "), ariaLabel: parts.join(", ") });
  const query = new URLSearchParams({ q: symbol });
  const page = month.state === "partial" ? "collectors/gap" : "integrity/monthcheck";
  return make("a", { className: `month ${month.state}`, href: `/admin/${page}/?${query}`, title: parts.join(", "), ariaLabel: parts.join(", ") }, sign);
}
