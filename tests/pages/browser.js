// What a browser makes of the pages, as JSON for tests/workflow/test_pages.py, which judges.
// Input (JSON on stdin): `chromium`, its path; `pages`, the files; `index`, the one to use;
// `report`, a report of Snakemake's.
"use strict";
const fs = require("fs");
const { pathToFileURL } = require("url");
const { chromium } = require("playwright-core");

const AXE = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
// A4 less the margins of style.css, in CSS pixels.
const PAPER = { width: 688, height: 1001 };

// Runs in the page: what stands out of the window, and is no part of a region that scrolls.
const outside = () => {
  const kept = ".scroll, .tall, .contents, svg, .skip";
  return [...document.querySelectorAll("body *")]
    .filter((one) => !one.closest(kept) || one.matches(".scroll, .tall, .contents"))
    .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
    .map((one) => one.outerHTML.slice(0, 120));
};

// Runs in the page as it is printed: what would be cut, or be of no use on paper.
const onPaper = (height) => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const shown = (one) => one.getClientRects().length > 0;
  const name = (one) => one.outerHTML.slice(0, 120);
  return {
    width: document.documentElement.scrollWidth,
    // The heads of columns are buttons too, and print as the words that they are.
    buttons: all("button:not(thead button), input").filter(shown).map(name),
    scrolling: all("body *")
      .filter((one) => !one.closest("svg") && shown(one))
      .filter((one) => one.matches(".scroll, .tall") || getComputedStyle(one).overflowX !== "visible")
      .filter(
        (one) =>
          one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1,
      )
      .map(name),
    tall: all("figure").filter((one) => one.getBoundingClientRect().height > height).map(name),
    folded: all("details > dl").filter((one) => !one.getBoundingClientRect().height).map(name),
  };
};

const order = (page, column) =>
  page.$$eval(`#ledger tbody tr[data-verdict] > :nth-child(${column})`, (cells) =>
    cells.map((cell) => cell.dataset.sort ?? cell.textContent.trim()),
  );
const visible = (page) =>
  page.$$eval("#ledger tr[data-verdict]", (rows) =>
    rows.filter((row) => row.getClientRects().length).map((row) => row.id),
  );

// Two at a time; what is told of them, in their order.
async function each(all, look) {
  const told = [];
  const left = [...all.entries()];
  const next = async () => {
    for (let one = left.shift(); one; one = left.shift()) told[one[0]] = await look(one[1]);
  };
  await Promise.all([next(), next()]);
  return told;
}

// Opens a file, looks at it, and tells also what it asked for and what it complained of.
async function read(browser, file, options, look) {
  const context = await browser.newContext(options);
  const told = { requests: [], errors: [] };
  context.on("request", (request) => {
    const url = request.url();
    const itself = url === pathToFileURL(file).href;
    if (!itself && !url.startsWith("data:")) told.requests.push(url);
  });
  context.on("console", (message) => told.errors.push(message.text()));
  context.on("weberror", (one) => told.errors.push(one.error().message));
  const page = await context.newPage();
  await page.goto(pathToFileURL(file).href);
  Object.assign(told, await look(page));
  await context.close();
  return told;
}

// The faults that axe finds, by all of its rules or by some.
async function axe(page, rules) {
  const options = { resultTypes: ["violations"], ...(rules && { runOnly: rules }) };
  const { violations } = await page.evaluate((told) => window.axe.run(document, told), options);
  return violations.map(({ impact, id, nodes }) => `${impact} ${id}: ${nodes[0].html}`);
}

// A page on a screen and on a phone, light and dark, and on paper. What axe finds depends on the
// theme only where it is a matter of contrast. What is folded is looked at, too.
async function views(page) {
  const screens = {};
  await page.evaluate(AXE);
  await page.evaluate(() => {
    window.folded = [...document.querySelectorAll("details:not([open])")];
    window.folded.forEach((details) => (details.open = true));
  });
  for (const width of [1280, 360]) {
    await page.setViewportSize({ width, height: 900 });
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      screens[`${colorScheme} ${width}`] = {
        width: await page.evaluate(() => document.documentElement.scrollWidth),
        outside: await page.evaluate(outside),
        violations: await axe(page, colorScheme === "dark" ? ["color-contrast"] : null),
      };
    }
  }
  await page.evaluate(() => window.folded.forEach((details) => (details.open = false)));
  await page.setViewportSize(PAPER);
  await page.emulateMedia({ media: "print", colorScheme: "light" });
  await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
  return { screens, paper: await page.evaluate(onPaper, PAPER.height) };
}

