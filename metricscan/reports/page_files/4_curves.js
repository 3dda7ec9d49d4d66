// The curves: one picture of one or several metrics, drawn by Bokeh. What is near the pointer is found here.
const GREY = "curve";
const MOST_PIXELS = 24; // a curve that is farther from the pointer is not meant
const DASHES = ["solid", "6 3", "2 3", "9 3 2 3"];
let curvesOf = new Map(); // by metric: the curves, with their points
const picture = { element: null, plot: null, tip: null, legend: null, hint: null, figure: null, view: null, lines: [], active: null, controls: null };

function readCurves() {
  curvesOf = new Map(data.curves.map((entry) => [entry.metric, { entry, curves: null }]));
}

function hasCurves(metric) {
  return (curvesOf.get(metric)?.entry.job.length ?? 0) > 0;
}

// The curves of a metric; its numbers are unpacked when it is drawn for the first time.
function unpackedCurves(metric) {
  const held = curvesOf.get(metric);
  if (held.curves) return held.curves;
  const { entry } = held;
  const starts = [];
  let total = 0;
  for (const size of entry.size) {
    starts.push(total);
    total += size;
  }
  const points = { step: unpacked(entry.step, starts), row: unpacked(entry.row, starts), time: unpacked(entry.time, starts), value: Float64Array.from(entry.value, numberOf) };
  held.curves = entry.job.map((job, number) => ({
    metric, job, name: data.jobs.name[job], worker: entry.worker ? entry.worker[number] : null,
    start: starts[number], end: starts[number] + entry.size[number], points,
  }));
  return held.curves;
}

// The name of a metric without the words that name a part of the data: train_loss and val_loss are a pair.
function pairName(metric) {
  return metric.toLowerCase().replace(/(^|[^a-z])(train(ing)?|valid(ation)?|val|eval(uation)?|test|dev)(?=[^a-z]|$)/g, "$1").replace(/[^a-z0-9]+/g, "");
}

function firstMetrics() {
  const wanted = data.objective ? data.objective.metrics.filter(hasCurves) : [];
  const first = wanted[0] ?? [...curvesOf.keys()].find(hasCurves);
  if (first === undefined) return [];
  const pair = pairName(first);
  const pairs = [...curvesOf.keys()].filter((name) => name !== first && pair && pairName(name) === pair && hasCurves(name));
  // many jobs in two metrics are a tangle
  return data.jobs.count <= 20 ? [first, ...pairs].slice(0, DASHES.length) : [first];
}

function axesThere() {
  const found = [];
  if (data.curves.some((one) => one.step)) found.push("step");
  found.push("row");
  if (data.curves.some((one) => one.time)) found.push("time");
  return found;
}

