// What all pages of this package share: one HTML file that opens without a network, and the policy that keeps it so.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Html, html, name, scriptJson, trusted } from './html.js';

export interface Page {
  title: string;
  /** One line under the title. */
  subtitle?: string;
  /** What stands in `<main>`. */
  main: readonly (Html | string)[];
  /** Style sheets besides those of all pages. */
  styles?: readonly Html[];
  /** Scripts, run at the end of the page, */
  scripts?: readonly Html[];
  /** and what they find as JSON in the element `data`. */
  data?: unknown;
}

/** Style sheets of all pages; what comes later wins. */
const sheets = ['page.css', 'report.css', 'map.css', 'facts.css'];

/** The page as text. Strings may be hostile; none of them can become markup or script. */
export function renderPage({ title, subtitle, main, styles = [], scripts = [], data }: Page): string {
  // Nothing may be loaded, and only these scripts may run, whatever else should get into the page.
  const allowed = scripts.length > 0 ? scripts.map(hash).join(' ') : "'none'";
  const policy = `default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; script-src ${allowed}`;
  return html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
${[...sheets.map(assetFile), ...styles].map((style) => html`<style>${style}</style>`)}
</head>
<body>
<header><h1>${name(title)}</h1>${subtitle === undefined ? '' : html`<p>${name(subtitle)}</p>`}</header>
<main>
${main}
</main>
${data === undefined ? '' : html`<script type="application/json" id="data">${scriptJson(data)}</script>`}
${scripts.map((script) => html`<script>${script}</script>`)}
</body>
</html>
`.text;
}

// From lib/report (tests) and from dist/report, the package root is two levels up.
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** A file of lib/report/assets. */
export function assetFile(file: string): Html {
  return trusted(readFileSync(join(root, 'lib', 'report', 'assets', file), 'utf8'));
}

export function uplotFile(file: string): Html {
  const require = createRequire(import.meta.url);
  return trusted(readFileSync(join(dirname(require.resolve('uplot/package.json')), 'dist', file), 'utf8'));
}

/** What a page's policy calls an inline script. */
function hash(script: Html): string {
  return `'sha256-${createHash('sha256').update(script.text).digest('base64')}'`;
}
