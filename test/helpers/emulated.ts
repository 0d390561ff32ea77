// Under an emulator the processor's own loader cannot start process.execPath: AUDIO2VEC_TEST_NODE names a script that
// can (.ci/test-arm sets it). Elsewhere this does nothing.
if (process.env.AUDIO2VEC_TEST_NODE) {
  Object.defineProperty(process, 'execPath', { value: process.env.AUDIO2VEC_TEST_NODE, writable: true });
}