function buildCurves() {
  const body = section("curves");
  if (![...curvesOf.keys()].some(hasCurves)) {
    fill(body, make("p", { class: "empty" }, "There are no values to draw."), plotNotes());
    picture.plot = null;
    return;
  }
  if (data.kind === "plot" && state.metrics === null) {
    state.metrics = [...curvesOf.keys()].filter(hasCurves);
    Object.assign(state, { logValues: data.log, logAxis: data.log_step });
  }
  state.metrics = (state.metrics ?? firstMetrics()).filter((name) => curvesOf.has(name));
  if (!state.metrics.length) state.metrics = firstMetrics();
  const axes = axesThere();
  if (!axes.includes(state.axis)) state.axis = axes[0];
  const redraw = () => drawCurves();
  const metricBoxes = [...curvesOf.keys()].map((name) => {
    const box = make("input", { type: "checkbox" });
    box.checked = state.metrics.includes(name);
    box.disabled = !hasCurves(name);
    box.addEventListener("change", () => {
      state.metrics = box.checked ? [...state.metrics, name] : state.metrics.filter((one) => one !== name);
      redraw();
    });
    return make("label", {}, box, shortened(name, 40));
  });
  const axisBoxes = axes.map((axis) => {
    const box = make("input", { type: "radio", name: "axis", value: axis });
    box.checked = axis === state.axis;
    box.addEventListener("change", () => {
      state.axis = axis;
      redraw();
    });
    return make("label", {}, box, axis === "step" ? data.step_name : axis);
  });
  const check = (label, name) => {
    const box = make("input", { type: "checkbox" });
    box.checked = state[name];
    box.addEventListener("change", () => {
      state[name] = box.checked;
      redraw();
    });
    return make("label", {}, box, label);
  };
  const many = metricBoxes.length > 12;
  const metricsField = make("fieldset", {}, make("legend", {}, "Metrics"), metricBoxes);
  picture.controls = make("div", { class: "controls" },
    many ? make("details", {}, make("summary", {}, counted(metricBoxes.length, "metric")), metricsField) : metricsField,
    make("fieldset", {}, make("legend", {}, "By"), axisBoxes),
    make("fieldset", {}, make("legend", {}, "Logarithmic"), check("values", "logValues"), check("across", "logAxis")),
    topSelect(), make("span", { class: "buttons" },
      make("button", { type: "button", "aria-label": "Zoom in", title: "Zoom in", onclick: () => zoom(0.5) }, "+"),
      make("button", { type: "button", "aria-label": "Zoom out", title: "Zoom out", onclick: () => zoom(2) }, "−"),
      make("button", { type: "button", onclick: wholeRange }, "Whole range")));
  picture.plot = make("div", { class: "plot" });
  picture.tip = make("div", { class: "tip", hidden: true });
  picture.element = make("div", { class: "chart", tabindex: "0", role: "group", "aria-label": "Curves. Up and down choose a job, left and right a point of it, Enter marks it, plus and minus zoom, 0 shows the whole range.", onkeydown: onKey }, picture.plot, picture.tip);
  picture.element.addEventListener("pointerleave", () => hover(null));
  picture.legend = make("ul", { class: "legend" });
  picture.hint = make("p", { class: "hint" });
  fill(body, picture.controls, picture.element, picture.legend, picture.hint,
    make("p", { class: "hint" }, "Drag to zoom into a part; click a curve to mark its job. With the keyboard: ↑ ↓ choose a job, ← → a point, Enter marks, + − zoom, 0 shows all."), plotNotes());
}

// What a page of curves alone says about them; that of a report says it below its table.
function plotNotes() {
  return data.kind === "plot" ? data.notes.map((note) => make("p", { class: "hint" }, note)) : [];
}

function topSelect() {
  const select = make("select", { onchange: (event) => {
    state.top = Number(event.target.value);
    changed("top");
  } });
  for (const count of [0, 10, 25, 100]) {
    if (count >= data.jobs.listed) continue;
    const option = make("option", { value: count }, count ? "the first " + count : "the best");
    option.selected = state.top === count;
    select.append(option);
  }
  return data.objective && data.jobs.ranked && data.jobs.listed > 1 ? make("label", {}, make("span", { class: "soft" }, "Highlight"), select) : null;
}

// The points of a curve as they are drawn: in the order of the axis, gaps where there is nothing to draw.
function drawnPoints(curve) {
  const across = curve.points[state.axis];
  const { value } = curve.points;
  const x = [], y = [], at = [];
  let notDrawn = 0;
  if (!across) return { x, y, at, notDrawn: curve.end - curve.start };
  let order = [];
  for (let place = curve.start; place < curve.end; place++) order.push(place);
  if (state.axis !== "step") order.sort((one, other) => across[one] - across[other]);
  const origin = state.axis === "time" ? across[order.find((place) => !Number.isNaN(across[place]))] : 0;
  for (const place of order) {
    const where = state.axis === "time" ? (across[place] - origin) / 1e6 : across[place];
    const isLost = Number.isNaN(where) || !Number.isFinite(value[place]) || (state.logValues && value[place] <= 0) || (state.logAxis && where <= 0);
    if (isLost) {
      notDrawn += 1;
      if (Number.isNaN(where)) continue;
      x.push(where);
      y.push(NaN);
    } else {
      x.push(where);
      y.push(value[place]);
    }
    at.push(place);
  }
  return { x, y, at, notDrawn };
}

function isFirst(job) {
  const rank = data.jobs.rank[job];
  return data.objective && rank !== null && (state.top ? job < state.top : rank === 1);
}

