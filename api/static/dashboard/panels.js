// Totals, workers, the weight gauge and recovery jobs.
import { brief, count, lag, make, put, rate, span } from "./numbers.js";

const at = (id) => document.getElementById(id);

// Trades are stored every second or two; when they wait for longer, ClickHouse does not keep up or is away.
const LATE_MS = 10000;

export function showTotals({ totals }) {
  put(at("total-collecting"), totals.collecting == null ? "–" : `${count(totals.collecting)} of ${count(totals.symbols)}`);
  put(at("total-rate"), rate(totals.trades_per_s));
  put(at("total-lag"), lag(totals.lag_ms));
  put(at("total-delay"), lag(totals.storage_delay_ms));
  at("total-delay").parentElement.className = totals.storage_delay_ms > LATE_MS ? "warn" : "";
  put(at("total-rows"), brief(totals.rows));
  at("total-rows").title = count(totals.rows);
  put(at("total-gaps"), count(totals.open_gaps));
  at("total-gaps").title = `${count(totals.missing_ids)} ids are missing`;
  at("total-gaps").parentElement.className = totals.open_gaps ? "warn" : "";
}

// In a narrow column a line ends between what is said, not within.
const together = (text) => text.replaceAll(" ", "\u00a0");

export function showWorkers(workers, unavailable) {
  const body = at("workers");
  if (!workers.length) {
    const text = unavailable.includes("redis") ? "Valkey, where workers say how they are, does not answer." : "No worker: start `manage.py runcollectors`.";
    body.replaceChildren(make("tr", {}, make("td", { colSpan: 6, className: "empty" }, text)));
    return;
  }
  body.replaceChildren(...workers.map((each) => {
    const host = each.owner.split(":")[0];
    const waiting = each.spooled_batches ? `${count(each.spooled_batches)} batches on disk` : brief(each.waiting_rows);
    const cells = [`${host} ${each.number}`, String(each.shards.length), `${each.subscribed}/${each.symbols}`, rate(each.trades_per_s), lag(each.lag_ms), `${together(waiting)} ${together(lag(each.storage_delay_ms))}`];
    return make("tr", { title: `${each.owner}, shards ${each.shards.join(" ")}, ${each.reconnects} reconnects` }, ...cells.map((text) => make("td", {}, text)));
  }));
}

export function showWeight(weight) {
  const meter = at("weight");
  const words = { free: "", exhausted: "used up until the next minute", paused: "paused by the exchange", banned: "banned by the exchange", unavailable: "Valkey does not answer" };
  if (weight.limit) [meter.max, meter.high, meter.value] = [weight.limit, weight.limit * 0.98, weight.used];
  const wait = weight.wait_ms ? ` for ${span(weight.wait_ms / 1000)}` : "";
  put(at("weight-text"), weight.limit ? `${count(weight.used)} of ${count(weight.limit)} ${words[weight.state]}${wait}`.trim() : words[weight.state]);
}

export function showJobs(jobs) {
  const list = at("jobs");
  if (!jobs) { put(at("jobs-count"), "not known"); list.replaceChildren(); return; }
  put(at("jobs-count"), `${count(jobs.running)} running, ${count(jobs.waiting)} waiting${jobs.set_aside ? `, ${count(jobs.set_aside)} set aside` : ""}`);
  if (!jobs.shown.length) { list.replaceChildren(make("li", { className: "empty" }, "Nothing is being recovered.")); return; }
  list.replaceChildren(...jobs.shown.map((job) => {
    const percent = Math.floor(job.done * 100);
    const left = job.seconds_left == null ? "" : `, ${span(job.seconds_left)} left`;
    const name = make("a", { href: `/admin/integrity/recoveryjob/${job.id}/change/` }, job.symbol);
    const line = make("div", { className: "line" }, make("span", { title: job.range }, name, ` ${job.range}`), make("span", {}, job.status === "running" ? `${percent} %${left}` : job.status));
    const item = make("li", {}, line, make("progress", { max: 1, value: job.done, ariaLabel: `${job.symbol} ${percent} %` }));
    if (job.reason) item.append(make("div", { className: "reason" }, job.reason));
    return item;
  }));
}
