// Looks at a report in a real browser: node check.mjs REPORT SCREENSHOTS [--plant]
//
// Prints a line for each problem and exits 1 if there is one. With --plant, it also plants the opposite of each check,
// and that this goes unseen is a problem. CHROMIUM names the browser; else it is looked for in PATH.

import { accessSync, constants, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const [report, screenshots] = process.argv.slice(2, 4).map((path) => resolve(path));
const planting = process.argv[4] === '--plant';
if (!screenshots) {
  console.error('usage: node check.mjs REPORT SCREENSHOTS [--plant]');
  process.exit(2);
}
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const data = JSON.parse(readFileSync(join(report, 'data.json'), 'utf8'));
const url = pathToFileURL(join(report, 'index.html')).href;
mkdirSync(screenshots, { recursive: true });

const WIDTHS = [360, 900, 1600];
const SCHEMES = ['light', 'dark'];

function browserInPath() {
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
  const folders = (process.env.PATH ?? '').split(delimiter);
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

const executablePath = process.env.CHROMIUM || browserInPath();
if (!executablePath) {
  console.error('no browser: name one in CHROMIUM, or put chromium in PATH');
  process.exit(2);
}

// The checks: each takes a page and answers with the problems it sees.

async function overflow(page) {
  return page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    const wide = [...document.querySelectorAll('body *')].filter((element) => {
      if (element.getBoundingClientRect().right <= width + 1) return false;
      for (let at = element.parentElement; at; at = at.parentElement) {
        if (['auto', 'scroll', 'hidden'].includes(getComputedStyle(at).overflowX)) return false;
      }
      return true;
    });
    const what = wide.slice(0, 3).map((element) => element.outerHTML.slice(0, 100));
    return [`overflow at ${innerWidth} px: ${document.documentElement.scrollWidth} px wide: ${what.join(' | ')}`];
  });
}

async function permalinks(page) {
  const problems = [];
  for (const claim of data.claims) {
    const found = await page.evaluate(async (id) => {
      scrollTo({ top: 0, behavior: 'instant' });
      const link = document.querySelector(`a.permalink[href="#${id}"]`);
      if (!link) return 'no permalink';
      link.click();
      const section = document.getElementById(id);
      if (!section) return 'no such section';
      await new Promise((done) => setTimeout(done, 30));
      const { top } = section.getBoundingClientRect();
      const end = Math.abs(scrollY + innerHeight - document.documentElement.scrollHeight) < 2;
      return (top >= 0 && top < 60) || (end && top < innerHeight) ? null : `it is at ${top} px`;
    }, claim.id);
    if (found) problems.push(`permalink #${claim.id}: ${found}`);
  }
  return problems;
}

async function copying(page) {
  const problems = [];
  for (const claim of data.claims) {
    const { citation } = JSON.parse(readFileSync(join(report, 'claims', `${claim.id}.cite.json`), 'utf8'));
    for (const form of ['markdown', 'plain', 'bibtex']) {
      const button = page.locator(`section[id="${claim.id}"] button[data-copy=${form}]`);
      if ((await button.count()) !== 1) {
        problems.push(`copy ${form} of ${claim.id}: no button`);
        continue;
      }
      await button.evaluate((element) => element.click());
      await page.waitForFunction(
        (id) => document.getElementById(id).querySelector('.copied').textContent !== '', claim.id, { timeout: 2000 },
      ).catch(() => problems.push(`copy ${form} of ${claim.id}: nothing was announced`));
      const got = await page.evaluate(() => navigator.clipboard.readText());
      if (got !== citation[form]) {
        problems.push(`copy ${form} of ${claim.id}: the clipboard has ${JSON.stringify(got)}`);
      }
      const said = await page.evaluate((id) => {
        const status = document.getElementById(id).querySelector('.copied');
        const text = status.textContent;
        status.textContent = '';
        return text;
      }, claim.id);
      if (said !== 'Copied.') problems.push(`copy ${form} of ${claim.id}: it said ${JSON.stringify(said)}`);
    }
  }
  return problems;
}