function shownCurves() {
  const shown = new Set(shownJobs);
  return state.metrics.flatMap((metric) => unpackedCurves(metric).filter((curve) => shown.has(curve.job) || isMarked(curve.name)));
}

const UNITS_OF_TIME = [[86400 * 3, 86400, "days"], [3600 * 3, 3600, "hours"], [180, 60, "minutes"], [0, 1, "seconds"]];

// New lines in the picture that is there, where its axes stay.
function updateCurves() {
  const wasZoomed = isZoomed();
  if (picture.plot) readLines();
  if (!picture.view || picture.kind !== pictureKind()) {
    drawCurves();
    return;
  }
  hover(null);
  picture.active = null;
  picture.whole = rangesOf(picture.lines);
  if (!wasZoomed) wholeRange();
  colourCurves();
}

function pictureKind() {
  return JSON.stringify([state.axis, state.logValues, state.logAxis, state.metrics, picture.unit]);
}

// The lines that are shown, and the unit of their times.
function readLines() {
  picture.lines = shownCurves().map((curve) => ({ curve, ...drawnPoints(curve) }));
  let longest = 0;
  if (state.axis === "time") {
    for (const line of picture.lines) for (const where of line.x) longest = Math.max(longest, where);
  }
  const [, unit, unitName] = UNITS_OF_TIME.find(([least]) => longest >= least);
  if (state.axis === "time") for (const line of picture.lines) line.x = line.x.map((where) => where / unit);
  picture.unit = state.axis === "time" ? unitName : null;
}

function drawCurves() {
  if (!picture.plot) return;
  hover(null);
  readLines();
  const label = { step: data.step_name, row: "row of the job", time: "time since the first value, in " + picture.unit }[state.axis];
  const whole = rangesOf(picture.lines);
  const kind = pictureKind();
  // the part that the reader looks at stays, as long as the axes do
  const ranges = kind === picture.kind && isZoomed() ? { x: bounds(picture.figure.x_range), y: bounds(picture.figure.y_range) } : whole;
  Object.assign(picture, { whole, kind });
  const figure = Bokeh.Plotting.figure({
    sizing_mode: "stretch_both", toolbar_location: null, tools: [], min_border: 4,
    x_axis_type: state.logAxis ? "log" : "linear", y_axis_type: state.logValues ? "log" : "linear",
    x_range: new Bokeh.Range1d(ranges.x), y_range: new Bokeh.Range1d(ranges.y),
    x_axis_label: literalText(shortened(label, 60)), y_axis_label: literalText(state.metrics.map((name) => shortened(name, state.metrics.length === 1 ? 40 : 20)).join(", ")),
    background_fill_alpha: 0, border_fill_alpha: 0, outline_line_color: null,
  });
  const brush = new Bokeh.BoxZoomTool();
  figure.add_tools(brush);
  figure.toolbar.active_drag = brush;
  dress(figure);
  picture.sources = { grey: [], first: [], marked: [], hover: null, dots: null };
  state.metrics.forEach((metric, number) => {
    const dash = DASHES[number % DASHES.length];
    // no wider than a pixel: Chromium draws wider lines in ten times the time, and there may be a thousand of them
    picture.sources.grey.push(linesIn(figure, { line_width: 1, line_dash: { value: dash }, line_color: colour(GREY) }));
    picture.sources.first.push(linesIn(figure, { line_width: 2.2, line_dash: { value: dash }, line_color: colour("best") }));
    picture.sources.marked.push(linesIn(figure, { line_width: 2.4, line_dash: { value: dash }, line_color: { field: "colour" }, level: "overlay" }));
  });
  drawBands(figure);
  picture.sources.hover = linesIn(figure, { line_width: 3, line_color: colour("text"), level: "overlay" });
  picture.sources.dots = new Bokeh.ColumnDataSource({ data: { x: [], y: [], colour: [] } });
  figure.scatter({ field: "x" }, { field: "y" }, { source: picture.sources.dots, size: 6, line_color: null, fill_color: { field: "colour" } });
  picture.figure = figure;
  colourCurves();
  figure.on_event("mousemove", (event) => hover(nearest(event.x, event.y), event));
  figure.on_event("tap", (event) => {
    const line = nearest(event.x, event.y);
    if (line) toggleMark(line.curve.name);
  });
  const drawn = (picture.drawn = {});
  forget(picture.view);
  Object.assign(picture, { view: null, isComing: true });
  fill(picture.plot);
  Bokeh.Plotting.show(figure, picture.plot).then((view) => {
    // another one may have been begun meanwhile
    if (picture.drawn !== drawn) {
      forget(view);
      return;
    }
    Object.assign(picture, { view, isComing: false });
    document.documentElement.dataset.drawn = "yes";
  });
}

