// The page: drawn once, again in other colours, and again whenever a server has new data.
function start() {
  Bokeh.logger.set_level("off");
  changed("data");
  drawNavigation();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => changed("theme"));
  let width = document.documentElement.clientWidth;
  window.addEventListener("resize", () => {
    if (width === document.documentElement.clientWidth) return;
    width = document.documentElement.clientWidth;
    drawParallel();
  });
  if (data.live) setTimeout(refresh, LIVE_EVERY_MS);
}

// Draws the page anew, and leaves the reader where he was: in a field, in a wide table.
function redrawn(draw) {
  const before = document.activeElement;
  const label = before?.getAttribute("aria-label");
  const [from, to] = before?.type === "text" || before?.type === "search" ? [before.selectionStart, before.selectionEnd] : [null, null];
  const left = document.querySelector("#ranking .scroll")?.scrollLeft ?? 0;
  draw();
  const scroll = document.querySelector("#ranking .scroll");
  if (scroll) scroll.scrollLeft = left;
  if (!label || document.contains(before)) return;
  const again = [...document.querySelectorAll("[aria-label]")].find((one) => one.getAttribute("aria-label") === label);
  again?.focus({ preventScroll: true });
  if (again && from !== null) again.setSelectionRange(from, to);
}

async function refresh() {
  let wait = LIVE_EVERY_MS;
  try {
    const answer = await fetch("data.json", { cache: "no-store", headers: data.tag ? { "If-None-Match": data.tag } : {} });
    if (answer.status === 200) {
      data = await answer.json();
      redrawn(() => changed("data"));
    }
  } catch {
    wait = 5 * LIVE_EVERY_MS;
    say("the server does not answer");
  }
  setTimeout(refresh, wait);
}

start();
