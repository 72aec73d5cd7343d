"use strict";
// The search, and examples that can be filled in. All texts go in as text, never as markup.
(() => {
  const MOST = 30;
  const root = document.body.dataset.root;
  const box = document.querySelector(".search");
  const query = document.getElementById("query");
  const found = document.getElementById("found");
  const count = document.getElementById("count");
  const entries = typeof skyqlIndex === "undefined" ? [] : skyqlIndex;
  let chosen = -1;

  // How well a word fits: the name says more than a method, a method more than a column or a description.
  function rank(entry, word) {
    const id = entry.id.toLowerCase();
    const name = id.slice(id.indexOf(".") + 1);
    if (name === word || id === word) return 100;
    if (name.startsWith(word)) return 60;
    if (id.includes(word)) return 40;
    if (entry.methods.some((method) => method.toLowerCase().includes(word))) return 20;
    if (entry.verbs.toLowerCase().split(" ").includes(word)) return 12;
    if (entry.columns.some((column) => column.toLowerCase().includes(word))) return 8;
    return entry.about.toLowerCase().includes(word) ? 5 : 0;
  }

  function search(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return [];
    const hits = [];
    for (const entry of entries) {
      const ranks = words.map((word) => rank(entry, word));
      if (ranks.every((one) => one > 0)) hits.push([ranks.reduce((a, b) => a + b), entry]);
    }
    hits.sort((a, b) => b[0] - a[0] || a[1].id.length - b[1].id.length || (a[1].id < b[1].id ? -1 : 1));
    return hits.map((hit) => hit[1]);
  }

  function choose(at) {
    const options = [...found.children];
    chosen = options.length ? (at + options.length) % options.length : -1;
    options.forEach((option, index) => option.setAttribute("aria-selected", String(index === chosen)));
    if (chosen < 0) {
      query.removeAttribute("aria-activedescendant");
      return;
    }
    query.setAttribute("aria-activedescendant", options[chosen].id);
    options[chosen].scrollIntoView({ block: "nearest" });
  }

  function close() {
    found.hidden = true;
    query.setAttribute("aria-expanded", "false");
    query.removeAttribute("aria-activedescendant");
    chosen = -1;
  }

  function show() {
    const hits = search(query.value);
    found.replaceChildren();
    if (!query.value.trim()) {
      count.textContent = "";
      close();
      return;
    }
    hits.slice(0, MOST).forEach((entry, index) => {
      const option = document.createElement("li");
      option.id = "found-" + index;
      option.setAttribute("role", "option");
      const link = document.createElement("a");
      link.href = root + entry.href;
      link.tabIndex = -1;
      const name = document.createElement("strong");
      name.textContent = entry.id;
      const about = document.createElement("span");
      about.textContent = entry.about || entry.verbs;
      link.append(name, about);
      option.append(link);
      found.append(option);
    });
    const shown = Math.min(hits.length, MOST);
    count.textContent = hits.length === 0 ? "Nothing found" : shown < hits.length ? shown + " of " + hits.length + " found" : shown + " found";
    found.hidden = false;
    query.setAttribute("aria-expanded", "true");
    if (hits.length) {
      choose(0);
    } else {
      const none = document.createElement("li");
      none.setAttribute("role", "presentation");
      const said = document.createElement("span");
      said.textContent = "Nothing found";
      none.append(said);
      found.append(none);
    }
  }

  box.hidden = false;
  query.addEventListener("input", show);
  query.addEventListener("focus", () => { if (query.value) show(); });
  query.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (found.hidden) show();
      else choose(chosen + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Enter") {
      const link = found.hidden || chosen < 0 ? null : found.children[chosen].querySelector("a");
      if (link) link.click();
    } else if (event.key === "Escape") {
      query.value = "";
      show();
    }
  });
  document.addEventListener("click", (event) => { if (!box.contains(event.target)) close(); });
  document.addEventListener("keydown", (event) => {
    const at = event.target;
    const writes = at instanceof HTMLInputElement || at instanceof HTMLTextAreaElement || at.isContentEditable;
    if (event.key === "/" && !writes && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      query.focus();
      query.select();
    }
  });

  // A value as SQL has it; the statement checks it once more.
  function literal(text, type) {
    const plain = text.trim();
    if ((type === "integer" || type === "number") && /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(plain)) return plain;
    if (type === "boolean" && /^(true|false)$/i.test(plain)) return plain.toUpperCase();
    return "'" + text.replaceAll("'", "''") + "'";
  }

  async function copy(button, code) {
    let done = false;
    try {
      await navigator.clipboard.writeText(code.textContent);
      done = true;
    } catch {
      const range = document.createRange();
      range.selectNodeContents(code);
      const selection = getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
    }
    button.textContent = done ? "Copied" : "Selected";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  }

  for (const example of document.querySelectorAll(".example")) {
    const code = example.querySelector("code");
    const bar = document.createElement("div");
    bar.className = "fill";
    for (const value of code.querySelectorAll(".value")) {
      const { variable, type } = value.dataset;
      const template = value.textContent;
      const label = document.createElement("label");
      label.append(variable);
      const input = document.createElement("input");
      input.type = "text";
      input.placeholder = type;
      input.autocomplete = "off";
      input.addEventListener("input", () => {
        value.textContent = input.value ? literal(input.value, type) : template;
        value.classList.toggle("filled", Boolean(input.value));
      });
      label.append(input);
      bar.append(label);
    }
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.addEventListener("click", () => copy(button, code));
    bar.append(button);
    example.append(bar);
  }
})();
