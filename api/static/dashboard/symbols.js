// The list of contracts: searched, ordered, and walked through with the arrow keys.
import { make, put, rate, span } from "./numbers.js";

const ORDERS = {
  rate: (a, b) => (b.trades_per_s ?? -1) - (a.trades_per_s ?? -1) || a.symbol.localeCompare(b.symbol),
  name: (a, b) => a.symbol.localeCompare(b.symbol),
  gaps: (a, b) => (b.missing_ids ?? 0) - (a.missing_ids ?? 0) || a.symbol.localeCompare(b.symbol),
  seen: (a, b) => (a.seen_at ?? 0) - (b.seen_at ?? 0) || a.symbol.localeCompare(b.symbol),
};
const STATES = { paused: "paused", left_out: "left out", not_trading: "not trading", waiting: "no collector", starting: "starting", unknown: "not known" };

export class SymbolList {
  constructor(list, search, order, total, choose) {
    Object.assign(this, { list, search, order, total, choose, rows: new Map(), tickers: [], chosen: "", stop: null });
    search.addEventListener("input", () => this.arrange());
    order.addEventListener("change", () => this.arrange());
    search.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === "ArrowDown") {
        event.preventDefault();
        const first = list.querySelector("button");
        first?.focus();
        if (event.key === "Enter") first?.click();
      }
    });
    // One stop for the Tab key, however many there are; from there the arrow keys lead on.
    list.addEventListener("focusin", (event) => this.stopAt(event.target));
    list.addEventListener("keydown", (event) => {
      const end = { Home: "firstElementChild", End: "lastElementChild" }[event.key];
      if (end) { event.preventDefault(); list[end]?.querySelector("button")?.focus(); return; }
      const next = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
      if (!next) return;
      event.preventDefault();
      (document.activeElement.parentElement[next]?.firstElementChild ?? (next === "previousElementSibling" ? search : null))?.focus();
    });
    list.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) this.choose(button.dataset.symbol);
    });
  }

  update(tickers) {
    this.tickers = tickers;
    const now = Date.now();
    for (const ticker of tickers) {
      let row = this.rows.get(ticker.symbol);
      if (!row) this.rows.set(ticker.symbol, (row = this.make(ticker.symbol)));
      const { button, dot, price, pace, heard } = row;
      const off = ticker.state in STATES;
      button.classList.toggle("off", off);
      dot.className = `dot ${ticker.quality}`;
      const said = `${ticker.state.replace("_", " ")}, ${ticker.quality === "partial" ? `${ticker.open_gaps} open gaps` : ticker.quality}`;
      if (button.title !== said) button.title = said;
      if (row.last !== undefined && ticker.price !== row.last) price.className = Number(ticker.price) >= Number(row.last) ? "up" : "down";
      row.last = ticker.price;
      put(price, ticker.price ?? "–");
      put(pace, off ? STATES[ticker.state] : rate(ticker.trades_per_s));
      put(heard, ticker.seen_at ? span((now - ticker.seen_at) / 1000) : "–");
    }
    this.arrange();
  }

  make(symbol) {
    const dot = make("span", { className: "dot" });
    const [name, price, pace, heard] = [make("span", {}, dot, symbol), make("span"), make("span"), make("span")];
    const button = make("button", { type: "button", tabIndex: -1 }, name, price, pace, heard);
    button.dataset.symbol = symbol;
    return { button, dot, price, pace, heard, item: make("li", {}, button) };
  }

  arrange() {
    const wanted = this.search.value.trim().toUpperCase();
    const shown = this.tickers.filter((each) => each.symbol.includes(wanted)).sort(ORDERS[this.order.value]);
    put(this.total, wanted ? `${shown.length} of ${this.tickers.length}` : String(this.tickers.length));
    if (!shown.length && this.tickers.length) {
      this.list.replaceChildren(make("li", { className: "empty" }, `No symbol has ${wanted} in its name.`));
      return;
    }
    const items = shown.map((each) => this.rows.get(each.symbol).item);
    // The order of what people are walking through does not change under them.
    const walking = this.list.contains(document.activeElement) && items.length === this.list.children.length;
    if (!walking && (items.length !== this.list.children.length || items.some((item, n) => this.list.children[n] !== item))) this.list.replaceChildren(...items);
    if (!this.list.contains(this.stop)) this.stopAt(this.list.querySelector("[aria-current]") ?? this.list.querySelector("button"));
  }

  stopAt(button) {
    if (this.stop) this.stop.tabIndex = -1;
    this.stop = button;
    if (button) button.tabIndex = 0;
  }

  select(symbol) {
    this.rows.get(this.chosen)?.button.removeAttribute("aria-current");
    this.chosen = symbol;
    const button = this.rows.get(symbol)?.button;
    button?.setAttribute("aria-current", "true");
    if (button && this.list.contains(button)) this.stopAt(button);
  }
}
