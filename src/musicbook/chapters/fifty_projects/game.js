/* The game of the page "Audit": turns its two tables into a slider and into questions. Without this script they are tables. */
(() => {
  function make(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (typeof value === "function") node.addEventListener(key, value);
      else node.setAttribute(key, value);
    }
    node.append(...children);
    return node;
  }

  function planting(doses) {
    const kinds = [...new Set(doses.map((row) => row.leak))];
    const steps = [...new Set(doses.map((row) => row.dose))];
    const kind = make("select", { change: show }, ...kinds.map((name) => make("option", {}, name)));
    const dose = make("input", { type: "range", min: 0, max: steps.length - 1, step: 1, value: 0, input: show });
    const fill = make("div");
    const bar = make("div", { class: "bar", "aria-hidden": "true" }, fill);
    const answer = make("output", { "aria-live": "polite" });
    function show() {
      const share = steps[dose.value];
      const row = doses.find((one) => one.leak === kind.value && one.dose === share);
      fill.style.width = `${100 * row.NMI}%`;
      bar.classList.toggle("leaky", share > 0);
      dose.setAttribute("aria-valuetext", `${Math.round(100 * share)} % of the songs`);
      answer.textContent = `${Math.round(100 * share)} % of the songs: NMI ${row.NMI.toFixed(2)}. ` +
        `The audit says: ${row["the audit says"]}.`;
    }
    show();
    return make("div", { class: "plant" }, make("strong", {}, "Plant a leak"),
      make("label", {}, "Leak", kind), make("label", {}, "Songs that it reaches", dose), bar, answer);
  }

  function guessing(table, results) {
    const tally = make("p", { "aria-live": "polite" });
    let right = 0, asked = 0;
    results.forEach((row, i) => {
      const cell = table.tBodies[0].rows[i].cells[2];
      const answer = (guess) => () => {
        asked += 1;
        if (guess === row.leaky) right += 1;
        const truth = row.leaky ? "leaky" : "honest";
        cell.textContent = `${guess === row.leaky ? "Right" : "Wrong"}: it is ${truth}. The audit says: ${row["the audit says"]}.`;
        cell.tabIndex = -1;
        cell.focus();
        tally.textContent = `${right} of ${asked} right.`;
      };
      cell.replaceChildren(
        make("button", { type: "button", click: answer(true), "aria-label": `${row["what went in"]}: leaky` }, "leaky"),
        make("button", { type: "button", click: answer(false), "aria-label": `${row["what went in"]}: honest` }, "honest"));
    });
    table.after(tally);
  }

  function start(root) {
    if (root.dataset.started) return;
    root.dataset.started = "yes";
    const data = JSON.parse(root.querySelector("script").textContent);
    root.querySelector("table.doses").replaceWith(planting(data.doses));
    guessing(root.querySelector("table.results"), data.results);
  }

  document.querySelectorAll(".leak-game").forEach(start);
})();
