// Asking the server: the envelope's data, or an Error with its sentence. A key, where one is asked for, stays in this tab.
let wanted = () => {};

export function onKeyWanted(tell) { wanted = tell; }
export function useKey(key) { sessionStorage.setItem("api_key", key); }

export async function get(path) {
  const key = sessionStorage.getItem("api_key");
  const answer = await fetch(path, { headers: key ? { "X-API-Key": key } : {} });
  if (answer.status === 401) wanted();
  let body;
  try { body = await answer.json(); } catch { throw new Error(`status ${answer.status}`); }
  if (!body.success) throw new Error(body.message);
  return body.data;
}

export function socket() {
  const key = sessionStorage.getItem("api_key");
  const address = new URL("/ws/stream", location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  if (key) address.searchParams.set("api_key", key);
  return new WebSocket(address);
}
