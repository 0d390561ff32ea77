// HTML by tagged templates that escape every value: a file name may contain anything, also `</script>`.

/** Text that is HTML already. Only {@link html} and {@link trusted} make it. */
export class Html {
  constructor(readonly text: string) {}
  toString(): string {
    return this.text;
  }
}

type Value = Html | string | number | undefined | readonly Value[];

/** ``html`<td>${name}</td>` ``: strings are escaped, {@link Html} is taken as it is, lists are joined, undefined is ''. */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Html {
  return new Html(parts.reduce((text, part, i) => text + render(values[i - 1]) + part));
}

/** HTML from a source we wrote ourselves or ship (style sheets, scripts, drawings). */
export function trusted(text: string): Html {
  return new Html(text);
}

/** A file name or label, its writing direction kept from spilling over. */
export function name(text: string): Html {
  return html`<bdi>${text}</bdi>`;
}

/** Control characters, half characters and direction overrides as the replacement character, so that a name looks like
 * what it is. */
export function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069]/gu, '\ufffd');
}

export function escapeHtml(text: string): string {
  return visible(text).replace(/[&<>"'`]/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** JSON for the inside of a `<script>`: nothing in it can end the element or start a comment; strings as {@link visible}. */
export function scriptJson(value: unknown): Html {
  const json = JSON.stringify(value, (_, v) => (typeof v === 'string' ? visible(v) : v)).replace(
    /[<>&\u2028\u2029]/g,
    (c) => {
      return `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`;
    },
  );
  return new Html(json);
}

function render(value: Value): string {
  if (value === undefined) return '';
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(render).join('');
  return escapeHtml(String(value));
}