// Bokeh keeps each picture that it has drawn, until it is told otherwise.
function forget(view) {
  if (!view) return;
  const { document: held } = view.model;
  view.remove();
  held?.clear();
  const at = Bokeh.documents.indexOf(held);
  if (at >= 0) Bokeh.documents.splice(at, 1);
}

// A text that Bokeh does not read as a formula.
function literalText(text) {
  return new (Bokeh.Models.get("PlainText"))({ text });
}

// The means of groups, each in a band from the least to the greatest value of its jobs.
function drawBands(figure) {
  // the best lie above the others
  picture.bands = (data.bands ?? []).filter((one) => state.metrics.includes(one.metric)).sort((one, other) => one.best - other.best);
  const best = [...new Set(picture.bands.filter((one) => one.best).map((one) => one.group))];
  for (const band of picture.bands) {
    band.colour = band.best ? (best.length > MOST_MARKED ? colour("best") : best.length === 1 ? colour("best") : colour("mark-" + (best.indexOf(band.group) + 1))) : colour(GREY);
    const isSeen = (at, one) => one !== null && (!state.logValues || one > 0) && (!state.logAxis || band.step[at] > 0);
    const column = (name) => Float64Array.from(band[name], (one, at) => (isSeen(at, numberOf(one)) ? numberOf(one) : NaN));
    const source = new Bokeh.ColumnDataSource({ data: { x: Float64Array.from(band.step, numberOf), mean: column("mean"), low: column("low"), high: column("high") } });
    figure.varea({ field: "x" }, { field: "low" }, { field: "high" }, { source, fill_color: band.colour, fill_alpha: band.best ? 0.2 : 0.1 });
    figure.line({ field: "x" }, { field: "mean" }, { source, line_color: band.colour, line_width: band.best ? 2.4 : 1.3, line_dash: DASHES[state.metrics.indexOf(band.metric) % DASHES.length] });
  }
}

function linesIn(figure, style) {
  const source = new Bokeh.ColumnDataSource({ data: { x: [], y: [], colour: [] } });
  source.glyph = figure.multi_line({ field: "x" }, { field: "y" }, { source, ...style }).glyph;
  return source;
}

function dress(figure) {
  const [text, soft, line] = [colour("text"), colour("soft"), colour("line")];
  const font = getComputedStyle(document.body).fontFamily;
  for (const axis of [...figure.xaxis, ...figure.yaxis]) {
    axis.axis_line_color = line;
    axis.major_tick_line_color = line;
    axis.minor_tick_line_color = null;
    axis.major_label_text_color = soft;
    axis.axis_label_text_color = text;
    axis.axis_label_text_font_style = "normal";
    axis.axis_label_text_font = axis.major_label_text_font = font;
    axis.axis_label_text_font_size = axis.major_label_text_font_size = "12px";
    axis.formatter = new Bokeh.BasicTickFormatter({ precision: "auto" });
  }
  for (const grid of figure.center) {
    grid.grid_line_color = line;
    grid.grid_line_alpha = 0.6;
  }
}

function bounds(range) {
  return { start: range.start, end: range.end };
}

function isZoomed() {
  const { figure, whole } = picture;
  return figure !== null && JSON.stringify([bounds(figure.x_range), bounds(figure.y_range)]) !== JSON.stringify([whole.x, whole.y]);
}

