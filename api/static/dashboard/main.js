// The dashboard: what is shown is chosen by the address (#BTCUSDT/173); the numbers come once in two seconds, the chart live.
import { get, onKeyWanted, useKey } from "./server.js";
import { Chart } from "./chart.js";
import { SymbolList } from "./symbols.js";
import { showMonths } from "./months.js";
import { showWorkers, showWeight, showJobs, showTotals } from "./panels.js";

const OVERVIEW_MS = 2000, MONTHS_MS = 30000;
const at = (id) => document.getElementById(id);
let symbol = "", minutes = 1, known = new Map(), failures = 0;

const chart = new Chart(at("chart"), at("legend"), at("chart-price"), at("live"), at("chart-message"));
const list = new SymbolList(at("symbols"), at("search"), at("order"), at("symbols-count"), (name) => show(name, minutes));

function fromAddress() {
  let name = "", frame = "";
  try { [name, frame] = decodeURIComponent(location.hash.slice(1)).split("/"); } catch { /* Not an address of ours. */ }
  const number = Number(frame);
  return [name || "", Number.isInteger(number) && number >= 1 && number <= 43200 ? number : 1];
}

function show(name, frame, notice = "") {
  if (!name || (name === symbol && frame === minutes)) return;
  const moved = name !== symbol;
  [symbol, minutes] = [name, frame];
  history.replaceState(null, "", `#${encodeURIComponent(symbol)}/${minutes}`);
  document.title = `${symbol} ${minutes}m – DataProvider`;
  at("chart-title").textContent = symbol;
  at("timeframe").value = minutes;
  for (const button of at("presets").children) button.setAttribute("aria-pressed", String(Number(button.dataset.minutes) === minutes));
  list.select(symbol);
  chart.show(symbol, minutes, notice);
  showChosen();
  if (moved) { at("months").replaceChildren(); tellMonths(); }
}

function showChosen() {
  const ticker = known.get(symbol);
  const quality = at("chart-quality");
  const words = { complete: "no open gap", partial: `${ticker?.open_gaps ?? ""} open gap${ticker?.open_gaps === 1 ? "" : "s"}`, loading: "history is loading", unknown: "quality not known" };
  const states = { not_trading: "not trading", paused: "paused", left_out: "left out", waiting: "no collector", starting: "starting" };
  quality.textContent = ticker ? states[ticker.state] ?? words[ticker.quality] : "";
  quality.className = `badge ${ticker?.quality === "complete" && !states[ticker.state] ? "good" : "warn"}`;
  const query = new URLSearchParams({ q: symbol });
  at("symbol-gaps").href = `/admin/collectors/gap/?${query}`;
  at("symbol-admin").href = `/admin/collectors/symbol/?${query}`;
}

async function tellOverview() {
  try {
    const found = await get("/api/v1/monitoring/overview");
    failures = 0;
    known = new Map(found.tickers.map((each) => [each.symbol, each]));
    showTotals(found);
    list.update(found.tickers);
    showWorkers(found.workers, found.unavailable);
    showWeight(found.weight);
    showJobs(found.jobs);
    alertOf(whoIsAway(found.unavailable));
    chart.without(found.unavailable.includes("redis") ? "Valkey" : "");
    if (!symbol) begin(found.tickers);
    showChosen();
  } catch (error) {
    // One missed answer is no news.
    if (++failures > 1) alertOf(`The server does not answer (${error.message}); trying again.`);
  }
}

function whoIsAway(services) {
  const names = services.map((each) => ({ postgres: "Postgres", clickhouse: "ClickHouse", redis: "Valkey" })[each] ?? each);
  if (!names.length) return "";
  return names.length === 1 ? `${names[0]} does not answer: what only it knows is not shown.` : `${names.join(" and ")} do not answer: what only they know is not shown.`;
}

function noSuch(name) { return !name || known.has(name) ? "" : `There is no symbol ${name} here.`; }

function begin(tickers) {
  const [wanted, frame] = fromAddress();
  const busiest = [...tickers].sort((a, b) => (b.trades_per_s ?? 0) - (a.trades_per_s ?? 0))[0];
  const name = known.has(wanted) ? wanted : known.has("BTCUSDT") ? "BTCUSDT" : busiest?.symbol;
  if (name) show(name, frame, noSuch(wanted));
  else at("chart-title").textContent = "No symbol yet: is runcollectors running?";
}

async function tellMonths() {
  const name = symbol;
  if (!name) return;
  try {
    const found = await get(`/api/v1/integrity/months/${encodeURIComponent(name)}`);
    if (name === symbol) showMonths(at("months"), at("months-key"), name, found);
  } catch (error) {
    if (name === symbol) at("months").textContent = error.message;
  }
}

function alertOf(text) {
  const box = at("alert");
  box.hidden = !text;
  if (box.textContent !== text) box.textContent = text;
}

function frameFromInput() {
  const input = at("timeframe");
  const wanted = Number(input.value);
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > 43200) {
    at("chart-message").textContent = "A whole number of minutes from 1 to 43200.";
    return;
  }
  at("chart-message").textContent = "";
  show(symbol, wanted);
}

at("timeframe").addEventListener("change", frameFromInput);
at("timeframe").addEventListener("keydown", (event) => { if (event.key === "Enter") frameFromInput(); });
at("presets").addEventListener("click", (event) => { if (event.target.dataset.minutes) { at("chart-message").textContent = ""; show(symbol, Number(event.target.dataset.minutes)); } });
at("theme").addEventListener("click", () => {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", document.documentElement.dataset.theme);
  chart.colour();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart.colour());
addEventListener("hashchange", () => { const [name, frame] = fromAddress(); if (known.has(name)) show(name, frame); else at("chart-message").textContent = noSuch(name); });
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !["INPUT", "SELECT", "TEXTAREA"].includes(document.activeElement.tagName)) { event.preventDefault(); at("search").focus(); }
});
onKeyWanted(() => { at("key-form").hidden = false; at("key").focus(); });
at("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey(at("key").value);
  at("key-form").hidden = true;
  tellOverview();
  chart.reconnect();
});

async function always(work, pause) {
  for (;;) {
    if (!document.hidden) await work();
    await new Promise((done) => setTimeout(done, pause));
  }
}
always(tellOverview, OVERVIEW_MS);
setInterval(() => { if (!document.hidden) tellMonths(); }, MONTHS_MS);
