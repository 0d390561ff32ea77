// Tables for terminals and for Markdown: one description, two renderings.

/** A column: its heading, and whether its cells are numbers (aligned right). */
export interface Column {
  title: string;
  numeric?: boolean;
}

/** Columns padded to equal width, two spaces apart, a rule under the headings; `ruleBefore` puts another rule above the
 * row of that index (a total, say). No trailing spaces or newline. */
export function textTable(columns: readonly Column[], rows: readonly (readonly string[])[], ruleBefore = -1): string {
  const widths = columns.map((c, i) => Math.max(c.title.length, ...rows.map((row) => row[i].length)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => (columns[i].numeric ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
      .join('  ')
      .trimEnd();
  const rule = widths.map((w) => '─'.repeat(w)).join('  ');
  const body = rows.flatMap((row, i) => (i === ruleBefore ? [rule, line(row)] : [line(row)]));
  return [line(columns.map((c) => c.title)), rule, ...body].join('\n');
}

/** The same as a GitHub-flavoured Markdown table. */
export function markdownTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((c) => c.replace(/[\\|]/g, '\\$&')).join(' | ')} |`;
  const marks = columns.map((c) => (c.numeric ? '---:' : '---'));
  return [line(columns.map((c) => c.title)), `| ${marks.join(' | ')} |`, ...rows.map(line)].join('\n');
}