// The whole range of what is drawn, with a little room.
function rangesOf(lines) {
  const range = (values, isLog) => {
    let [low, high] = [Infinity, -Infinity];
    for (const some of values) {
      for (const one of some) {
        if (Number.isNaN(one)) continue;
        if (one < low) low = one;
        if (one > high) high = one;
      }
    }
    if (low > high) [low, high] = isLog ? [1, 10] : [0, 1];
    if (isLog) {
      const room = low === high ? 2 : (high / low) ** 0.04;
      return { start: low / room, end: high * room };
    }
    const room = low === high ? Math.abs(low) * 0.1 || 1 : (high - low) * 0.04;
    return { start: low - room, end: high + room };
  };
  return { x: range(lines.map((one) => one.x.filter((_, at) => !Number.isNaN(one.y[at]))), state.logAxis), y: range(lines.map((one) => one.y), state.logValues) };
}

// Which curves are grey and which are coloured; without drawing the picture anew. A marked curve lies above itself in grey, so that
// a mark changes little.
function colourCurves() {
  if (!picture.figure) return;
  const best = colour("best"), grey = colour(GREY);
  const marks = new Map(state.marked.map((name) => [name, markColour(name)]));
  const before = picture.groups;
  const groups = { grey: state.metrics.map(() => []), first: state.metrics.map(() => []), marked: state.metrics.map(() => []) };
  for (const line of picture.lines) {
    const number = state.metrics.indexOf(line.curve.metric);
    groups[isFirst(line.curve.job) ? "first" : "grey"][number].push(line);
    if (marks.has(line.curve.name)) groups.marked[number].push(line);
  }
  const dots = { x: [], y: [], colour: [] };
  const others = groups.grey.reduce((sum, some) => sum + some.length, 0);
  for (const [group, byMetric] of Object.entries(groups)) {
    byMetric.forEach((lines, number) => {
      const source = picture.sources[group][number];
      const colours = lines.map((line) => (group === "marked" ? marks.get(line.curve.name) : group === "first" ? best : grey));
      lines.forEach((line, at) => addLonePoints(dots, line, colours[at]));
      const isSame = group !== "marked" && before && picture.filled === picture.figure && isEqual(lines, before[group][number]);
      if (isSame) return;
      source.data = { x: lines.map((line) => line.x), y: lines.map((line) => line.y), colour: colours };
      if (group === "grey") source.glyph.line_alpha = (others > 300 ? 0.2 : others > 40 ? 0.4 : 0.75) * (picture.bands.length ? 0.5 : 1);
    });
  }
  if (dots.x.length || picture.sources.dots.data.x.length) picture.sources.dots.data = dots;
  Object.assign(picture, { groups, filled: picture.figure });
  drawLegend(groups);
}

function isEqual(some, others) {
  return some.length === others?.length && some.every((one, at) => one === others[at]);
}

// A point between gaps is no line.
function addLonePoints(dots, line, itsColour) {
  line.y.forEach((value, at) => {
    const alone = !Number.isNaN(value) && !(at && !Number.isNaN(line.y[at - 1])) && !(at + 1 < line.y.length && !Number.isNaN(line.y[at + 1]));
    if (!alone) return;
    dots.x.push(line.x[at]);
    dots.y.push(value);
    dots.colour.push(itsColour);
  });
}

function stroke(itsColour, dash = DASHES[0]) {
  const element = make("span", { class: "stroke" });
  element.style.borderTopColor = itsColour;
  if (dash !== DASHES[0]) element.style.borderTopStyle = dash === DASHES[2] ? "dotted" : "dashed";
  return element;
}

