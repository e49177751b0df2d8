/* The map page of a collection. `musicbook.collection.map_page` writes the data that it draws:
   tracks (names, places, groups, nearest tracks, sounds), groups (names, words, whether they
   are loose) and the names of the axes. Points are drawn on a canvas; everything that can be pressed
   is plain HTML, so that keyboards and screen readers reach it. Nothing is loaded from elsewhere. */
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const { names, artists, group, x, y, near, sounds, groups, paths, between } = data;
  const n = names.length;
  const COLOURS = {
    light: ["#3465b0", "#c8402f", "#2c7d43", "#9a6b00", "#0f7f93", "#9b3f8f", "#c25a12", "#5b5bd6",
            "#6b7d1c", "#b0345f", "#3f6f6a", "#7a5548"],
    dark: ["#7aa8f0", "#ff8a78", "#6fca86", "#e0b84a", "#5fcfe0", "#dc8fd2", "#f5a05c", "#a5a5ff",
           "#b7cc5c", "#f58bb0", "#8cc3bd", "#c9a595"],
  };
  const SHAPES = ["circle", "square", "diamond", "triangle"];  // twelve colours each
  const state = { over: -1, chosen: -1, shown: null, query: "", scale: 1, left: 0, top: 0 };

  const $ = (id) => document.getElementById(id);
  const stage = $("stage"), canvas = $("map"), tip = $("tip"), side = $("panel");
  const pen = canvas.getContext("2d");

  function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) {
      if (typeof value === "function") node.addEventListener(key, value);
      else if (value !== undefined && value !== null) node.setAttribute(key, value);
    }
    node.append(...children);
    return node;
  }

  // ---- colours: those of the page around, where there is one, else those of the system

  const system = matchMedia("(prefers-color-scheme: dark)");
  function isDark() {
    const own = document.documentElement.dataset.theme;
    return own ? own === "dark" : system.matches;
  }
  function followParent() {
    try {
      const root = parent !== window && parent.document.documentElement;
      if (!root) return;
      const copy = () => {
        const theme = root.dataset.theme;
        if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
        paint();
      };
      new MutationObserver(copy).observe(root, { attributeFilter: ["data-theme", "data-mode"] });
      copy();
    } catch (error) { /* the page around is another site's */ }
  }
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  function colourOf(g) {
    if (g < 0) return css("--between");
    return COLOURS[isDark() ? "dark" : "light"][g % 12];
  }
  const shapeOf = (g) => g < 0 ? "circle" : SHAPES[Math.floor(g / 12) % SHAPES.length];

  // ---- the map

  let width = 0, height = 0;
  const bounds = { left: Math.min(...x), right: Math.max(...x), low: Math.min(...y), high: Math.max(...y) };

  function fit() {
    const box = stage.getBoundingClientRect(), ratio = devicePixelRatio || 1;
    if (!box.width) return;
    width = box.width;
    height = box.height;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    paint();
  }
  const ABOVE = 78, BELOW = 40;  // pixels: room for buttons and names above, for the hint below
  const aside = () => Math.min(60, width / 9);
  function placeX(value) {
    const share = (value - bounds.left) / (bounds.right - bounds.left || 1);
    return (aside() + share * (width - 2 * aside())) * state.scale + state.left;
  }
  function placeY(value) {
    const share = (bounds.high - value) / (bounds.high - bounds.low || 1);
    return (ABOVE + share * (height - ABOVE - BELOW)) * state.scale + state.top;
  }
  function size() {
    return Math.max(2.5, Math.min(6, 90 / Math.sqrt(n))) * Math.min(2, Math.sqrt(state.scale));
  }
  const matches = (i) => names[i].toLowerCase().includes(state.query)
    || artists[i].toLowerCase().includes(state.query);
  function faded(i) {
    if (state.query) return !matches(i);
    return state.shown !== null && group[i] !== state.shown;
  }

  function dot(px, py, r, shape) {
    pen.beginPath();
    if (shape === "square") pen.rect(px - r * 0.9, py - r * 0.9, r * 1.8, r * 1.8);
    else if (shape === "diamond") {
      pen.moveTo(px, py - r * 1.25); pen.lineTo(px + r * 1.25, py);
      pen.lineTo(px, py + r * 1.25); pen.lineTo(px - r * 1.25, py); pen.closePath();
    } else if (shape === "triangle") {
      pen.moveTo(px, py - r * 1.2); pen.lineTo(px + r * 1.1, py + r * 0.9);
      pen.lineTo(px - r * 1.1, py + r * 0.9); pen.closePath();
    } else pen.arc(px, py, r, 0, 7);
  }

  function paint() {
    if (!width) return;
    pen.clearRect(0, 0, width, height);
    const r = size();
    const order = [...Array(n).keys()].sort((a, b) => faded(b) - faded(a));
    for (const i of order) {
      const px = placeX(x[i]), py = placeY(y[i]);
      if (px < -9 || py < -9 || px > width + 9 || py > height + 9) continue;
      pen.globalAlpha = faded(i) ? 0.15 : group[i] < 0 ? 0.6 : 0.85;
      pen.fillStyle = colourOf(group[i]);
      dot(px, py, group[i] < 0 ? r * 0.75 : r, shapeOf(group[i]));
      pen.fill();
    }
    pen.globalAlpha = 1;
    if (state.chosen >= 0) {
      pen.strokeStyle = css("--mark");
      pen.lineWidth = 1;
      for (const j of near[state.chosen]) {
        pen.beginPath();
        pen.moveTo(placeX(x[state.chosen]), placeY(y[state.chosen]));
        pen.lineTo(placeX(x[j]), placeY(y[j]));
        pen.globalAlpha = 0.35;
        pen.stroke();
      }
      pen.globalAlpha = 1;
      pen.lineWidth = 2.5;
      dot(placeX(x[state.chosen]), placeY(y[state.chosen]), r + 4, "circle");
      pen.stroke();
    }
    if (state.over >= 0 && state.over !== state.chosen) {
      pen.strokeStyle = css("--mark");
      pen.lineWidth = 2;
      dot(placeX(x[state.over]), placeY(y[state.over]), r + 3, "circle");
      pen.stroke();
    }
    write();
  }

  // names of the groups, each above its tracks; it moves up or down where it would hide another name
  // or tracks
  function write() {
    const taken = [];
    pen.font = `600 ${width < 600 ? 13 : 15}px system-ui, sans-serif`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.lineJoin = "round";
    groups.forEach((one, g) => {
      if (state.shown !== null && state.shown !== g) return;
      const lines = broken(one.name, width < 600 ? 16 : 22);
      const wide = Math.max(...lines.map((line) => pen.measureText(line).width)), tall = 18 * lines.length;
      const cx = placeX(one.x), cy = placeY(one.top) - tall / 2 - size() - 3;
      if (cx < -40 || cx > width + 40 || cy < -20 || cy > height + 20) return;
      const px = Math.max(wide / 2 + 4, Math.min(width - wide / 2 - 4, cx));
      let best = null, least = Infinity;
      for (const step of [0, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6]) {
        const py = Math.max(tall / 2 + 4, Math.min(height - tall / 2 - 4, cy + step * 14));
        const free = taken.every((t) => Math.abs(t.px - px) > (t.wide + wide) / 2 + 6
          || Math.abs(t.py - py) > (t.tall + tall) / 2 + 2);
        const cost = Math.abs(step) + covered(px, py, wide / 2, tall / 2);
        if (free && cost < least) { best = py; least = cost; }
      }
      if (best === null) return;  // no room: the name is in the list beside the map
      taken.push({ px, py: best, wide, tall });
      lines.forEach((line, at) => {
        const py = best + (at - (lines.length - 1) / 2) * 18;
        pen.strokeStyle = css("--panel");
        pen.lineWidth = 5;
        pen.strokeText(line, px, py);
        pen.fillStyle = css("--ink");
        pen.fillText(line, px, py);
      });
    });
  }
  function covered(px, py, halfWide, halfTall) {  // tracks under a name; a map of very many has no free place
    let count = 0;
    for (let i = 0; i < n && n <= 3000; i++) {
      if (Math.abs(placeX(x[i]) - px) < halfWide + 4 && Math.abs(placeY(y[i]) - py) < halfTall + 4) count += 1;
    }
    return count;
  }
  function broken(text, most) {
    const lines = [""];
    for (const word of text.split(" ")) {
      const last = lines[lines.length - 1];
      if (last && last.length + word.length + 1 > most && lines.length < 3) lines.push(word);
      else lines[lines.length - 1] = last ? `${last} ${word}` : word;
    }
    return lines;
  }

  function nearestTo(px, py, reach) {
    let best = -1, least = reach * reach;
    for (let i = 0; i < n; i++) {
      if (faded(i)) continue;
      const dx = placeX(x[i]) - px, dy = placeY(y[i]) - py, d = dx * dx + dy * dy;
      if (d < least) { least = d; best = i; }
    }
    return best;
  }

  function zoom(factor, px = width / 2, py = height / 2) {
    const scale = Math.max(1, Math.min(40, state.scale * factor)), change = scale / state.scale;
    state.left = px - (px - state.left) * change;
    state.top = py - (py - state.top) * change;
    state.scale = scale;
    keepInside();
    paint();
  }
  function keepInside() {
    state.left = Math.min(0, Math.max(width * (1 - state.scale), state.left));
    state.top = Math.min(0, Math.max(height * (1 - state.scale), state.top));
  }

  // ---- pointers: press, drag, pinch, and rest on a point to hear it

  const down = new Map();
  let moved = false, apart = 0, resting = 0;

  function at(event) {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, at(event));
    moved = down.size > 1;
    apart = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const [px, py] = at(event), before = down.get(event.pointerId);
    if (!before) return hover(px, py, event.pointerType);
    if (down.size === 2) {
      down.set(event.pointerId, [px, py]);
      const [[ax, ay], [bx, by]] = [...down.values()], wide = Math.hypot(ax - bx, ay - by);
      if (apart) zoom(wide / apart, (ax + bx) / 2, (ay + by) / 2);
      apart = wide;
      moved = true;
      return;
    }
    const dx = px - before[0], dy = py - before[1];
    if (!moved && Math.hypot(dx, dy) < 6) return;
    moved = true;
    state.left += dx;
    state.top += dy;
    down.set(event.pointerId, [px, py]);
    keepInside();
    paint();
  });
  function lifted(event) {
    const known = down.delete(event.pointerId);
    apart = 0;
    if (!known || moved || event.type === "pointercancel") return;
    const i = nearestTo(...at(event), event.pointerType === "touch" ? 24 : 14);
    if (i >= 0) choose(i, true);
  }
  canvas.addEventListener("pointerup", lifted);
  canvas.addEventListener("pointercancel", lifted);
  canvas.addEventListener("pointerleave", () => hover(-999, -999));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 400), ...at(event));
  }, { passive: false });

  function hover(px, py, kind) {
    const i = kind === "touch" ? -1 : nearestTo(px, py, 14);
    canvas.classList.toggle("over", i >= 0);
    if (i === state.over) return;
    state.over = i;
    clearTimeout(resting);
    if (i >= 0 && $("hover").getAttribute("aria-pressed") === "true") {
      resting = setTimeout(() => sound.one(i), 180);
    }
    showTip(i);
    paint();
  }
  function showTip(i) {
    tip.hidden = i < 0;
    if (i < 0) return;
    const [name, of] = said(i);
    tip.replaceChildren(name, make("small", {}, [of, groupName(group[i])].filter(Boolean).join(" · ")));
    const px = placeX(x[i]), py = placeY(y[i]);
    tip.style.left = `${Math.max(4, Math.min(width - tip.offsetWidth - 4, px + 12))}px`;
    tip.style.top = `${Math.max(4, Math.min(height - tip.offsetHeight - 4, py + 12))}px`;
  }
  canvas.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (way) {
      event.preventDefault();
      const from = state.chosen < 0 ? groups.length ? groups[0].first : 0 : state.chosen;
      choose(state.chosen < 0 ? from : towards(from, way), false);
    }
    if ((event.key === "Enter" || event.key === " ") && state.chosen >= 0) {
      event.preventDefault();
      sound.one(state.chosen);
    }
  });
  function towards(from, [dx, dy]) {
    let best = from, least = Infinity;
    for (let i = 0; i < n; i++) {
      const ax = placeX(x[i]) - placeX(x[from]), ay = placeY(y[i]) - placeY(y[from]);
      const along = ax * dx + ay * dy, aside = Math.abs(ax * dy) + Math.abs(ay * dx);
      if (i !== from && along > 0.5 && along + 2 * aside < least) { least = along + 2 * aside; best = i; }
    }
    return best;
  }

  // ---- sound: one track, or one after the other

  const audio = $("audio");
  const sound = {
    queue: [], place: -1, title: "",
    one(i) { this.queue = [i]; this.place = 0; this.title = ""; this.start(); },
    all(rows, title) {
      this.queue = rows.filter((i) => sounds[i]);
      this.place = 0;
      this.title = title;
      this.start();
    },
    now() { return this.place < 0 ? -1 : this.queue[this.place]; },
    start() {
      const i = this.now();
      if (i === undefined || i < 0) return this.stop();
      const [name, of] = said(i);
      const place = this.queue.length > 1 ? `${this.place + 1} of ${this.queue.length}: ${this.title}` : groupName(group[i]);
      $("now").replaceChildren(make("strong", {}, of ? `${of}: ${name}` : name), make("span", {}, place));
      $("toggle").disabled = false;
      $("next").disabled = this.queue.length < 2;
      if (this.queue.length > 1) { state.chosen = i; paint(); }
      if (!sounds[i]) return this.silent(i, "there is no sound for this track");
      audio.src = sounds[i];
      audio.play().catch((error) => {
        if (error.name !== "AbortError") this.silent(i, "this browser cannot play the file here");
      });
      marks();
    },
    silent(i, why) {
      $("now").append(make("span", { role: "status" }, why));
      if (this.queue.length > 1 && this.place < this.queue.length - 1) setTimeout(() => this.next(), 900);
    },
    next() {
      if (this.place >= this.queue.length - 1) return this.stop();
      this.place += 1;
      this.start();
    },
    stop() { audio.pause(); this.queue = []; this.place = -1; marks(); },
    toggle() { if (audio.paused) audio.play().catch(() => {}); else audio.pause(); },
  };
  const taste = () => $("length").value === "taste" && !data.clips;
  audio.addEventListener("loadedmetadata", () => {
    if (taste() && audio.duration > 40) audio.currentTime = audio.duration * 0.3;
  });
  let began = 0;
  audio.addEventListener("playing", () => { began = audio.currentTime; marks(); });
  audio.addEventListener("pause", marks);
  audio.addEventListener("ended", () => sound.next());
  audio.addEventListener("timeupdate", () => {
    const length = taste() ? 12 : audio.duration || 1, gone = taste() ? audio.currentTime - began : audio.currentTime;
    $("gone").value = Math.max(0, Math.min(1, gone / length));
    if (taste() && gone > 12 && !audio.paused) sound.queue.length > 1 ? sound.next() : audio.pause();
  });
  $("toggle").addEventListener("click", () => sound.toggle());
  $("next").addEventListener("click", () => sound.next());
  $("length").addEventListener("change", () => { began = audio.currentTime; });
  function marks() {
    const playing = sound.now() >= 0 && !audio.paused;
    $("toggle").textContent = playing ? "❚❚" : "▶";
    $("toggle").setAttribute("aria-label", playing ? "Pause" : "Play");
  }

  // ---- words

  function said(i) { return [names[i], artists[i]]; }
  const groupName = (g) => g < 0 ? "between groups" : groups[g].name;

  function swatch(g) {
    const svg = `<svg viewBox="0 0 12 12" aria-hidden="true" width="100%" height="100%"></svg>`;
    const holder = make("span", { class: "swatch" });
    holder.innerHTML = svg;
    const d = { circle: "M6 1a5 5 0 1 0 .01 0z", square: "M1.5 1.5h9v9h-9z", diamond: "M6 0l6 6-6 6-6-6z",
                triangle: "M6 1l5.5 10H.5z" }[shapeOf(g)];
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", d);
    path.setAttribute("fill", colourOf(g));
    holder.firstChild.append(path);
    return holder;
  }

  function playlist(title, rows) {
    const lines = ["#EXTM3U", `#PLAYLIST:${title}`];
    for (const i of rows) {
      lines.push(`#EXTINF:-1,${[artists[i], names[i]].filter(Boolean).join(" - ")}`, paths[i]);
    }
    const file = new Blob([lines.join("\n") + "\n"], { type: "audio/x-mpegurl" });
    const link = make("a", { href: URL.createObjectURL(file),
      download: `${title.replace(/[\\/:*?"<>|\u0000-\u001f]+/g, " ").trim().slice(0, 80)}.m3u8` });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }
  const button = (label, click, attributes = {}) => make("button", { type: "button", click, ...attributes }, label);

  function list(rows, own = null) {  // `own`: the group whose list this is, and whose name goes without saying
    return make("ul", { class: "tracks" }, ...rows.map((i) => {
      const [name, of] = said(i);
      const pick = button(name, () => choose(i, false), { class: "pick" });
      const beside = [of, group[i] === own ? "" : groupName(group[i])].filter(Boolean).join(" · ");
      if (beside) pick.append(make("small", {}, beside));
      const items = [swatch(group[i]), pick];
      if (sounds[i]) items.push(button("▶", () => choose(i, true), { class: "play", "aria-label": `Play ${name}` }));
      return make("li", {}, ...items);
    }));
  }

  function groupCard(g) {
    const one = groups[g], on = state.shown === g;
    const card = make("section", { class: on ? "group on" : "group" },
      make("h3", { class: "name" }, swatch(g), one.name),
      make("p", {}, `${one.rows.length} tracks${one.loose ? " · a loose group" : ""}`));
    if (one.words.length > 1) card.append(make("p", {}, one.words.join(", ")));
    const row = make("div", { class: "row" });
    if (one.rows.some((i) => sounds[i])) row.append(button("▶ Play through", () => sound.all(one.rows, one.name)));
    row.append(button(on ? "Show all" : "On the map", () => show(on ? null : g), { "aria-pressed": on }));
    if (paths) row.append(button("Save playlist", () => playlist(one.name, one.rows), { "aria-label": `Save a playlist of ${one.name}` }));
    card.append(row);
    if (on) card.append(list(one.rows, g));
    return card;
  }

  function betweenCard() {
    const on = state.shown === -1;
    const card = make("section", { class: on ? "group on" : "group" },
      make("h3", { class: "name" }, swatch(-1), "Between groups"),
      make("p", {}, `${between.length} tracks. ${data.why_between}`),
      make("div", { class: "row" }, button(on ? "Hide the list" : "List them", () => show(on ? null : -1), { "aria-pressed": on })));
    if (on) card.append(list(between, -1));
    return card;
  }

  function trackCard(i) {
    const [name, of] = said(i);
    const row = make("div", { class: "row" });
    if (sounds[i]) row.append(button("▶ Play", () => sound.one(i)));
    row.append(button("▶ Play those like it", () => sound.all([i, ...near[i]], `like ${name}`)));
    if (paths) row.append(button("Save them as a playlist", () => playlist(`like ${name}`, [i, ...near[i]])));
    row.append(button("All groups", () => { state.chosen = -1; refresh(); paint(); }));
    const card = make("section", { class: "group" },
      make("h3", { class: "name" }, swatch(group[i]), name),
      make("p", {}, [of, groupName(group[i])].filter(Boolean).join(" · ")), row);
    const same = data.doubles.filter((pair) => pair.includes(i)).map(([a, b]) => (a === i ? b : a));
    if (same.length) card.append(make("p", {}, `Sounds like the same recording: ${same.map((j) => names[j]).join("; ")}`));
    card.append(make("h3", {}, "More like this"), list(near[i]));
    return card;
  }

  function refresh() {
    if (state.query) {
      const rows = [...Array(n).keys()].filter(matches);
      side.replaceChildren(make("p", { class: "quiet", role: "status" },
        `${rows.length} of ${n} tracks have “${state.query}” in their name`), list(rows.slice(0, 60)));
    } else if (state.chosen >= 0) side.replaceChildren(trackCard(state.chosen));
    else {
      const cards = groups.map((_, g) => groupCard(g));
      if (between.length) cards.push(betweenCard());
      side.replaceChildren(...cards);
    }
  }
  function show(g) {
    state.shown = g;
    state.chosen = -1;
    refresh();
    paint();
    const bounds = stage.getBoundingClientRect();
    if (g !== null && (bounds.bottom < 0 || bounds.top > innerHeight)) stage.scrollIntoView({ block: "start" });
  }
  function choose(i, play) {
    state.chosen = i;
    state.query = "";
    $("search").value = "";
    if (state.shown !== null && group[i] !== state.shown) state.shown = null;
    showTip(-1);
    refresh();
    $("side").scrollTop = 0;
    paint();
    if (play) sound.one(i);
  }

  $("search").addEventListener("input", () => {
    state.query = $("search").value.trim().toLowerCase();
    refresh();
    paint();
  });
  $("closer").addEventListener("click", () => zoom(1.6));
  $("farther").addEventListener("click", () => zoom(1 / 1.6));
  $("whole").addEventListener("click", () => { state.shown = null; state.chosen = -1; refresh(); zoom(1e-6); });
  $("hover").addEventListener("click", () => {
    const on = $("hover").getAttribute("aria-pressed") !== "true";
    $("hover").setAttribute("aria-pressed", on);
    if (!on) sound.stop();
  });
  if (!sounds.some(Boolean)) for (const id of ["hover", "player"]) $(id).hidden = true;
  if (!sounds.some(Boolean)) $("hint").textContent = "Press a point to see which tracks are like it.";
  if (data.clips) $("length").hidden = true;
  if (matchMedia("(pointer: coarse)").matches) $("hover").hidden = true;

  system.addEventListener("change", () => { refresh(); paint(); });
  new ResizeObserver(fit).observe(stage);
  followParent();
  refresh();
  fit();
  window.collection = { state, choose, show, sound, placeX, placeY };  // for the tests of the page
})();
