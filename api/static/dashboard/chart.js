// One live chart: history and changes over the WebSocket, older candles by REST when they are scrolled to.
import { get, socket } from "./server.js";
import { count, make, put, time } from "./numbers.js";

const HISTORY = 500, MOST_WAIT_MS = 15000;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export class Chart {
  constructor(box, legend, price, live, message) {
    Object.assign(this, { box, legend, price, live, message, symbol: "", minutes: 0, candles: [], places: new Map(), corrected: new Set(), failures: 0, older: "idle", hovered: null, notice: "", linked: "", away: "" });
    this.chart = LightweightCharts.createChart(box, { autoSize: true, timeScale: { timeVisible: true, secondsVisible: false, rightOffset: 4 }, crosshair: { mode: 0 } });
    this.series = this.chart.addCandlestickSeries({});
    this.volume = this.chart.addHistogramSeries({ priceScaleId: "", priceFormat: { type: "volume" }, lastValueVisible: false, priceLineVisible: false });
    this.volume.priceScale().applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    this.series.priceScale().applyOptions({ scaleMargins: { top: 0.06, bottom: 0.22 } });
    this.chart.subscribeCrosshairMove((event) => { this.hovered = event.time ?? null; this.tell(); });
    this.chart.timeScale().subscribeVisibleLogicalRangeChange((range) => { if (range && range.from < 10) this.moreHistory(); });
    this.colour();
    this.connect();
  }

  colour() {
    this.chart.applyOptions({ layout: { background: { color: "transparent" }, textColor: colour("--dim"), fontFamily: "system-ui, sans-serif" }, grid: { vertLines: { color: colour("--line") }, horzLines: { color: colour("--line") } }, rightPriceScale: { borderColor: colour("--line") }, timeScale: { borderColor: colour("--line") } });
    this.series.applyOptions({ upColor: colour("--up"), downColor: colour("--down"), borderUpColor: colour("--up"), borderDownColor: colour("--down"), wickUpColor: colour("--up"), wickDownColor: colour("--down") });
    this.redraw();
  }

  show(symbol, minutes, notice) {
    this.unsubscribe();
    [this.symbol, this.minutes, this.notice] = [symbol, minutes, notice];
    this.candles = []; this.places.clear(); this.corrected.clear(); this.older = "idle"; this.fresh = true;
    put(this.message, notice);
    this.redraw();
    this.subscribe();
  }

  reconnect() { this.failures = 0; this.link?.close(); }

  connect() {
    this.state("connecting");
    const link = (this.link = socket());
    link.onopen = () => { this.failures = 0; this.state("live"); this.subscribe(); };
    link.onmessage = (event) => this.take(JSON.parse(event.data));
    link.onclose = (event) => {
      this.state(event.reason ? `not live: ${event.reason}` : "not live");
      setTimeout(() => this.connect(), Math.min(MOST_WAIT_MS, 500 * 2 ** this.failures++));
    };
  }

  state(text) { this.linked = text; this.tellLive(); }

  // Changes come by way of this service, whose name is empty while it answers.
  without(service) { if (this.away !== service) { this.away = service; this.tellLive(); } }

  tellLive() {
    const text = this.linked === "live" && this.away ? `not live: ${this.away} is away` : this.linked;
    put(this.live, text);
    this.live.className = `badge ${{ live: "good", connecting: "" }[text] ?? "warn"}`;
  }

  say(message) { if (this.link?.readyState === WebSocket.OPEN) this.link.send(JSON.stringify(message)); }

  subscribe() {
    if (this.symbol) this.say({ action: "subscribe", subscriptions: [{ symbol: this.symbol, timeframes: [{ timeframe: this.minutes, initial_candles: HISTORY }] }] });
  }

  unsubscribe() {
    if (this.symbol) this.say({ action: "unsubscribe", unsubscriptions: [{ symbol: this.symbol, timeframes: [this.minutes] }] });
  }

  take(frame) {
    if (frame.type === "error") return put(this.message, frame.message);
    if (frame.type === "subscription_result") return put(this.message, frame.failed_subscriptions?.length ? frame.message : this.notice);
    if (frame.symbol !== this.symbol || frame.timeframe !== `${this.minutes}m`) return;
    if (frame.type === "initial_history") {
      // After a reconnect what was scrolled to stays.
      const first = frame.candles[0]?.candle_time ?? Infinity;
      this.candles = [...this.candles.filter((each) => each.candle_time < first), ...frame.candles];
      const fresh = this.fresh;
      this.fresh = false;
      this.redraw();
      if (fresh) { this.chart.timeScale().scrollToRealTime(); this.fit(); }
    } else if (frame.type === "ohlcv_update") {
      this.change(frame.data, frame.correction);
    }
  }

  change(candle, correction) {
    if (correction) this.corrected.add(candle.candle_time);
    const place = this.places.get(candle.candle_time);
    if (place !== undefined) this.candles[place] = candle;
    const last = this.candles.at(-1);
    if (!last || candle.candle_time > last.candle_time) {
      this.places.set(candle.candle_time, this.candles.length);
      this.candles.push(candle);
    } else if (place === undefined) {
      this.candles.push(candle);
      this.candles.sort((a, b) => a.candle_time - b.candle_time);
      return this.redraw();
    } else if (place < this.candles.length - 1) {
      return this.redraw();
    }
    this.series.update(this.bar(candle));
    this.volume.update(this.column(candle));
    if (correction) this.mark();
    this.tell();
  }

  async moreHistory() {
    if (this.older !== "idle" || !this.candles.length) return;
    this.older = "asking";
    const { symbol, minutes } = this;
    try {
      const found = await get(`/api/v1/data/klines/${encodeURIComponent(symbol)}?timeframe=${minutes}&end_time=${this.candles[0].candle_time - 1}&limit=${HISTORY}`);
      if (symbol !== this.symbol || minutes !== this.minutes) return;
      const first = this.candles[0].candle_time;
      const before = found.filter((each) => each.candle_time < first);
      if (before.length) {
        this.candles = [...before, ...this.candles];
        this.redraw();
      }
      this.older = before.length ? "idle" : "none";
    } catch { setTimeout(() => { this.older = "idle"; }, 3000); }
  }

  fit() {
    const shown = Math.min(this.candles.length, Math.max(40, Math.floor(this.box.clientWidth / 9)));
    this.chart.timeScale().setVisibleLogicalRange({ from: this.candles.length - shown, to: this.candles.length + 3 });
  }

  redraw() {
    this.places = new Map(this.candles.map((each, place) => [each.candle_time, place]));
    const newest = this.candles.at(-1);
    if (newest) {
      const digits = Math.max(2, ...this.candles.slice(-50).map((each) => (String(each.close).split(".")[1] ?? "").length));
      this.series.applyOptions({ priceFormat: { type: "price", precision: Math.min(8, digits), minMove: 10 ** -Math.min(8, digits) } });
    }
    this.series.setData(this.candles.map((each) => this.bar(each)));
    this.volume.setData(this.candles.map((each) => this.column(each)));
    this.mark();
    this.tell();
  }

  bar(candle) {
    const { open, high, low, close } = candle;
    const bar = { time: candle.candle_time / 1000, open, high, low, close };
    const side = colour(close >= open ? "--up" : "--down");
    if (!candle.closed) return { ...bar, color: "transparent", borderColor: side, wickColor: side };
    if (!candle.complete) return { ...bar, color: colour("--partial"), borderColor: colour("--partial"), wickColor: colour("--partial") };
    return bar;
  }

  column(candle) { return { time: candle.candle_time / 1000, value: candle.volume, color: colour(candle.close >= candle.open ? "--up" : "--down") + "66" }; }

  mark() {
    const marked = this.candles.filter((each) => this.corrected.has(each.candle_time));
    this.series.setMarkers(marked.map((each) => ({ time: each.candle_time / 1000, position: "aboveBar", shape: "circle", color: colour("--absent") })));
  }

  tell() {
    const hovered = this.hovered == null ? undefined : this.candles[this.places.get(this.hovered * 1000)];
    const candle = hovered ?? this.candles.at(-1);
    put(this.price, String(this.candles.at(-1)?.close ?? ""));
    if (!candle) return put(this.legend, this.fresh ? "Loading …" : "No trade is stored of this range.");
    const state = !candle.closed ? "not over yet" : candle.complete ? "complete" : "not proven complete";
    const parts = [`${time(candle.candle_time)} UTC`, `O ${candle.open}`, `H ${candle.high}`, `L ${candle.low}`, `C ${candle.close}`, `volume ${candle.volume}`, `${count(candle.trades_count)} trades`, state];
    if (this.corrected.has(candle.candle_time)) parts.push("corrected after a repair");
    put(this.legend, parts.join(" · "));
    this.box.setAttribute("aria-label", `Candlestick chart of ${this.symbol}, ${this.minutes} minutes. Newest: ${parts.join(", ")}`);
  }
}
