// Keeps the bars and texts of jobs moving, and names each cell of a list by its column where a phone shows rows as cards.
const EVERY = 2000;

// The newest event that a job's page shows: what comes after it is added.
let newest = [...document.querySelectorAll("#events-group time[data-event]")].at(-1);

const address = document.getElementById("rooms")?.dataset.progress;
const over = new Set();

function wanted() {
  const all = [...document.querySelectorAll("progress.job")].map((bar) => bar.dataset.job);
  return [...new Set(all)].filter((id) => !over.has(id));
}

function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function show(id, job) {
  for (const bar of document.querySelectorAll(`progress.job[data-job="${id}"]`)) {
    bar.max = job.total;
    bar.value = job.done;
  }
  for (const part of document.querySelectorAll(`span[data-job="${id}"]`)) {
    say(part, job.fields[part.dataset.field] ?? "");
  }
  if (job.over) over.add(id);
}

function news(events) {
  for (const event of events) {
    const row = newest.closest("tr").cloneNode(true);
    row.id = `events-${event.id}`;
    row.querySelector(".original p")?.remove();
    row.querySelector(".field-status p").textContent = event.status;
    row.querySelector(".field-text p").textContent = event.text;
    newest.closest("tr").after(row);
    newest = row.querySelector("time");
    newest.dataset.event = event.id;
    newest.textContent = event.at;
  }
}

async function look() {
  const ids = wanted();
  if (!ids.length) return;
  if (!document.hidden) {
    try {
      const events = newest ? `&events=${location.pathname.match(/\/(\d+)\//)?.[1]}&after=${newest.dataset.event}` : "";
      const answer = await fetch(`${address}?ids=${ids.join(",")}${events}`, { headers: { Accept: "application/json" } });
      // Logged out meanwhile, or no right to look: nothing moves any more, and asking again changes nothing.
      if (answer.redirected || answer.status === 403) return;
      if (answer.ok) {
        const found = await answer.json();
        for (const [id, job] of Object.entries(found.jobs)) show(id, job);
        news(found.events ?? []);
      }
    } catch {
      // The server is away for a moment: the next look may find it.
    }
  }
  setTimeout(look, EVERY);
}

function nameCells() {
  for (const table of document.querySelectorAll("#result_list, #running table")) {
    const names = [...table.querySelectorAll("thead th")].map((head) => (head.querySelector(".text") ?? head).textContent.trim());
    for (const row of table.querySelectorAll("tbody tr")) {
      [...row.children].forEach((cell, number) => { cell.dataset.label = names[number] ?? ""; });
    }
  }
}

nameCells();
if (address) setTimeout(look, EVERY / 2);