function drawLegend(groups) {
  const items = [];
  const first = groups.first.flat().filter((line) => !isMarked(line.curve.name));
  if (first.length) {
    const names = [...new Set(first.map((line) => line.curve.name))];
    const text = names.length === 1 ? shortened(names[0], 48) + " (best)" : state.top ? counted(names.length, "job") + " of the first " + state.top : counted(names.length, "job") + " that tie";
    items.push(make("li", {}, stroke(colour("best")), text));
  }
  for (const name of state.marked) {
    if (groups.marked.flat().some((line) => line.curve.name === name)) items.push(make("li", {}, stroke(markColour(name)), shortened(name, 48)));
  }
  const groupsShown = new Map(picture.bands.map((one) => [one.group, one]));
  for (const [name, band] of groupsShown) {
    if (band.best) items.push(make("li", {}, stroke(band.colour), shortened(name, 48) + (band.value === null ? "" : ": " + exact(Number(numberOf(band.value).toPrecision(6))))));
  }
  const plain = [...groupsShown.values()].filter((one) => !one.best).length;
  if (plain) items.push(make("li", {}, stroke(colour(GREY)), counted(plain, items.length ? "other group" : "group")));
  const others = new Set(groups.grey.flat().filter((line) => !isMarked(line.curve.name)).map((line) => line.curve.job)).size;
  if (others) items.push(make("li", {}, stroke(colour(GREY)), counted(others, items.length && !groupsShown.size ? "other job" : "job")));
  if (state.metrics.length > 1) state.metrics.forEach((name, number) => items.push(make("li", {}, stroke(colour("soft"), DASHES[number % DASHES.length]), shortened(name, 40))));
  fill(picture.legend, items);
  const lost = picture.lines.reduce((sum, line) => sum + line.notDrawn, 0);
  const drawnJobs = Math.min(...state.metrics.map((name) => data.curves.find((one) => one.metric === name).jobs), data.jobs.count);
  const texts = [];
  if (!picture.lines.length) texts.push("No job that is shown has values of these metrics.");
  if (lost) texts.push(counted(lost, "point") + " cannot be drawn: not finite" + (state.axis === "step" ? ", or without a step" : state.axis === "time" ? ", or without a time" : "") + (state.logValues || state.logAxis ? ", or not positive" : "") + ".");
  if (drawnJobs < data.jobs.count) texts.push("Only the first " + GROUPED.format(drawnJobs) + " jobs have curves.");
  picture.hint.textContent = texts.join(" ");
}

// The curve that is nearest to a place of the picture, within some pixels, with its nearest point; null if none is near.
function nearest(x, y) {
  const { figure } = picture;
  if (!figure || !Number.isFinite(x) || !Number.isFinite(y)) return null;
  const [across, up] = [pixels(figure.x_range, state.logAxis, figure.inner_width), pixels(figure.y_range, state.logValues, figure.inner_height)];
  const wanted = { x: across(x), y: up(y) };
  let best = null, least = MOST_PIXELS;
  for (const line of picture.lines) {
    const at = placeBefore(line.x, x);
    const ends = [];
    for (const point of [at, at + 1]) {
      if (point >= 0 && point < line.x.length && !Number.isNaN(line.y[point])) ends.push({ point, x: across(line.x[point]), y: up(line.y[point]) });
    }
    if (!ends.length) continue;
    // a curve in colour lies above the others
    const distance = toSegment(wanted, ends[0], ends.at(-1)) - (isMarked(line.curve.name) || isFirst(line.curve.job) ? 3 : 0);
    if (distance >= least) continue;
    least = distance;
    best = { ...line, point: ends.reduce((one, other) => (Math.abs(other.x - wanted.x) < Math.abs(one.x - wanted.x) ? other : one)).point };
  }
  return best;
}

// From a number of an axis to pixels.
function pixels(range, isLog, size) {
  const to = isLog ? Math.log : (one) => one;
  const [start, end] = [to(range.start), to(range.end)];
  return (one) => ((to(one) - start) / (end - start)) * size;
}

function toSegment(from, one, other) {
  const [dx, dy] = [other.x - one.x, other.y - one.y];
  const part = dx || dy ? Math.max(0, Math.min(1, ((from.x - one.x) * dx + (from.y - one.y) * dy) / (dx * dx + dy * dy))) : 0;
  return Math.hypot(one.x + part * dx - from.x, one.y + part * dy - from.y);
}

// The place of the last number that is not greater; -1 if there is none.
function placeBefore(ascending, wanted) {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle] <= wanted) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function pointText(line, point) {
  const place = line.at[point];
  const { step, row } = line.curve.points;
  const where = step && !Number.isNaN(step[place]) ? data.step_name + " " + exact(step[place]) : "row " + exact(row[place]);
  return where + ", " + line.curve.metric + " " + exact(line.curve.points.value[place]);
}

