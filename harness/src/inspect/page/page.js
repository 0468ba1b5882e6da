"use strict";
// Opens the packet that the address names (#p12): its fields, and their octets.
(() => {
  const root = document.documentElement;
  const packets = JSON.parse(document.getElementById("data").textContent);
  const panel = document.getElementById("packet");
  const element = (name, kind, text) => {
    const made = document.createElement(name);
    if (kind) made.className = kind;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  let shown = -1;

  // All octets of a buffer, each with the place that it has in it.
  const dump = (buffer, number) => {
    const box = element("div", "dump");
    const inLine = innerWidth <= 640 ? 8 : 16;
    for (let at = 0; at * 2 < buffer.octets.length; at += 1) {
      if (at % inLine === 0) box.append(element("span", "at", at.toString(16).padStart(4, "0")));
      const octet = element("span", "octet", buffer.octets.slice(at * 2, at * 2 + 2));
      octet.dataset.place = `${number}:${at}`;
      box.append(octet);
    }
    return box;
  };

  const light = (row) => {
    for (const old of panel.querySelectorAll(".lit")) old.classList.remove("lit");
    panel.querySelector(".field[aria-current]")?.removeAttribute("aria-current");
    if (!row) return;
    row.setAttribute("aria-current", "true");
    const { buffer, start, end } = row.dataset;
    for (let at = Number(start); at < Number(end); at += 1) {
      panel.querySelector(`[data-place="${buffer}:${at}"]`)?.classList.add("lit");
    }
    panel.querySelector(".lit")?.scrollIntoView({ block: "nearest" });
    root.dataset.field = row.firstChild.textContent;
    root.dataset.lit = [...panel.querySelectorAll(".lit")].map((octet) => octet.textContent).join("");
  };

  // The smallest field that has the octet in it.
  const fieldAt = (place) => {
    const [buffer, at] = place.split(":").map(Number);
    const holds = ({ dataset }) => Number(dataset.buffer) === buffer && Number(dataset.start) <= at && at < Number(dataset.end);
    const size = ({ dataset }) => Number(dataset.end) - Number(dataset.start);
    return [...panel.querySelectorAll(".field[tabindex]")].filter(holds).sort((a, b) => size(a) - size(b))[0];
  };

  const open = (place) => {
    const packet = packets[place];
    if (!packet) return;
    shown = place;
    const parts = [element("h3", "", `Packet ${packet.number} at ${packet.time}`), element("p", "", packet.summary), element("p", "quiet", packet.about)];
    for (const trouble of packet.troubles) parts.push(element("p", "problem", trouble));
    for (const layer of packet.layers) {
      parts.push(element("h3", "", layer.title));
      for (const field of layer.fields) {
        const row = element("div", "field");
        row.append(element("span", "", field.path), element("span", "", field.value));
        if (field.end > field.start) {
          Object.assign(row.dataset, { buffer: field.buffer, start: field.start, end: field.end });
          row.tabIndex = 0;
        }
        parts.push(row);
      }
    }
    const dumps = element("div", "dumps");
    dumps.tabIndex = 0;
    packet.buffers.forEach((buffer, number) => dumps.append(element("h3", "", buffer.what), dump(buffer, number)));
    panel.replaceChildren(...parts, dumps);
    panel.hidden = false;
    for (const link of document.querySelectorAll(".ladder a")) {
      const here = link.getAttribute("href") === `#p${packet.number}`;
      if (here) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    root.dataset.packet = packet.number;
    root.dataset.fields = panel.querySelectorAll(".field").length;
  };

  const follow = () => {
    const wanted = /^#p(\d+)$/.exec(location.hash);
    const place = wanted ? packets.findIndex((packet) => packet.number === Number(wanted[1])) : -1;
    if (place < 0) return;
    open(place);
    if (innerWidth <= 900) panel.scrollIntoView();
  };

  if (panel) {
    panel.addEventListener("click", ({ target }) => {
      const octet = target.closest(".octet");
      const row = octet ? fieldAt(octet.dataset.place) : target.closest(".field[tabindex]");
      if (row) light(row);
      if (row && octet) row.scrollIntoView({ block: "nearest" });
    });
    panel.addEventListener("mouseover", ({ target }) => {
      const row = target.closest(".field[tabindex]");
      if (row) light(row);
    });
    panel.addEventListener("focusin", ({ target }) => {
      if (target.matches(".field[tabindex]")) light(target);
    });
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const step = { n: 1, p: -1 }[event.key];
      if (step && packets[shown + step]) {
        location.hash = `#p${packets[shown + step].number}`;
        document.querySelector(".ladder a[aria-current]")?.scrollIntoView({ block: "nearest" });
      }
      const along = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (along && document.activeElement?.matches(".field[tabindex]")) {
        const rows = [...panel.querySelectorAll(".field[tabindex]")];
        rows[rows.indexOf(document.activeElement) + along]?.focus();
        event.preventDefault();
      }
    });
  }
  addEventListener("hashchange", follow);
  follow();
  root.dataset.ready = "yes";
  root.dataset.packets = packets.length;
  root.dataset.fits = root.scrollWidth <= innerWidth ? "yes" : "no";
})();
