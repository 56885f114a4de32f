"use strict";
(() => {
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];

  // The theme starts as the system has it; the button turns it over until the page is left.
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const themeButton = document.querySelector("[data-theme-button]");
  const isDark = () => (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
  const showTheme = () => themeButton.setAttribute("aria-pressed", String(isDark()));
  themeButton.hidden = false;
  themeButton.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    showTheme();
  });
  system.addEventListener("change", showTheme);
  showTheme();

  // Narrow, the ledger is shown as cards, and a browser may forget that it is a table then. The
  // roles say so; in the HTML itself they may not stand.
  const narrow = matchMedia("(max-width: 72rem)");
  const roles = { TABLE: "table", THEAD: "rowgroup", TBODY: "rowgroup", TR: "row", TD: "cell" };
  const roleOf = (part) =>
    roles[part.tagName] ?? (part.scope === "col" ? "columnheader" : "rowheader");
  const tellRoles = () => {
    if (!narrow.matches) return;
    for (const table of all("table.cards")) {
      const parts = [table, ...all("thead, tbody, tr, th, td", table)];
      parts.forEach((part) => part.setAttribute("role", roleOf(part)));
    }
  };
  narrow.addEventListener("change", tellRoles);
  tellRoles();

  // The sections' links stay at the top of the screen; the one that is read is marked.
  const way = document.querySelector(".contents");
  const parts = new Map(
    all('a[href^="#"]', way).map((link) => [document.getElementById(link.hash.slice(1)), link]),
  );
  const seen = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        const link = parts.get(target);
        if (isIntersecting) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
        if (isIntersecting) way.scrollTo({ left: link.offsetLeft - way.clientWidth / 3 });
      }
    },
    { rootMargin: "-35% 0px -65% 0px" }, // a line: one section at most lies on it
  );
  parts.forEach((_, part) => seen.observe(part));

  // Rows are sorted within their group, so that an experiment stays together.
  const key = (row, column, numeric) => {
    const cell = row.cells[column];
    const text = cell.dataset.sort ?? cell.textContent.trim();
    if (!numeric) return text;
    const number = parseFloat(String(text).replace(/[\s\u202f]/g, "").replace("\u2212", "-"));
    return Number.isNaN(number) ? null : number;
  };
  const compare = (a, b, numeric) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return numeric ? a - b : a.localeCompare(b, "en", { numeric: true });
  };
  const sortTable = (table, column, numeric, descending) => {
    for (const body of table.tBodies) {
      const rows = [...body.rows].filter((row) => !row.classList.contains("group"));
      const keyed = rows.map((row) => [key(row, column, numeric), row]);
      keyed.sort(([a], [b]) => {
        // What has no number stays at the end, whichever way the rest goes.
        const turn = descending && a !== null && b !== null ? -1 : 1;
        return turn * compare(a, b, numeric);
      });
      body.append(...keyed.map(([, row]) => row));
    }
  };
  for (const table of all("table[data-sortable]")) {
    const heads = all("thead th", table);
    heads.forEach((head, column) => {
      if (head.dataset.kind === "none") return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const descending = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", descending ? "descending" : "ascending");
        sortTable(table, column, head.dataset.kind === "number", descending);
      });
    });
  }

  // Filters: verdicts that are pressed (none means all) and words that all occur in a row.
  for (const controls of all("[data-controls]")) {
    const table = document.getElementById(controls.dataset.controls);
    const rows = all("tr[data-verdict]", table);
    const texts = rows.map((row) => `${row.id} ${row.textContent}`.toLowerCase());
    const chips = all("[data-verdict]", controls);
    const find = controls.querySelector("input");
    const shown = controls.querySelector(".shown");
    const filter = () => {
      const pressed = chips.filter((chip) => chip.getAttribute("aria-pressed") === "true");
      const verdicts = new Set(pressed.map((chip) => chip.dataset.verdict));
      const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
      let count = 0;
      rows.forEach((row, index) => {
        const fits =
          (verdicts.size === 0 || verdicts.has(row.dataset.verdict)) &&
          words.every((word) => texts[index].includes(word));
        row.hidden = !fits;
        count += fits;
      });
      for (const body of table.tBodies) {
        body.hidden = !all("tr[data-verdict]", body).some((row) => !row.hidden);
      }
      shown.textContent = `${count} of ${rows.length} ${shown.dataset.noun}`;
    };
    chips.forEach((chip) =>
      chip.addEventListener("click", () => {
        chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true"));
        filter();
      }),
    );
    find.addEventListener("input", filter);
    controls.hidden = false;
    filter();
  }

  // A page opened from a file or over plain HTTP may not have the clipboard.
  const copy = async (code) => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      return true;
    } catch {
      getSelection().selectAllChildren(code);
      return document.execCommand("copy");
    }
  };
  for (const button of all(".copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const done = await copy(button.parentElement.querySelector("code"));
      button.textContent = done ? "Copied" : "Selected";
      setTimeout(() => (button.textContent = "Copy"), 1500);
    });
  }

  // A link to a number shows all that is known of it.
  const openTarget = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const details = target?.matches("tr") && target.querySelector(".why details");
    if (details) details.open = true;
  };
  addEventListener("hashchange", openTarget);
  openTarget();

  // Print shows what is folded, then folds it again.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = all("details:not([open])");
    opened.forEach((details) => (details.open = true));
  });
  addEventListener("afterprint", () => opened.forEach((details) => (details.open = false)));
})();
