// The winner and why; other rules; what may be wrong; how it was made.
const FIRST_LINES = 8; // texts of logs that are shown at once

function drawSummary() {
  document.getElementById("title").textContent = spelled(data.title);
  document.title = spelled(data.title);
  const parts = [counted(data.jobs.count, "job")];
  if (data.kind === "plot") {
    document.getElementById("summary").textContent = parts[0];
    return;
  }
  if (data.objective && data.jobs.ranked < data.jobs.count) parts.push(GROUPED.format(data.jobs.ranked) + " with a rank");
  if (data.source.logs) parts.push(counted(data.source.logs, "log"));
  if (data.source.bytes !== null) parts.push(sizeText(data.source.bytes));
  parts.push(counted(data.counts.reduce((sum, one) => sum + (one.rows ?? 0), 0), "value") + " of " + counted(data.counts.length, "metric"));
  if (data.error_count) parts.push(counted(data.error_count, "error"));
  document.getElementById("summary").textContent = parts.join(" · ");
}

function facts(pairs) {
  const list = make("dl", { class: "facts" });
  for (const [name, value] of pairs) {
    if (value !== null && value !== undefined && value !== "") list.append(make("dt", {}, name), make("dd", {}, value));
  }
  return list;
}

function placeOf(one) {
  if (!one.path) return "";
  if (one.line !== null && one.line !== undefined) return one.path + ":" + one.line;
  return one.path + (one.offset === null || one.offset === undefined ? "" : ", byte " + GROUPED.format(one.offset));
}

function drawWinner() {
  const body = section("winner");
  const winner = data.winner;
  if (!data.objective) {
    document.getElementById("winner").hidden = true;
    return;
  }
  const rule = data.objective.rule.map((sentence) => make("p", {}, sentence));
  if (!winner) {
    const statuses = Object.values(data.statuses);
    const why = data.jobs.count ? "No job has a rank" + (statuses.length === 1 ? ": each " + statuses[0] : "") + "." : "There are no jobs.";
    fill(body, make("p", { class: "empty" }, why), rule);
    return;
  }
  const pairs = [];
  if (data.objective.step) pairs.push(["at " + data.objective.step, exact(winner.step)]);
  for (const [name, one] of Object.entries(winner.at_best)) {
    if (one) pairs.push([name, exact(one.value) + (one.same_step ? "" : " (the nearest before)")]);
  }
  if (winner.tied > 1) pairs.push(["tied", winner.tied_names.join(", ") + (winner.tied > winner.tied_names.length ? ", .." : "")]);
  if (winner.second) pairs.push(["next", winner.second.name + ", " + exact(winner.second.value)]);
  const chips = Object.entries(winner.hyperparameters).map(([name, value]) => make("li", { class: "chip" }, name + " = " + value));
  const left = make("div", {},
    make("p", { class: "job" }, breakable(winner.name)),
    make("p", { class: "soft" }, data.objective.metric),
    make("p", { class: "value" }, exact(winner.value)),
    facts(pairs),
    chips.length ? [make("h3", {}, "Hyperparameters"), chips.length > 24
      ? make("details", {}, make("summary", {}, counted(chips.length, "hyperparameter")), make("ul", { class: "chips" }, chips))
      : make("ul", { class: "chips" }, chips)] : null);
  const right = make("div", {}, make("h3", { style: "margin-top: 0" }, "Why it won"), rule,
    make("h3", {}, winner.is_window ? "The last line of its values" : "The line that decided"),
    make("p", { class: "place mono" }, breakable(placeOf(winner) || winner.stream + ":" + winner.line)), excerptOf(winner.excerpt),
    make("h3", {}, "Doubts"),
    winner.doubts.length
      ? winner.doubts.map((one) => make("div", { class: "warning" }, make("b", {}, one.kind), ": " + one.message + ". " + one.meaning,
          one.path ? make("div", { class: "mono" }, placeOf(one)) : null))
      : make("p", {}, "None was found."));
  fill(body, make("div", { class: "winner" }, left, right));
}

function excerptOf(excerpt) {
  if (!excerpt.lines.length) return make("p", { class: "hint" }, "The line is not shown: " + excerpt.reason + ".");
  const lines = excerpt.lines.map((text, at) => make("div", { class: at === excerpt.at ? "at" : null },
    make("span", { class: "number" }, excerpt.first + at), make("span", {}, text)));
  return make("div", { class: "excerpt mono", tabindex: "0", role: "region", "aria-label": "Lines of the log" }, lines);
}

function plainTable(caption, heads, rows, numbers = []) {
  const kind = (at) => (numbers.includes(at) ? "number" : null);
  return make("div", { class: "scroll plain", tabindex: "0", role: "region", "aria-label": caption },
    make("table", {}, make("caption", { class: "visually-hidden" }, caption),
      make("thead", {}, make("tr", {}, heads.map((head, at) => make("th", { scope: "col", class: kind(at) }, head)))),
      make("tbody", {}, rows.map((cells) => make("tr", {}, cells.map((cell, at) =>
        cell instanceof Node ? make("td", { class: "wrap" }, cell) : make(at ? "td" : "th", { scope: at ? null : "row", class: kind(at) }, cell)))))));
}

