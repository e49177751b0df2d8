/* Maps to explore by hand. Draws each <div class="explorer"> from the JSON it holds (musicbook.chapters.leakage.explorers says what is
   in it); plotly draws the points, everything that can be pressed is plain HTML, so that keyboards and screen readers reach it. */
(() => {
  const SHAPES = {  // plotly's symbols, as paths of a legend
    "circle": "M6 1a5 5 0 1 0 .01 0z", "square": "M1.5 1.5h9v9h-9z", "diamond": "M6 0l6 6-6 6-6-6z",
    "triangle-up": "M6 1l5.5 10H.5z", "cross": "M4 0h4v4h4v4H8v4H4V8H0V4h4z",
    "x": "M2.5 0L6 3.5 9.5 0 12 2.5 8.5 6 12 9.5 9.5 12 6 8.5 2.5 12 0 9.5 3.5 6 0 2.5z",
  };
  const SHOWN = 40;  // classes a legend names; the rest are counted

  function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) {
      if (typeof value === "function") node.addEventListener(key, value);
      else if (value !== undefined) node.setAttribute(key, value);
    }
    node.append(...children);
    return node;
  }

  const plain = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;");  // plotly reads some HTML in what it writes

  function swatch([, colour, shape]) {
    const holder = make("span", { class: "swatch" });
    holder.innerHTML = `<svg viewBox="0 0 12 12" aria-hidden="true"><path d="${SHAPES[shape]}" fill="${colour}"/></svg>`;
    return holder;
  }

  function start(root) {
    const data = JSON.parse(root.querySelector("script").textContent);
    const { ids, maps, colours } = data;
    const state = { colour: 0, chosen: -1, over: -1, found: [],
                    hidden: colours.map(() => new Set()) };
    const values = () => colours[state.colour].values;
    const nameOf = (colour, i) => `${colour.name}: ${colour.classes[colour.values[i]][0]}`;

    // ---- what can be pressed
    const said = make("div", { class: "said", "aria-live": "polite" });
    const legend = make("fieldset", { class: "legend" });
    const controls = make("div", { class: "controls" });

    if (colours.length > 1) {
      const group = make("fieldset", { class: "colours" }, make("legend", {}, "Colour by"));
      colours.forEach((colour, number) => {
        const radio = make("input", { type: "radio", name: `${data.name}-colour`,
                                      change: () => { state.colour = number; relegend(); draw(); } });
        radio.checked = number === 0;
        group.append(make("label", {}, radio, colour.name));
      });
      controls.append(group);
    }
    const options = make("datalist", { id: `${data.name}-ids` }, ...ids.map((id) => make("option", { value: id })));
    const search = make("input", { type: "search", list: options.id, placeholder: "part of a name", autocomplete: "off",
      input: () => {
        const wanted = search.value.trim().toLowerCase();
        state.found = wanted ? ids.flatMap((id, i) => id.toLowerCase().includes(wanted) ? [i] : []) : [];
        const whole = ids.findIndex((id) => id.toLowerCase() === wanted);
        if (whole >= 0) choose(whole);
        else { count.textContent = wanted ? `${state.found.length} found` : ""; draw(); }
      },
      keydown: (event) => {
        if (event.key !== "Enter" || !state.found.length) return;
        event.preventDefault();
        choose(state.found[(state.found.indexOf(state.chosen) + 1) % state.found.length]);
      } });
    const count = make("span", { class: "count", "aria-live": "polite" });
    controls.append(make("label", { class: "search" }, "Find a track ", search), count, options);

    // ---- the maps
    const row = make("div", { class: "maps" });
    const plots = maps.map((map) => {
      const plot = make("div", { class: "plotly-graph-div", tabindex: 0, role: "application",
        "aria-label": `Map ${map.title}. Arrow keys go from track to track.`, keydown: (event) => walk(event, map) });
      const zoom = (factor) => () => {
        const ranges = {};
        for (const axis of ["xaxis", "yaxis"]) {
          const [low, high] = plot._fullLayout[axis].range, middle = (low + high) / 2;
          ranges[`${axis}.range`] = [middle + (low - middle) * factor, middle + (high - middle) * factor];
        }
        Plotly.relayout(plot, ranges);
      };
      const tools = make("span", { class: "zoom" },
        make("button", { type: "button", "aria-label": `Closer: ${map.title}`, click: zoom(0.6) }, "+"),
        make("button", { type: "button", "aria-label": `Farther: ${map.title}`, click: zoom(1 / 0.6) }, "−"),
        make("button", { type: "button", "aria-label": `The whole map: ${map.title}`, click: () =>
          Plotly.relayout(plot, { "xaxis.autorange": true, "yaxis.autorange": true }) }, "all"));
      row.append(make("div", { class: "map" }, make("p", { class: "map-title" }, map.title, " ", tools), plot));
      return plot;
    });
    root.append(controls, row, said, legend);

    function relegend() {
      const colour = colours[state.colour], sizes = new Map();
      for (const value of values()) sizes.set(value, (sizes.get(value) || 0) + 1);
      const there = [...sizes.keys()].sort((a, b) => a - b);
      const off = state.hidden[state.colour];
      const boxes = there.slice(0, SHOWN).map((value) => {
        const box = make("input", { type: "checkbox", change: () => {
          box.checked ? off.delete(value) : off.add(value); draw();
        } });
        box.checked = !off.has(value);
        return make("label", {}, box, swatch(colour.classes[value]), `${colour.classes[value][0]} (${sizes.get(value)})`);
      });
      const all = (on) => () => {
        off.clear();
        if (!on) there.forEach((value) => off.add(value));
        boxes.forEach((label) => { label.querySelector("input").checked = on; });
        draw();
      };
      const rest = there.length - boxes.length;
      legend.replaceChildren(make("legend", {}, `Shown, by ${colour.name}`), ...boxes, ...(rest > 0 ? [`and ${rest} more `] : []),
        make("button", { type: "button", click: all(true) }, "all"), make("button", { type: "button", click: all(false) }, "none"));
    }

    function draw() {
      const own = values(), { classes } = colours[state.colour], off = state.hidden[state.colour];
      const ink = getComputedStyle(root).color;
      const seen = ids.map((_, i) => !off.has(own[i]));
      maps.forEach((map, number) => {
        const x = map.x, y = map.y;
        const kind = ids.length > 3000 ? "scattergl" : "scatter";
        const ring = (rows, size, width) => ({
          type: kind, mode: "markers", x: rows.map((i) => x[i]), y: rows.map((i) => y[i]), hoverinfo: "skip",
          marker: { size, symbol: "circle-open", color: ink, line: { width, color: ink } } });
        const points = {
          type: kind, mode: "markers", x: x.map((v, i) => seen[i] ? v : null), y,
          text: ids.map((id, i) => [id, ...colours.map((colour) => nameOf(colour, i))].map(plain).join("<br>")), hoverinfo: "text",
          marker: { size: ids.length > 300 ? 6 : 9, opacity: 0.85, color: own.map((v) => classes[v][1]),
                    symbol: own.map((v) => classes[v][2]) } };
        const near = state.chosen < 0 || !map.near ? [] : map.near[state.chosen];
        const found = state.found.length <= 60 ? state.found : [];
        const traces = [points, ring([...near, ...found], 13, 1), ring(state.chosen < 0 ? [] : [state.chosen], 18, 3),
                        ring(state.over < 0 ? [] : [state.over], 16, 2)];
        const bare = { showticklabels: false, showgrid: false, zeroline: false, title: { text: "" } };
        const layout = { autosize: true, height: 380, margin: { l: 8, r: 8, t: 8, b: 8 }, showlegend: false, hovermode: "closest",
          dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom", uirevision: "zoom", font: { color: ink },
          paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(128,128,128,0.07)",
          xaxis: bare, yaxis: bare };
        Plotly.react(plots[number], traces, layout, { displayModeBar: false, responsive: true, scrollZoom: false });
      });
    }

    function choose(i) {
      state.chosen = i;
      count.textContent = "";
      const facts = colours.map((colour) => nameOf(colour, i)).join("; ");
      const lines = [make("p", {}, make("strong", {}, ids[i]), ` (${facts})`)];
      maps.forEach((map) => {
        if (!map.near) return;
        const links = map.near[i].map((j) => make("button", { type: "button", click: () => choose(j) }, ids[j]));
        const where = maps.length > 1 ? `Nearest in the latent space of ${map.title}: ` : "Nearest in the latent space: ";
        lines.push(make("p", { class: "near" }, where, ...links));
      });
      said.replaceChildren(...lines);
      draw();
    }

    function walk(event, map) {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (!way) return;
      event.preventDefault();
      const x = map.x, y = map.y, own = values(), off = state.hidden[state.colour];
      if (state.chosen < 0) return choose(0);
      let best = -1, least = Infinity;
      ids.forEach((_, i) => {
        const dx = x[i] - x[state.chosen], dy = y[i] - y[state.chosen], ahead = dx * way[0] + dy * way[1];
        const distance = Math.hypot(dx, dy);
        if (ahead > 0 && ahead > 0.6 * distance && distance < least && !off.has(own[i])) [best, least] = [i, distance];
      });
      if (best >= 0) choose(best);
    }

    relegend();
    draw();
    plots.forEach((plot) => {
      plot.on("plotly_click", (event) => { if (event.points[0].curveNumber === 0) choose(event.points[0].pointNumber); });
      const over = (i) => {
        state.over = i;
        plots.forEach((other, number) => {
          const at = i < 0 ? [[], []] : [[maps[number].x[i]], [maps[number].y[i]]];
          Plotly.restyle(other, { x: [at[0]], y: [at[1]] }, [3]);
        });
      };
      if (maps.length > 1) {
        plot.on("plotly_hover", (event) => over(event.points[0].pointNumber));
        plot.on("plotly_unhover", () => over(-1));
      }
    });
    new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-theme", "data-mode"] });
    root.explorer = { state, choose };  // for the tests of the built pages
  }

  function all() {
    document.querySelectorAll("div.explorer:not([data-drawn])").forEach((root) => { root.dataset.drawn = "yes"; start(root); });
  }

  function ready() {
    const missing = document.querySelector("div.explorer[data-plotly]");
    if (window.Plotly || !missing) return all();
    document.head.append(make("script", { src: missing.dataset.plotly, load: all }));  // a notebook server: there is no site
  }
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", ready) : ready();
})();
