// Hyperparameters beside the objective: an axis each, a line per job. A part of an axis that is dragged becomes a filter.
const AXIS_WIDTH = 128, HEAD_HEIGHT = 62, PLOT_HEIGHT = 300, FOOT_HEIGHT = 18;
const MOST_AXES = 10, MOST_LINES = 1000;
const MOST_NAMED = 6; // an axis of so many distinct numbers names them
const parallel = { canvas: null, heads: null, box: null, axes: [] };

function parallelColumns() {
  const found = columns.filter((one) => one.isParameter && new Set(one.column.codes).size > 1).slice(0, MOST_AXES - 1);
  const value = columns.find((one) => one.key === "value");
  return found.length && value ? [...found, value] : [];
}

function buildParallel() {
  const wanted = parallelColumns();
  if (wanted.length < 2) {
    document.getElementById("parameters").hidden = true;
    parallel.canvas = null;
    return;
  }
  const body = section("parameters");
  parallel.canvas = make("canvas", { role: "img", "aria-label": "A line per job through its hyperparameters to its value. The table has the same numbers, and filters them." });
  parallel.heads = make("div", {});
  parallel.box = make("div", { class: "parallel", tabindex: "0", role: "region", "aria-label": "Hyperparameters of jobs, side by side" }, parallel.canvas, parallel.heads);
  const all = columns.filter((one) => one.isParameter).length;
  const left = all - (wanted.length - 1);
  fill(body, parallel.box, make("p", { class: "hint" },
    "Drag along an axis to filter the jobs by it; the table has the same filter. Click an axis to clear it." +
    (left > 0 ? " " + counted(left, "more hyperparameter") + " in the table only." : "") +
    (data.jobs.listed > MOST_LINES ? " Lines are drawn of the first " + GROUPED.format(MOST_LINES) + " jobs that are shown." : "")));
  parallel.axes = wanted.map(axisOf);
}

function axisOf(column) {
  const axis = { column, places: null, low: 0, high: 1, canBeLog: false, few: null };
  if (column.kind === "number") {
    const values = [];
    for (let at = 0; at < data.jobs.listed; at++) {
      const value = column.get(at);
      if (Number.isFinite(value)) values.push(value);
    }
    axis.low = values.reduce((one, other) => Math.min(one, other), Infinity);
    axis.high = values.reduce((one, other) => Math.max(one, other), -Infinity);
    axis.canBeLog = axis.low > 0;
    const distinct = [...new Set(values)];
    if (distinct.length <= MOST_NAMED) axis.few = distinct.sort((one, other) => one - other);
    if (!state.logs.has(column.key)) state.logs.set(column.key, axis.canBeLog && axis.high / axis.low >= 50);
  } else {
    const texts = [...column.column.texts].sort(new Intl.Collator("en", { numeric: true }).compare);
    axis.places = new Map(texts.map((text, at) => [text, texts.length === 1 ? 0.5 : at / (texts.length - 1)]));
  }
  return axis;
}

function isLogAxis(axis) {
  return axis.canBeLog && state.logs.get(axis.column.key);
}

// Where a value lies on an axis, from 0 to 1; null for none.
function share(axis, value) {
  if (value === null || value === undefined || Number.isNaN(value)) return null;
  if (axis.places) return axis.places.get(value) ?? null;
  if (!Number.isFinite(value)) return null;
  if (axis.low === axis.high) return 0.5;
  return isLogAxis(axis) ? Math.log(value / axis.low) / Math.log(axis.high / axis.low) : (value - axis.low) / (axis.high - axis.low);
}

function drawParallel() {
  if (!parallel.canvas) return;
  const { axes, canvas } = parallel;
  const width = Math.max(parallel.box.clientWidth, axes.length * AXIS_WIDTH);
  const height = HEAD_HEIGHT + PLOT_HEIGHT + FOOT_HEIGHT;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = width + "px";
  canvas.style.height = height + "px";
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  const room = Math.min(width / axes.length / 2, 90);
  const across = axes.map((_, at) => room + (at * (width - 2 * room)) / (axes.length - 1));
  const down = (part) => HEAD_HEIGHT + (1 - part) * PLOT_HEIGHT;
  const line = (job, itsColour, thick, alpha) => {
    pen.strokeStyle = itsColour;
    pen.lineWidth = thick;
    pen.globalAlpha = alpha;
    pen.beginPath();
    let before = null;
    axes.forEach((axis, at) => {
      const part = share(axis, axis.column.get(job));
      if (part === null) {
        before = null;
        return;
      }
      const y = down(part);
      if (before === null) pen.moveTo(across[at], y);
      else pen.bezierCurveTo((before.x + across[at]) / 2, before.y, (before.x + across[at]) / 2, y, across[at], y);
      before = { x: across[at], y };
    });
    pen.stroke();
    pen.globalAlpha = 1;
  };
  const drawn = shownJobs.slice(0, MOST_LINES);
  const grey = drawn.filter((job) => !isFirst(job) && !isMarked(data.jobs.name[job]));
  for (const job of grey) line(job, colour("curve"), 1, grey.length > 500 ? 0.14 : grey.length > 200 ? 0.25 : grey.length > 40 ? 0.45 : 0.7);
  for (const job of drawn.filter((one) => isFirst(one)).reverse()) line(job, colour("best"), 2, state.top > 25 ? 0.6 : 1);
  for (const job of drawn.filter((one) => isMarked(data.jobs.name[one]))) line(job, markColour(data.jobs.name[job]), 2.4, 1);
  pen.font = "12px " + getComputedStyle(document.body).fontFamily;
  axes.forEach((axis, at) => {
    pen.strokeStyle = colour("soft");
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(across[at], down(1));
    pen.lineTo(across[at], down(0));
    pen.stroke();
    const isLast = at === axes.length - 1;
    pen.textAlign = isLast ? "right" : "left";
    pen.textBaseline = "middle";
    for (const [text, part] of ticksOf(axis)) {
      const [x, y] = [across[at] + (isLast ? -6 : 6), down(part)];
      const shown = shortened(text, 14);
      pen.fillStyle = colour("card");
      pen.globalAlpha = 0.8;
      const wide = pen.measureText(shown).width;
      pen.fillRect(isLast ? x - wide - 2 : x - 2, y - 8, wide + 4, 16);
      pen.globalAlpha = 1;
      pen.fillStyle = colour("text");
      pen.fillText(shown, x, y);
    }
    drawBrush(pen, axis, across[at], down);
  });
  drawHeads(across);
}

