// Text that may be longer than a string can be.

/** Pieces of text, joined to parts of `least` characters or a little more. */
export function* inParts(pieces: Iterable<string>, least = 2 ** 16): Iterable<string> {
  let text = '';
  for (const piece of pieces) {
    text += piece;
    if (text.length < least) continue;
    yield text;
    text = '';
  }
  if (text !== '') yield text;
}
