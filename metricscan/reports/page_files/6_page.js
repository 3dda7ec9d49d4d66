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

async function refresh() {
  let wait = LIVE_EVERY_MS;
  try {
    const answer = await fetch("data.json", { cache: "no-store", headers: data.tag ? { "If-None-Match": data.tag } : {} });
    if (answer.status === 200) {
      const { activeElement } = document;
      data = await answer.json();
      // who types in a filter is not disturbed
      if (activeElement?.tagName !== "INPUT") changed("data");
    }
  } catch {
    wait = 5 * LIVE_EVERY_MS;
    say("the server does not answer");
  }
  setTimeout(refresh, wait);
}

start();