function drawBrush(pen, axis, x, down) {
  const text = state.filters.get(axis.column.key);
  const range = axis.places ? null : text?.match(/^(.+?)\.\.(.+)$/);
  if (!range) return;
  const [low, high] = [share(axis, Number(range[1])), share(axis, Number(range[2]))];
  if (low === null || high === null) return;
  pen.fillStyle = colour("accent");
  pen.globalAlpha = 0.25;
  pen.fillRect(x - 7, down(Math.min(high, 1)), 14, Math.max(down(Math.max(low, 0)) - down(Math.min(high, 1)), 2));
  pen.globalAlpha = 1;
}

function ticksOf(axis) {
  if (axis.places) {
    const all = [...axis.places];
    const every = Math.ceil(all.length / 12);
    return all.filter((_, at) => at % every === 0);
  }
  if (axis.low > axis.high) return [];
  if (axis.few) return axis.few.map((one) => [exact(one), share(axis, one)]);
  if (axis.low === axis.high) return [[exact(axis.low), 0.5]];
  const ticks = [];
  if (isLogAxis(axis)) {
    const [from, to] = [Math.ceil(Math.log10(axis.low) - 1e-9), Math.floor(Math.log10(axis.high) + 1e-9)];
    const every = Math.max(Math.ceil((to - from + 1) / 8), 1);
    for (let power = from; power <= to; power += every) ticks.push([exact(Number("1e" + power)), share(axis, Number("1e" + power))]);
    if (ticks.length >= 2) return ticks.map(([text, part]) => [text, Math.max(0, Math.min(1, part))]);
    return [[axis.low.toPrecision(3).replace(/\.?0+$/, ""), 0], [axis.high.toPrecision(3).replace(/\.?0+$/, ""), 1]];
  }
  const rough = (axis.high - axis.low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const by = [1, 2, 5, 10].find((one) => one * power >= rough) * power;
  for (let count = Math.ceil(axis.low / by); count * by <= axis.high; count++) {
    ticks.push([exact(Number((count * by).toPrecision(12))), share(axis, count * by)]);
  }
  return ticks;
}

function drawHeads(across) {
  const width = Math.max(60, (across[1] - across[0]) - 10);
  fill(parallel.heads, parallel.axes.map((axis, at) => {
    const head = make("div", { class: "axis-head" }, make("span", { class: "title", title: axis.column.label }, shortened(axis.column.label, 26)));
    head.style.left = across[at] + "px";
    head.style.width = Math.min(width, 2 * Math.min(across[0], 90)) + "px";
    if (axis.canBeLog && axis.high > axis.low) {
      const box = make("input", { type: "checkbox", "aria-label": "Logarithmic axis of " + axis.column.label });
      box.checked = isLogAxis(axis);
      box.addEventListener("change", () => {
        state.logs.set(axis.column.key, box.checked);
        drawParallel();
      });
      head.append(make("label", {}, box, "log"));
    }
    return [head, brushOf(axis, across[at])];
  }));
}

function brushOf(axis, x) {
  const strip = make("div", { class: "axis" });
  Object.assign(strip.style, { left: x - 12 + "px", width: "24px", top: HEAD_HEIGHT + "px", height: PLOT_HEIGHT + "px" });
  let from = null;
  const part = (event) => Math.max(0, Math.min(1, 1 - (event.clientY - strip.getBoundingClientRect().top) / PLOT_HEIGHT));
  strip.addEventListener("pointerdown", (event) => {
    from = part(event);
    strip.setPointerCapture(event.pointerId);
  });
  strip.addEventListener("pointerup", (event) => {
    if (from === null) return;
    const [low, high] = [Math.min(from, part(event)), Math.max(from, part(event))];
    from = null;
    const text = high - low < 0.015 ? "" : axis.places ? textBetween(axis, low, high) : rangeText(axis, low, high);
    choose(() => state.filters.set(axis.column.key, text));
    axis.column.input.value = text;
  });
  return strip;
}

function rangeText(axis, low, high) {
  const value = (part) => (isLogAxis(axis) ? axis.low * (axis.high / axis.low) ** part : axis.low + part * (axis.high - axis.low));
  // the ends of the axis are exact, so that no job falls off it
  const from = low <= 0 ? axis.low : Number(value(low).toPrecision(4));
  const to = high >= 1 ? axis.high : Number(value(high).toPrecision(4));
  return exact(from) + ".." + exact(to);
}

function textBetween(axis, low, high) {
  const middle = (low + high) / 2;
  const [text] = [...axis.places].reduce((one, other) => (Math.abs(other[1] - middle) < Math.abs(one[1] - middle) ? other : one));
  return "=" + text;
}

listeners.push((what) => {
  if (what.has("data")) buildParallel();
  if (!what.has("order")) later(drawParallel);
});
