/* The opening page's picture: one map of the songs and a switch, "the genre is in the input" or not.
   Without JavaScript the page keeps the two still maps that tools/finding.py puts side by side. */
document.addEventListener("DOMContentLoaded", () => {
  const root = document.getElementById("opening");
  if (!root) return;
  const { maps, genre, colours, grid } = JSON.parse(root.querySelector("script").textContent);

  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  const score = document.createElement("p");
  score.className = "opening-score";
  score.setAttribute("aria-live", "polite");
  const choice = document.createElement("fieldset");
  choice.className = "opening-switch";
  choice.innerHTML = '<legend class="visually-hidden">Which input does the network get?</legend>';
  maps.forEach((map, number) => {
    const label = document.createElement("label");
    const radio = document.createElement("input");
    radio.type = "radio";
    radio.name = "opening";
    radio.checked = number === 0;
    radio.addEventListener("change", () => show(number));
    label.append(radio, map.title);
    choice.append(label);
  });
  root.querySelector(".opening-maps").replaceWith(choice, canvas, score);

  let now = maps[0].points.slice();  // where the points are drawn: x, y, x, y, ...
  let frame = 0;

  function draw() {
    const width = canvas.clientWidth, height = canvas.clientHeight, sharp = window.devicePixelRatio || 1;
    canvas.width = width * sharp;
    canvas.height = height * sharp;
    const pen = canvas.getContext("2d");
    pen.scale(sharp, sharp);
    pen.globalAlpha = 0.85;
    const radius = Math.max(2, width / 180), half = Math.min(width, height * 1.2) / 2 - radius;
    genre.forEach((kind, i) => {
      pen.fillStyle = colours[kind];
      pen.beginPath();
      pen.arc(width / 2 + half * now[2 * i] / grid,
              height / 2 - (height / 2 - radius) * now[2 * i + 1] / grid, radius, 0, 7);
      pen.fill();
    });
  }

  function show(number) {
    const { title, score: value, points } = maps[number];
    score.innerHTML = `Agreement with genre: <strong>${value}</strong> of 1`;
    canvas.setAttribute("aria-label", `Map of ${genre.length} songs, a colour for each genre. ${title}.`);
    cancelAnimationFrame(frame);
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      now = points.slice();
      return draw();
    }
    const from = now.slice(), start = performance.now();
    const move = (time) => {
      const part = Math.min(1, Math.max(0, (time - start) / 900)), eased = part * part * (3 - 2 * part);
      now = from.map((value, i) => value + (points[i] - value) * eased);
      draw();
      if (part < 1) frame = requestAnimationFrame(move);
    };
    frame = requestAnimationFrame(move);
  }

  show(0);
  addEventListener("resize", draw);
});