async function marks(page) {
  const problems = [];
  const same = (what, found, wanted) => {
    if (JSON.stringify(found) !== JSON.stringify(wanted)) {
      problems.push(`marks of ${what}: ${JSON.stringify(found)}, in the JSON ${JSON.stringify(wanted)}`);
    }
  };
  const order = (values) => [...values].sort((a, b) => a - b);
  for (const claim of data.claims) {
    for (const chart of claim.charts ?? []) {
      const found = await page.$$eval(
        `section[id="${claim.id}"] [data-chart="${chart.id}"] .mark`,
        (drawn) => drawn.filter((mark) => mark.querySelector('path, rect')).map((mark) => Number(mark.dataset.y)),
      );
      const wanted = chart.series.flatMap((series) => series.points.map(({ y }) => y));
      same(`${claim.id}, ${chart.id}`, order(found), order(wanted));
    }
    const parts = (claim.layouts ?? []).map((layout) => layout.parts.length);
    const drawn = await page.$$eval(`section[id="${claim.id}"] .layout`, (all) =>
      all.map((layout) => layout.querySelectorAll('.part').length));
    same(`${claim.id}, layouts`, drawn, parts);
  }
  const filled = await page.$$eval('polyline', (lines) => lines.filter((line) => getComputedStyle(line).fill !== 'none'));
  if (filled.length > 0) problems.push(`marks: ${filled.length} lines are drawn as areas`);
  const squares = await page.$$eval('.language', (all) => all.map((one) => one.querySelectorAll('.cells i').length));
  same('the ladder', squares, data.headline.map(({ instructions }) => instructions));
  return problems;
}

async function keyboard(page) {
  const listing = page.locator('.listing').first();
  if ((await listing.count()) === 0) return [];
  await listing.focus();
  await page.keyboard.press('ArrowDown');
  const problems = await page.evaluate(() => {
    const line = document.querySelector('.listing li.now code')?.textContent;
    const explained = document.querySelector('.explain').textContent;
    return line && explained.startsWith(line) ? [] : [`keyboard: at ${line} it says ${explained}`];
  });
  return problems;
}

async function accessible(page) {
  await page.evaluate(axe);
  await page.evaluate(() => document.querySelectorAll('details').forEach((details) => { details.open = true; }));
  const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ['violations'] }));
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, help, nodes }) => {
      const where = nodes.slice(0, 3).map((node) => node.html.slice(0, 160));
      return `axe ${id}: ${help}: ${where.join(' | ')}`;
    });
}

async function open(context, { scheme = 'light' } = {}) {
  const page = await context.newPage();
  page.problems = [];
  page.on('console', (message) => {
    if (message.type() === 'error') page.problems.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => page.problems.push(`console: ${error}`));
  page.on('request', (request) => {
    if (request.url().split('#')[0] !== url && !request.url().startsWith('data:')) {
      page.problems.push(`request: ${request.url()}`);
    }
  });
  await page.setViewportSize({ width: 1600, height: 900 });
  await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
  await page.goto(url);
  return page;
}

// What each check must see: the page with its opposite planted.
const PLANTS = [
  [overflow, () => { document.querySelector('main').style.minWidth = '3000px'; }],
  [permalinks, () => { document.querySelector('section.claim').id = 'elsewhere'; }],
  [permalinks, () => { document.querySelector('section.claim a.permalink').setAttribute('href', '#top'); }],
  [copying, () => { document.querySelector('pre[data-form=bibtex]').append('!'); }],
  [marks, () => { document.querySelector('.cells i, .mark').remove(); }],
  [keyboard, () => { const one = document.querySelector('.listing'); one.replaceWith(one.cloneNode(true)); }],
  [accessible, () => { document.querySelector('h1').style.color = '#ddd'; }],
  [async (page) => page.problems, () => { console.error('planted'); }],
  [async (page) => page.problems, () => { new Image().src = 'file:///planted'; }],
];

const browser = await chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });
const problems = [];
try {
  const context = await browser.newContext({ permissions: ['clipboard-read', 'clipboard-write'] });
  for (const scheme of SCHEMES) {
    const page = await open(context, { scheme });
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 900 });
      await page.screenshot({
        path: join(screenshots, `${width}-${scheme}.png`), fullPage: true, clip: { x: 0, y: 0, width, height: 3000 },
      });
      problems.push(...(await overflow(page)));
    }
    problems.push(...(await accessible(page)));
    // Now with everything that can be opened open.
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 900 });
      problems.push(...(await overflow(page)));
    }
    problems.push(...page.problems);
    await page.close();
  }
  const page = await open(context);
  for (const check of [permalinks, marks, keyboard, copying]) problems.push(...(await check(page)));
  await page.setViewportSize({ width: 360, height: 900 });
  problems.push(...(await permalinks(page)));
  await page.emulateMedia({ media: 'print' });
  await page.setViewportSize({ width: 700, height: 900 });
  problems.push(...(await overflow(page)), ...page.problems);
  await page.close();

  for (const [at, [check, plant]] of planting ? PLANTS.entries() : []) {
    const planted = await open(context);
    const fits = await planted.evaluate(`(() => { try { (${plant})(); return true; } catch { return false; } })()`);
    await planted.waitForTimeout(50);
    if (!fits) problems.push(`plant ${at} found nothing to change: ${plant}`);
    if (fits && (await check(planted)).length === 0) problems.push(`plant ${at} went unseen: ${plant}`);
    await planted.close();
  }
} finally {
  await browser.close();
}
for (const problem of problems) console.log(problem);
process.exit(problems.length > 0 ? 1 : 0);
