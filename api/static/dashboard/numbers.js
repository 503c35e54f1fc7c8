// Numbers as people read them. Prices come as exact text and are shown as they come.
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 2 });

export const count = (value) => (value == null ? "–" : whole.format(value));
export const brief = (value) => (value == null ? "–" : value < 10000 ? whole.format(value) : short.format(value));
export const rate = (value) => (value == null ? "–" : value >= 100 ? whole.format(value) : value >= 10 ? value.toFixed(1) : value.toFixed(2));
export const lag = (ms) => (ms == null ? "–" : ms < 1000 ? `${Math.round(ms)} ms` : span(ms / 1000));

export function span(seconds) {
  if (seconds < 100) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

export const time = (ms) => new Date(ms).toISOString().replace("T", " ").slice(0, 16);

// Sets text only when it differs: the page is told the same most of the time.
export function put(element, text) { if (element.textContent !== text) element.textContent = text; }

export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}
