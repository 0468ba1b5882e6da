"use strict";
// Filter and keyboard of the matrix. Everything is in the page already; this hides rows and moves the focus.
(() => {
  const root = document.documentElement;
  const table = document.getElementById("matrix");
  const form = document.getElementById("filter");
  const input = document.getElementById("text");
  const chips = [...document.querySelectorAll(".chip")];
  const columns = [...table.tHead.rows[0].cells].map((cell) => (cell.querySelector(".party") ?? cell).textContent);
  const rows = [...table.querySelectorAll("tr.case")].map((element) => {
    const links = [...element.cells].map((cell) => cell.querySelector("a"));
    const cells = links.slice(1).filter((link) => link);
    const suite = element.parentElement.dataset.suite;
    const words = [suite, element.cells[0].textContent, ...cells.map((link) => link.title)];
    return { element, links, cells, text: words.join("\n").toLowerCase(), name: suite + "/" + links[0].textContent };
  });
  let here = null;

  // The state is in the address, so that it can be sent to others: #q=unique&verdict=fail,error
  const read = () => {
    const hash = new URLSearchParams(location.hash.slice(1));
    const known = new Set(chips.map((chip) => chip.dataset.verdict));
    const verdicts = (hash.get("verdict") ?? "").split(",").filter((verdict) => known.has(verdict));
    return { text: hash.get("q") ?? "", verdicts: new Set(verdicts) };
  };
  const write = (state) => {
    const hash = new URLSearchParams();
    if (state.text) hash.set("q", state.text);
    if (state.verdicts.size) hash.set("verdict", [...state.verdicts].join(","));
    const text = hash.toString().replaceAll("%2C", ",");
    history.replaceState(null, "", text ? "#" + text : location.pathname);
    apply(state);
  };

  const apply = (state) => {
    if (input.value !== state.text) input.value = state.text;
    for (const chip of chips) chip.setAttribute("aria-pressed", String(state.verdicts.has(chip.dataset.verdict)));
    const words = state.text.toLowerCase().split(/\s+/).filter((word) => word);
    const wanted = (link) => state.verdicts.has(link.dataset.verdict);
    let shown = 0;
    for (const row of rows) {
      const fits = words.every((word) => row.text.includes(word)) && (!state.verdicts.size || row.cells.some(wanted));
      row.element.hidden = !fits;
      shown += fits ? 1 : 0;
      for (const link of row.cells) link.classList.toggle("faded", state.verdicts.size > 0 && !wanted(link));
    }
    for (const body of table.tBodies) body.hidden = ![...body.rows].some((row) => row.classList.contains("case") && !row.hidden);
    document.getElementById("shown").textContent = shown + " of " + rows.length + " cases";
    document.getElementById("nothing").hidden = shown > 0;
    root.dataset.shown = String(shown);
    if (!here || here.closest("tr").hidden) enter(rows.find((row) => !row.element.hidden)?.links[0] ?? null);
  };

  // One stop of the tab key for the whole table; arrows move within.
  const enter = (link) => {
    if (here) here.tabIndex = -1;
    here = link;
    if (here) here.tabIndex = 0;
  };
  const step = (down, right) => {
    const visible = rows.filter((row) => !row.element.hidden);
    let y = visible.findIndex((row) => row.links.includes(here));
    if (y < 0) return null;
    let x = visible[y].links.indexOf(here);
    for (;;) {
      y += down;
      x += right;
      if (!visible[y] || x < 0 || x >= visible[y].links.length) return null;
      if (visible[y].links[x]) return visible[y].links[x];
    }
  };
  const ends = { Home: (row) => row.links[0], End: (row) => row.links.filter((link) => link).at(-1) };
  const steps = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] };
  table.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || !here) return;
    const row = rows.find((row) => row.links.includes(here));
    const next = steps[event.key] ? step(...steps[event.key]) : ends[event.key]?.(row);
    if (!steps[event.key] && !ends[event.key]) return;
    event.preventDefault();
    if (next) { enter(next); next.focus(); }
  });

  // What is under the pointer or in focus, in words: a title alone is nothing on a phone or without a mouse.
  const detail = document.getElementById("detail");
  const tell = (link) => {
    const row = rows.find((row) => row.links.includes(link));
    if (!row || !link.dataset.verdict) return;
    detail.hidden = false;
    document.getElementById("detail-case").textContent = row.name;
    document.getElementById("detail-who").textContent = columns[row.links.indexOf(link)];
    const verdict = document.getElementById("detail-verdict");
    verdict.textContent = link.dataset.verdict;
    verdict.className = "v " + link.dataset.verdict;
    document.getElementById("detail-reason").textContent = link.title;
    const evidence = document.getElementById("detail-evidence");
    evidence.hidden = !link.dataset.evidence;
    if (link.dataset.evidence) evidence.href = link.dataset.evidence + "/";
  };
  table.addEventListener("focusin", (event) => {
    const link = event.target.closest("a");
    if (link) { enter(link); tell(link); }
  });
  table.addEventListener("mouseover", (event) => {
    const link = event.target.closest("a");
    if (link) tell(link);
  });

  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  input.addEventListener("input", () => write({ ...read(), text: input.value }));
  for (const chip of chips) {
    chip.addEventListener("click", () => {
      const state = read();
      if (!state.verdicts.delete(chip.dataset.verdict)) state.verdicts.add(chip.dataset.verdict);
      write(state);
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && event.target !== input) { event.preventDefault(); input.focus(); }
  });
  addEventListener("hashchange", () => apply(read()));
  for (const row of rows) for (const link of row.links) if (link) link.tabIndex = -1;
  apply(read());
  root.dataset.ready = "yes";
  root.dataset.fits = root.scrollWidth <= innerWidth ? "yes" : "no";
})();