// Uses the table of the first page: words, a verdict, a column up and down, a command, a section.
async function use(page) {
  const find = page.locator(".find input");
  await find.fill("ch07. LOSS");
  const found = await visible(page);
  await find.fill("no such thing");
  const nothing = { rows: await visible(page), said: await page.textContent(".shown") };
  await find.fill("");
  const chip = page.locator(".chip").first();
  await chip.click();
  const verdict = { name: await chip.getAttribute("data-verdict"), rows: await visible(page) };
  await chip.click();
  const all = await visible(page);
  const head = page.locator("#ledger thead th").nth(2);
  await head.locator("button").click();
  const up = { values: await order(page, 3), told: await head.getAttribute("aria-sort") };
  await head.locator("button").click();
  const down = { values: await order(page, 3), told: await head.getAttribute("aria-sort") };
  const copy = page.locator(".copy").first();
  await copy.click();
  await page.waitForFunction(() => document.querySelector(".copy").textContent !== "Copy");
  const copied = await copy.textContent();
  await page.locator('.contents a[href="#stages"]').click();
  await page.waitForSelector('.contents a[href="#stages"][aria-current]');
  const colour = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await colour();
  await page.locator(".theme").click();
  return { found, nothing, verdict, all, up, down, copied, light, dark: await colour() };
}

async function plain(page) {
  const controls = await page.$$eval("button, input", (all) =>
    all.filter((one) => one.getClientRects().length).map((one) => one.outerHTML),
  );
  await page.locator("#ledger details > summary").first().click();
  const opened = await page.$$eval("#ledger details[open]", (all) => all.length);
  return { rows: await visible(page), controls, opened };
}

// Opens every figure of a report of Snakemake's by its menus, as a reader would.
async function leaf(page) {
  const places = Object.entries(await page.evaluate("categories"));
  const menus = places.flatMap(([place, parts]) =>
    Object.keys(parts).map((part, _, all) => (all.length > 1 ? [place, part] : [place])),
  );
  const shown = await each(menus, async (menu) => {
    const figures = [];
    const leaf = await page.context().newPage();
    await leaf.goto(page.url());
    for (const entry of menu) await leaf.locator("a", { hasText: entry }).click();
    const eyes = leaf.locator('a[iconname="eye"]');
    await eyes.first().waitFor();
    for (const eye of await eyes.all()) {
      await eye.click();
      const drawn = leaf.locator('img[src^="data/"]');
      if (!(await drawn.count())) continue; // a page or a table
      await drawn.evaluate((one) => one.decode());
      figures.push({ place: menu[0], source: await drawn.getAttribute("src") });
    }
    await leaf.close();
    return figures;
  });
  return { figures: shown.flat() };
}

async function main() {
  const asked = JSON.parse(fs.readFileSync(0, "utf8"));
  const root = process.getuid && process.getuid() === 0;
  const browser = await chromium.launch({
    executablePath: asked.chromium,
    args: ["--disable-gpu", "--disable-quic", ...(root ? ["--no-sandbox"] : [])],
  });
  const wide = { viewport: { width: 1280, height: 900 }, colorScheme: "light" };
  const small = { viewport: { width: 800, height: 600 }, reducedMotion: "reduce" };
  const seen = await each(asked.pages, (file) => read(browser, file, wide, views));
  const told = { pages: Object.fromEntries(asked.pages.map((file, place) => [file, seen[place]])) };
  if (asked.index) {
    told.use = await read(browser, asked.index, wide, use);
    told.plain = await read(browser, asked.index, { ...wide, javaScriptEnabled: false }, plain);
  }
  if (asked.report) told.report = await read(browser, asked.report, small, leaf);
  await browser.close();
  process.stdout.write(JSON.stringify(told));
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
