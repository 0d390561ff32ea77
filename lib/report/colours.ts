// Colours: a perceptual map for heatmaps, and a palette for labels that colour-blind readers can tell apart.

export type Rgb = readonly [number, number, number];

/** 256 colours from dark violet over green to light yellow. Made in OKLCH (Ottosson 2020), where equal steps look equal:
 * lightness rises by the same amount from each colour to the next, so that it also reads in greyscale. */
export const heatColours: readonly Rgb[] = Array.from({ length: 256 }, (_, i) => {
  const t = i / 255;
  const lightness = 0.2 + 0.74 * t;
  const hue = 305 - 200 * t;
  const chroma = 0.09 + 0.07 * Math.sin(Math.PI * Math.min(1, 0.15 + t));
  return oklch(lightness, chroma, hue);
});

/** Okabe and Ito's palette without its yellow (too light on white) and black; with {@link shapes} beyond seven labels. */
export const labelColours: readonly string[] = [
  '#0072b2',
  '#e69f00',
  '#009e73',
  '#cc79a7',
  '#56b4e9',
  '#d55e00',
  '#888888',
];

/** Marks around the origin, about 1 in radius, as SVG paths: one for every seven labels. */
export const shapes: readonly string[] = [
  'M1 0A1 1 0 1 1 -1 0A1 1 0 1 1 1 0Z',
  'M-.9 -.9H.9V.9H-.9Z',
  'M0 -1.2L1.1 .8H-1.1Z',
  'M0 -1.3L1.3 0L0 1.3L-1.3 0Z',
  'M-.4 -1.2H.4V-.4H1.2V.4H.4V1.2H-.4V.4H-1.2V-.4H-.4Z',
];

/** Colour and mark of the label with this index. */
export function labelStyle(index: number): { colour: string; shape: string } {
  return {
    colour: labelColours[index % labelColours.length],
    shape: shapes[Math.floor(index / labelColours.length) % shapes.length],
  };
}

/** OKLCH → sRGB bytes; out-of-gamut colours lose chroma, not lightness. Hue in degrees. */
function oklch(lightness: number, chroma: number, hue: number): Rgb {
  const a = chroma * Math.cos((hue * Math.PI) / 180);
  const b = chroma * Math.sin((hue * Math.PI) / 180);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  const outside = linear.some((v) => v < -1e-4 || v > 1 + 1e-4);
  if (outside && chroma > 1e-3) return oklch(lightness, chroma * 0.97, hue);
  const [r, g, blue] = linear.map((v) => {
    const clamped = Math.min(1, Math.max(0, v));
    const gamma = clamped <= 0.0031308 ? 12.92 * clamped : 1.055 * clamped ** (1 / 2.4) - 0.055;
    return Math.round(255 * gamma);
  });
  return [r, g, blue];
}
