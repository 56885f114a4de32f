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

async function read(browser, file, options, look) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const told = { requests: [], errors: [] };
  page.on("request", (request) => {
    const url = request.url();
    const itself = url === pathToFileURL(file).href;
    if (!itself && !url.startsWith("data:")) told.requests.push(url);
  });
  page.on("console", (message) => told.errors.push(message.text()));
  page.on("pageerror", (error) => told.errors.push(error.message));
  await page.goto(pathToFileURL(file).href);
  Object.assign(told, await look(page));
  await context.close();
  return told;
}

async function screen(page) {
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  const found = await page.evaluate(outside);
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() =>
    axe.run(document, { resultTypes: ["violations"] }),
  );
  const told = violations.map(({ impact, id, nodes }) => `${impact} ${id}: ${nodes[0].html}`);
  return { width, outside: found, violations: told };
}

async function print(page) {
  await page.emulateMedia({ media: "print" });
  await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
  return page.evaluate(onPaper, PAPER.height);
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
  const figures = [];
  const places = await page.evaluate("Object.entries(categories)");
  for (const [place, parts] of places) {
    for (const part of Object.keys(parts)) {
      await page.reload();
      await page.locator("a", { hasText: place }).click();
      if (Object.keys(parts).length > 1) await page.locator("a", { hasText: part }).click();
      const eyes = page.locator('a[iconname="eye"]');
      await eyes.first().waitFor();
      for (const eye of await eyes.all()) {
        await eye.click();
        const drawn = page.locator('img[src^="data/"]');
        if (!(await drawn.count())) continue; // a page or a table
        await drawn.evaluate((one) => one.decode());
        figures.push({ place, source: await drawn.getAttribute("src") });
      }
    }
  }
  return { figures };
}

async function main() {
  const asked = JSON.parse(fs.readFileSync(0, "utf8"));
  const root = process.getuid && process.getuid() === 0;
  const browser = await chromium.launch({
    executablePath: asked.chromium,
    args: root ? ["--no-sandbox"] : [],
  });
  const told = { screens: {}, prints: {} };
  for (const file of asked.pages) {
    for (const colorScheme of ["light", "dark"]) {
      for (const width of [1280, 360]) {
        const options = { viewport: { width, height: 900 }, colorScheme };
        told.screens[`${file} ${colorScheme} ${width}`] = await read(browser, file, options, screen);
      }
    }
    told.prints[file] = await read(browser, file, { viewport: PAPER }, print);
  }
  if (asked.index) {
    const wide = { viewport: { width: 1280, height: 900 }, colorScheme: "light" };
    told.use = await read(browser, asked.index, wide, use);
    told.plain = await read(browser, asked.index, { ...wide, javaScriptEnabled: false }, plain);
  }
  if (asked.report) told.report = await read(browser, asked.report, {}, leaf);
  await browser.close();
  process.stdout.write(JSON.stringify(told));
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