function drawScopes() {
  if (data.scopes.length < 2 || !data.winner) {
    document.getElementById("scopes").hidden = true;
    return;
  }
  const body = section("scopes");
  const own = data.objective.scope;
  const rows = data.scopes.map((one, at) => [
    one.scope + (at ? "" : " (decides)"), one.best ?? "none", exact(one.value), exact(one.tied), exact(one.rank), exact(one.own_value), exact(one.regret),
  ]);
  fill(body,
    make("p", { class: "soft" }, "Which job would win if another value of each job counted. The regret is how much worse the value of that job is, under " + own + ", than that of the winner."),
    plainTable("Winners under other rules", ["scope", "best job", "its value", "tied", "rank under " + own, "value under " + own, "regret"], rows, [2, 3, 4, 5, 6]));
}

function drawDoubts() {
  const body = section("doubts");
  const parts = [];
  for (const error of data.errors) {
    parts.push(make("p", { class: "warning" }, make("b", {}, "error"), ": " + error.message));
  }
  if (data.error_count > data.errors.length) parts.push(make("p", { class: "hint" }, counted(data.error_count - data.errors.length, "more error")));
  if (data.notices.length) parts.push(make("h3", {}, "Notices"), make("ul", {}, data.notices.map((text) => make("li", { class: "wrap" }, text))));
  if (data.doubts.kinds.length) {
    const rows = data.doubts.kinds.map((one) => [one.kind, GROUPED.format(one.jobs), make("span", {}, one.meaning)]);
    parts.push(make("h3", {}, "Doubts about values"), plainTable("Doubts by kind", ["doubt", "jobs", "what it means"], rows, [1]));
    const all = data.doubts.of.map((one) => [data.jobs.name[one.job] ?? "", one.kind, make("span", {}, one.message), make("span", { class: "mono" }, breakable(placeOf(one)))]);
    const most = all.slice(0, 200);
    parts.push(make("details", {}, make("summary", {}, "Each doubt (" + GROUPED.format(data.doubts.count) + ")"),
      plainTable("Each doubt", ["job", "doubt", "what was found", "place"], most),
      data.doubts.count > most.length ? make("p", { class: "hint" }, "The first " + most.length + " are listed.") : null));
  }
  const kinds = Object.keys(data.count_meanings).filter((kind) => kind === "rows" || data.counts.some((one) => one[kind]));
  const rows = data.counts.map((one) => [one.metric, ...kinds.map((kind) => (one[kind] === null ? "" : GROUPED.format(one[kind])))]);
  parts.push(make("h3", {}, "Values and texts that gave none"),
    plainTable("Counts of each metric", ["metric", ...kinds.map((kind) => data.count_meanings[kind][0])], rows, kinds.map((_, at) => at + 1)),
    make("dl", { class: "facts" }, kinds.slice(1).map((kind) => [make("dt", {}, data.count_meanings[kind][0]), make("dd", {}, data.count_meanings[kind][1])])));
  if (data.suspects.length) {
    const lines = data.suspects.map((one) => [one.metric, one.kind, make("span", { class: "mono" }, one.text ?? ""), make("span", { class: "mono" }, breakable(placeOf(one) || "line " + one.line))]);
    const heads = ["metric", "kind", "text", "place"];
    parts.push(make("h3", {}, "Some of these texts"), plainTable("Texts that gave no value", heads, lines.slice(0, FIRST_LINES)));
    if (lines.length > FIRST_LINES) {
      parts.push(make("details", {}, make("summary", {}, counted(lines.length - FIRST_LINES, "more text")), plainTable("More texts that gave no value", heads, lines.slice(FIRST_LINES))));
    }
  }
  fill(body, parts);
}

function drawMade() {
  const body = section("made");
  const made = data.made;
  const options = Object.entries(made.options).map(([name, value]) => name + " = " + value);
  const regexes = data.counts.map((one) => [one.metric, one.is_label ? "label" : "metric", make("pre", { class: "regex mono" }, one.regex ?? "not known")]);
  const same = Object.entries(data.same);
  const kept = data.objective ? Object.entries(data.objective).filter(([name, value]) => name !== "rule" && name !== "metrics" && value !== null) : [];
  fill(body,
    make("h3", { style: "margin-top: 0" }, "Definitions"), plainTable("Definitions", ["name", "kind", "regex"], regexes),
    kept.length ? [make("h3", {}, "Objective"), facts(kept.map(([name, value]) => [name, String(value)]))] : null,
    make("h3", {}, "Reading and versions"),
    facts([
      ["dataset", data.source.path], ["format", made.format], ["logs", data.source.logs || ""],
      ["records", data.source.records === null ? "" : GROUPED.format(data.source.records)],
      ["input format", made.input_format], ["options", options.join(", ")], ["fingerprint", made.fingerprint],
      ["scanned by", made.dataset ? "metricscan " + made.dataset : ""], ["page by", "metricscan " + made.metricscan + ", Bokeh " + Bokeh.version],
    ]),
    same.length ? make("details", {}, make("summary", {}, counted(same.length, "hyperparameter") + " that all jobs share"), facts(same)) : null);
}

function drawNavigation() {
  const links = [...document.querySelectorAll("main > section")].filter((one) => !one.hidden).map((one) =>
    make("a", { href: "#" + one.id }, one.querySelector("h2").textContent));
  document.getElementById("sections").hidden = links.length < 2;
  fill(document.getElementById("sections"), links);
}

listeners.push((what) => {
  if (!what.has("data")) return;
  drawSummary();
  if (data.kind === "plot") return;
  drawWinner();
  drawScopes();
  drawDoubts();
  drawMade();
});