function hover(line, event) {
  if (!picture.tip) return;
  picture.tip.hidden = !line;
  if (picture.sources?.hover) {
    picture.sources.hover.data = line ? { x: [line.x], y: [line.y], colour: [""] } : { x: [], y: [], colour: [] };
  }
  if (!line || !event) return;
  const rank = data.jobs.rank[line.curve.job];
  fill(picture.tip, make("b", {}, shortened(line.curve.name, 80)),
    make("div", {}, pointText(line, line.point)),
    line.curve.worker ? make("div", { class: "soft" }, line.curve.worker) : null,
    data.objective ? make("div", { class: "soft" }, (rank === null ? "no rank" : "rank " + rank) + ", decided by " + exact(data.jobs.value[line.curve.job])) : null);
  const room = picture.element.clientWidth;
  const left = Math.min(event.sx + 16, room - picture.tip.offsetWidth - 4);
  picture.tip.style.left = Math.max(left, 4) + "px";
  picture.tip.style.top = (event.sy > 110 ? event.sy - picture.tip.offsetHeight - 12 : event.sy + 18) + "px";
}

function zoom(factor) {
  const { figure } = picture;
  if (!figure) return;
  for (const [range, isLog] of [[figure.x_range, state.logAxis], [figure.y_range, state.logValues]]) {
    const [to, from] = isLog ? [Math.log, Math.exp] : [(one) => one, (one) => one];
    const [start, end] = [to(range.start), to(range.end)];
    const middle = (start + end) / 2, half = ((end - start) / 2) * factor;
    range.setv({ start: from(middle - half), end: from(middle + half) });
  }
}

function wholeRange() {
  if (!picture.figure) return;
  picture.figure.x_range.setv(picture.whole.x);
  picture.figure.y_range.setv(picture.whole.y);
}

// The keys of the chart: the curves in the order of the ranking, the points of the one that was chosen.
function onKey(event) {
  const keys = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  const { lines } = picture;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "+" || event.key === "=") zoom(0.5);
  else if (event.key === "-") zoom(2);
  else if (event.key === "0") wholeRange();
  else if (event.key === "Escape") hover((picture.active = null));
  else if (event.key === "Enter" && picture.active && lines[picture.active.line]) toggleMark(lines[picture.active.line].curve.name);
  else if (keys[event.key] && lines.length) {
    const [byLine, byPoint] = keys[event.key];
    const before = picture.active ?? { line: byLine < 0 ? 0 : -1, point: 0 };
    const line = Math.max(0, Math.min(lines.length - 1, before.line + byLine + (picture.active || byLine ? 0 : 1)));
    const point = Math.max(0, Math.min(lines[line].x.length - 1, before.point + byPoint));
    picture.active = { line, point };
    showActive();
  } else return;
  event.preventDefault();
}

function showActive() {
  const line = picture.lines[picture.active.line];
  if (!line || !line.x.length) return;
  const { figure } = picture;
  const { point } = picture.active;
  const [across, up] = [pixels(figure.x_range, state.logAxis, figure.inner_width), pixels(figure.y_range, state.logValues, figure.inner_height)];
  const value = Number.isNaN(line.y[point]) ? figure.y_range.start : line.y[point];
  const sx = picture.element.clientWidth - figure.inner_width + across(line.x[point]);
  const sy = figure.inner_height - up(value);
  hover({ ...line, point }, { sx, sy });
  say(line.curve.name + ", " + pointText(line, point));
}

listeners.push((what) => {
  if (what.has("data")) {
    readCurves();
    buildCurves();
  }
  if (what.has("data") || what.has("theme")) later(drawCurves);
  else if (what.has("jobs")) later(updateCurves);
  else if (what.has("marked") || what.has("top")) {
    // a marked job is drawn though the filters leave it out
    if (state.marked.some((name) => !picture.lines.some((line) => line.curve.name === name))) later(updateCurves);
    else colourCurves();
  }
});
