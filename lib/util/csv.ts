// Comma-separated values (RFC 4180): a first line of titles, floats with the digits that a float32 has.

export type CsvValue = string | number | undefined;

export function csvLine(values: Iterable<CsvValue>): string {
  return Array.from(values, cell).join(',');
}

/** Nine digits give back every float32. */
function cell(value: CsvValue): string {
  if (typeof value === 'number') return String(Number(value.toPrecision(9)));
  const text = value ?? '';
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Titles of the values of a vector: `e0`, `e1`, … */
export function numbered(letter: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${letter}${i}`);
}

/** Rows of cells, in which quotes may stand around commas, ends of lines and doubled quotes (RFC 4180). */
export function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  let [cells, cell, quoted]: [string[], string, boolean] = [[], '', false];
  const end = () => {
    cells.push(cell);
    if (cells.length > 1 || cells[0] !== '') rows.push(cells);
    [cells, cell] = [[], ''];
  };
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (quoted) {
      if (c === '"' && text[i + 1] === '"') cell += text[++i];
      else if (c === '"') quoted = false;
      else cell += c;
    } else if (c === '"' && cell === '') quoted = true;
    else if (c === ',') {
      cells.push(cell);
      cell = '';
    } else if (c === '\n') end();
    else if (c !== '\r') cell += c;
  }
  end();
  return rows;
}
