// What a front end may be made of in an exported model: operators that every mobile runtime has. lib/export writes them
// in ONNX and in LiteRT.

/** The operators used, as ONNX names them; each appends one and returns the name of its output. */
export interface OperatorWriter {
  constant(name: string, data: Float32Array | Int32Array, dims?: readonly number[]): string;
  node(op: 'Add' | 'Sub' | 'Mul' | 'MatMul' | 'Log' | 'Sqrt', name: string, inputs: readonly string[]): string;
  node(op: 'Gather' | 'Concat', name: string, inputs: readonly string[], attributes: { axis: number }): string;
}

export interface FrontEndWriter extends OperatorWriter {
  /** Cuts a waveform `[N, samples]` into frames `[N, T, length]`, one at every `hop`, as far as they are whole;
   * `samples` is 'any' if they are known only at run time. */
  windows(name: string, waveform: string, cut: { samples: number | 'any'; length: number; hop: number }): string;
  /** `[N, samples]` with so many zeros before and behind. */
  pad(name: string, waveform: string, before: number, behind: number): string;
  /** `count` samples of a waveform `[N, samples]`, from `from` on. */
  crop(name: string, waveform: string, from: number, count: number): string;
  /** `[N, T, C]` → `[N, T · C]`. */
  flatten(name: string, x: string): string;
}
