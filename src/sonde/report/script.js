// Comfort only: everything on the page can be read without this.
(() => {
  "use strict";
  const SVG = "http://www.w3.org/2000/svg";
  const show = (value, digits = 5) => {
    const size = Math.abs(value);
    if (size !== 0 && (size >= 1e7 || size < 1e-4)) return value.toExponential(2);
    return value.toLocaleString("en-GB", { maximumSignificantDigits: digits });
  };
  const element = (name, attributes, parent) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return parent.appendChild(made);
  };

  // Point at a chart to read its values.
  for (const chart of document.querySelectorAll("svg.chart[data-hover]")) {
    const data = JSON.parse(chart.dataset.hover);
    chart.querySelector(":scope > title")?.remove(); // its text stands in aria-label; the browser's own tooltip would cover ours
    const when = (x) => {
      if (data.names) return data.names[Math.round(x)] ?? "";
      if (data.days) return new Date((x - 719163) * 864e5).toISOString().slice(0, 10);
      const label = chart.querySelector(".axis-label");
      return `${label ? label.textContent + " " : ""}${show(x, 4)}`;
    };
    let line = null, box = null;
    const leave = () => { line?.remove(); box?.remove(); line = box = null; };
    const move = (event) => {
      const style = getComputedStyle(chart), bounds = chart.getBoundingClientRect();
      const left = parseFloat(style.paddingLeft), width = bounds.width - left - parseFloat(style.paddingRight);
      const height = bounds.height - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
      const share = (event.clientX - bounds.left - left) / width;
      if (share < -0.03 || share > 1.03) return leave();
      const place = (x) => data.log ? Math.log(x / data.low) / Math.log(data.high / data.low) : (x - data.low) / (data.high - data.low);
      const near = data.lines.map(([name, points]) => [name, points.reduce((a, b) => Math.abs(place(b[0]) - share) < Math.abs(place(a[0]) - share) ? b : a)]);
      const x = near.reduce((a, b) => Math.abs(place(b[1][0]) - share) < Math.abs(place(a[1][0]) - share) ? b : a)[1][0];
      line ??= element("line", { class: "crosshair", y1: 0 }, chart);
      for (const end of ["x1", "x2"]) line.setAttribute(end, `${place(x) * 100}%`);
      line.setAttribute("y2", height);
      const figure = chart.closest("figure");
      if (!box) { box = document.createElement("div"); box.className = "readout"; figure.appendChild(box); }
      box.textContent = "";
      const head = document.createElement("b"); head.textContent = when(x); box.appendChild(head);
      for (const [name, [at, y]] of near) {
        if (Math.abs(place(at) - place(x)) > 0.04) continue;
        const row = document.createElement("div"); row.textContent = `${name ? name + " " : ""}${data.percent ? (100 * y).toFixed(1) + " %" : show(y)}`; box.appendChild(row);
      }
      const at = left + place(x) * width;
      box.style.top = `${bounds.top - figure.getBoundingClientRect().top + 8}px`;
      box.style.left = at > bounds.width * 0.6 ? "auto" : `${at + 14}px`;
      box.style.right = at > bounds.width * 0.6 ? `${bounds.width - at + 14}px` : "auto";
    };
    chart.addEventListener("pointermove", move);
    chart.addEventListener("pointerleave", leave);
  }

  // Light or dark, as chosen.
  const button = document.createElement("button");
  button.type = "button"; button.className = "theme";
  const dark = () => (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const label = () => { button.textContent = dark() ? "light" : "dark"; };
  button.addEventListener("click", () => { document.documentElement.dataset.theme = dark() ? "light" : "dark"; label(); });
  label();
  document.querySelector(".over")?.appendChild(button);

  // Copy commands and recipes.
  if (navigator.clipboard) for (const code of document.querySelectorAll(".command, pre.code > code")) {
    const copy = document.createElement("button");
    copy.type = "button"; copy.className = "copy"; copy.textContent = "copy";
    copy.addEventListener("click", () => navigator.clipboard.writeText(code.textContent).then(() => { copy.textContent = "copied"; setTimeout(() => { copy.textContent = "copy"; }, 1500); }));
    if (code.classList.contains("command")) code.after(copy); else code.parentElement.before(copy);
  }

  // Search the problems.
  for (const filter of document.querySelectorAll(".filter")) {
    const field = document.createElement("input");
    field.type = "search"; field.className = "find"; field.placeholder = "find a file, row or column"; field.setAttribute("aria-label", "find in the problems");
    field.addEventListener("input", () => { for (const problem of filter.querySelectorAll(".problem")) problem.hidden = !problem.textContent.toLowerCase().includes(field.value.toLowerCase()); });
    filter.querySelector(".problems").before(field);
  }

  // Where in the page the reader is; small pictures with sharp pixels; everything open on paper.
  const links = new Map([...document.querySelectorAll(".contents a")].map((link) => [link.hash.slice(1), link]));
  const watch = new IntersectionObserver((entries) => { for (const entry of entries) if (entry.isIntersecting) { links.forEach((link) => link.classList.remove("here")); links.get(entry.target.id)?.classList.add("here"); } }, { rootMargin: "0px 0px -70% 0px" });
  for (const id of links.keys()) { const section = document.getElementById(id); if (section) watch.observe(section); }
  for (const image of document.querySelectorAll(".sheet img")) { const sharp = () => { if (image.naturalWidth && image.naturalWidth < 64) image.classList.add("tiny"); }; if (image.complete) sharp(); else image.addEventListener("load", sharp); }
  addEventListener("beforeprint", () => { for (const details of document.querySelectorAll("details")) details.open = true; });
})();
